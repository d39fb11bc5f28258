package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"

	"github.com/sqlwitness/sqlwitness/audit"
)

// verdict is the report as -json writes it.
type verdict struct {
	Verdict   string         `json:"verdict"` // "ok", "altered" or "unchecked"
	Log       string         `json:"log_id"`
	Entries   int64          `json:"entries"`
	From      int64          `json:"from"`
	Checked   int64          `json:"checked"`
	Root      string         `json:"root"`
	Anchored  int64          `json:"anchored"`
	Findings  []foundJSON    `json:"findings"`
	Counts    map[string]int `json:"counts"`
	Unchecked []string       `json:"unchecked"`
}

type foundJSON struct {
	Code     string `json:"code"`
	Warning  bool   `json:"warning"`
	Index    *int64 `json:"index,omitempty"`
	Entry    string `json:"entry,omitempty"`
	Sentence string `json:"sentence"`
	Next     string `json:"next"`
}

func auditVerify(ctx context.Context, args []string, out, errs io.Writer) error {
	f := newAuditFlags("verify", errs)
	file := f.String("file", "", "verify this JSONL `file` of sqlwitness audit export instead, - for stdin")
	since := f.Bool("since", false, "check what came after the newest checkpoint of the anchors, which vouches for what is before")
	asJSON := f.Bool("json", false, "write the result as one JSON object")
	noRecord := f.Bool("no-record", false, noRecordUsage)
	var keys, anchors list
	f.Var(&keys, "key", "public `key`, or a file of them; may be repeated; default that of "+audit.EnvKey)
	f.Var(&anchors, "anchor", "`file` with checkpoints from outside the database: an anchor's, or a log; may be repeated; - for stdin")
	if err := parseAlone(f.FlagSet, args); err != nil {
		return err
	}
	if *since && len(anchors) == 0 {
		return errors.New("-since goes by the anchors: name one with -anchor")
	}
	public, err := publicKeys(keys)
	if err != nil {
		return err
	}
	cfg := audit.VerifyConfig{Keys: public, Since: *since}
	kept, closeAnchors, err := openAnchors(anchors)
	if err != nil {
		return err
	}
	defer closeAnchors()
	cfg.Anchors = kept
	// Each row is garbage once it is checked. A collection for every 16 MiB of it
	// instead of 4 saves a tenth of the time.
	debug.SetGCPercent(400)
	p := newEntryCount(errs, "verified")
	cfg.Progress = p.show
	r, err := verify(ctx, f, *file, cfg)
	p.end()
	if err != nil {
		return err
	}
	if *file == "" && !*noRecord {
		f.recordReading(errs, "verification", func(s *audit.Store) error { return s.Verified(ctx, r) })
	}
	if *asJSON {
		err = writeVerdict(out, r)
	} else {
		tellReport(out, r, len(anchors) > 0)
	}
	switch {
	case err != nil:
		return err
	case r.Altered():
		return errAltered
	case len(r.Unchecked) > 0:
		return errors.New("not everything could be checked")
	}
	return nil
}

func verify(ctx context.Context, f auditFlags, file string, cfg audit.VerifyConfig) (*audit.Report, error) {
	if file != "" {
		in, err := openInput(file)
		if err != nil {
			return nil, fmt.Errorf("-file: %w", err)
		}
		defer in.Close()
		return audit.VerifyExport(in, cfg)
	}
	db, system, err := f.open()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return audit.Verify(ctx, db, system, cfg)
}

// openAnchors opens the files that -anchor names, which done closes.
func openAnchors(paths []string) (files []io.Reader, done func(), err error) {
	var opened []io.Closer
	done = func() {
		for _, c := range opened {
			_ = c.Close()
		}
	}
	for _, path := range paths {
		r, err := openInput(path)
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("-anchor: %w", err)
		}
		files, opened = append(files, r), append(opened, r)
	}
	return files, done, nil
}

func openInput(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	return os.Open(path)
}

// tellReport tells people what was found.
func tellReport(out io.Writer, r *audit.Report, anchored bool) {
	for _, found := range r.Findings {
		word := "ALTERED"
		if found.Code.Warning() {
			word = "warning"
		}
		fmt.Fprintf(out, "%s %s: %s\n", word, found.Code, plain(found.Sentence)) // it may quote what was forged
		if found.Entry != "" {
			fmt.Fprintf(out, "        entry %s\n", found.Entry)
		}
		fmt.Fprintf(out, "        next: %s\n", found.Next)
	}
	for _, code := range sortedCodes(r) {
		if more := r.Counts[code] - listed(r, code); more > 0 {
			fmt.Fprintf(out, "        and %d more of %s\n", more, code)
		}
	}
	for _, u := range r.Unchecked {
		fmt.Fprintf(out, "not checked: %s\n", u)
	}
	fmt.Fprintf(out, "log %s: %d entries, %d checked", plain(orNone(r.Log)), r.Size, r.Checked)
	if r.From > 0 {
		fmt.Fprintf(out, " from index %d on", r.From)
	}
	fmt.Fprintf(out, ", %d sections, %d erased; %d checkpoints\n", r.Sections, r.Erased, r.Checkpoints)
	switch {
	case anchored:
		fmt.Fprintf(out, "the anchors vouch for %d of %d entries\n", r.Anchored, r.Size)
	case r.Checkpoints == 0:
		fmt.Fprintln(out, "without a key there are no checkpoints: whoever can change the database can rewrite the record unseen (sqlwitness audit keygen)")
	default:
		fmt.Fprintln(out, "without an anchor: whoever has the database and the key can rewrite the record unseen (-anchor)")
	}
	switch {
	case r.Altered():
		fmt.Fprintln(out, "the record was ALTERED")
	case len(r.Unchecked) > 0:
		fmt.Fprintln(out, "what was checked is as it was written")
	default:
		fmt.Fprintln(out, "the record is as it was written")
	}
}

func sortedCodes(r *audit.Report) []audit.Code {
	var codes []audit.Code
	for c := range r.Counts {
		codes = append(codes, c)
	}
	slices.Sort(codes)
	return codes
}

func listed(r *audit.Report, code audit.Code) (n int) {
	for _, f := range r.Findings {
		if f.Code == code {
			n++
		}
	}
	return n
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func writeVerdict(out io.Writer, r *audit.Report) error {
	v := verdict{Verdict: r.Verdict(), Log: r.Log, Entries: r.Size, From: r.From, Checked: r.Checked, Root: r.Root.String(), Anchored: r.Anchored,
		Findings: []foundJSON{}, Counts: map[string]int{}, Unchecked: append([]string{}, r.Unchecked...)}
	for _, f := range r.Findings {
		j := foundJSON{Code: string(f.Code), Warning: f.Code.Warning(), Entry: f.Entry, Sentence: f.Sentence, Next: f.Next}
		if f.Index >= 0 {
			j.Index = &f.Index
		}
		v.Findings = append(v.Findings, j)
	}
	for c, n := range r.Counts {
		v.Counts[string(c)] = n
	}
	return json.NewEncoder(out).Encode(v)
}
