package audit

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// exportBatch is how many records an export holds at a time, sections and all.
const exportBatch = 256

// Format of an export.
type Format string

const (
	// JSONL can be verified again, offline, by whoever has the public key.
	JSONL Format = "jsonl"
	// CSV is for spreadsheets: no cell of it is a formula.
	CSV Format = "csv"
	// OCSF is lines of the Open Cybersecurity Schema Framework 1.3, class 3004
	// (Entity Management), for security information systems.
	OCSF Format = "ocsf"
)

// Formats are all of them.
var Formats = []Format{JSONL, CSV, OCSF}

// Export writes the sealed entries in the order of the tree. progress is told
// now and then how many of how many are written, and, where writing fails, how
// many may have been handed out by then; it may be nil.
func Export(ctx context.Context, db *sql.DB, system string, format Format, out io.Writer, progress func(done, total int64)) error {
	d := dialectOf(system)
	if d == nil {
		return errUnsupported
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	w := bufio.NewWriter(out)
	to, err := exporterOf(format, w)
	if err != nil {
		return err
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var size, signed int64
	var note []byte
	err = d.reading(ctx, c, func() (err error) {
		if size, err = d.size(ctx, c); err == nil {
			note, signed, err = d.noteUpTo(ctx, c, size)
		}
		return err
	})
	if err != nil {
		return noTables(err)
	}
	for start := int64(0); start < size; start += exportBatch {
		end := min(start+exportBatch, size)
		var list []*record
		err := d.reading(ctx, c, func() (err error) {
			list, err = d.complete(ctx, c, start, end)
			return err
		})
		if err != nil {
			return err
		}
		for i, r := range list {
			err := to.record(r)
			if err == nil && r.idx+1 == signed {
				err = to.checkpoint(note)
			}
			if err != nil {
				progress(start+int64(i)+1, size)
				return err
			}
		}
		progress(end, size)
	}
	return errors.Join(to.end(), w.Flush())
}

// exporter is a format.
type exporter interface {
	record(*record) error
	checkpoint(note []byte) error // the largest, after the last entry that it covers
	end() error
}

func exporterOf(f Format, w io.Writer) (exporter, error) {
	switch f {
	case JSONL:
		return &jsonLines{json.NewEncoder(w)}, nil
	case CSV:
		c := csv.NewWriter(w)
		c.UseCRLF = true
		return &commaSeparated{c}, c.Write(csvColumns)
	case OCSF:
		return &ocsf{json.NewEncoder(w)}, nil
	}
	return nil, fmt.Errorf("audit: there is no export format %q: jsonl, csv or ocsf", f)
}

// complete reads records with their sections.
func (d *dialect) complete(ctx context.Context, c *sql.Conn, start, end int64) ([]*record, error) {
	var list []*record
	byIdx := map[int64]*record{}
	err := d.records(ctx, c, start, end, func(r *record) error {
		own := *r
		own.seal, own.hash, own.leaf = bytes.Clone(r.seal), bytes.Clone(r.hash), bytes.Clone(r.leaf)
		list = append(list, &own)
		byIdx[r.idx] = &own
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = d.sections(ctx, c, start, end, func(idx int64, s readSection) error {
		if r := byIdx[idx]; r != nil {
			r.sections = append(r.sections, readSection{s.name, bytes.Clone(s.salt), bytes.Clone(s.body)})
		}
		return nil
	})
	for _, r := range list {
		slices.SortFunc(r.sections, func(a, b readSection) int { return strings.Compare(a.name, b.name) })
	}
	return list, err
}

// noteUpTo is the note of the largest checkpoint that covers no more than size,
// and what it covers; 0 without one.
func (d *dialect) noteUpTo(ctx context.Context, c *sql.Conn, size int64) ([]byte, int64, error) {
	notes, err := strs(ctx, c, "SELECT note FROM "+d.prefix+"checkpoint WHERE size <= "+strconv.FormatInt(size, 10)+" ORDER BY size DESC LIMIT 1")
	if err != nil || len(notes) == 0 {
		return nil, 0, err
	}
	cp, _, err := (*keyring)(nil).open([]byte(notes[0]))
	if err != nil {
		return nil, 0, nil // verification's to find
	}
	return []byte(notes[0]), cp.Size, nil
}

type jsonLines struct{ out *json.Encoder }

func (j *jsonLines) record(r *record) error {
	h, _ := readHeader(r.leaf) // what cannot be read is exported as it is
	return j.out.Encode(r.line(h))
}

func (j *jsonLines) checkpoint(note []byte) error {
	return j.out.Encode(exportLine{Type: "checkpoint", Note: string(note)})
}

func (*jsonLines) end() error { return nil }

// csvColumns are what an auditor sorts and filters by.
var csvColumns = []string{"index", "id", "attempt", "kind", "stage", "db_time", "client_time", "tool", "version", "direction", "outcome", "guarantee",
	"duration_ns", "statements", "error_class", "sqlstate", "db_user", "actor", "approver", "os_user", "host", "ci_actor", "ci_approver", "ci_run", "ticket", "reason", "erased"}

type commaSeparated struct{ out *csv.Writer }

func (c *commaSeparated) record(r *record) error {
	f := flatten(r)
	f["index"] = strconv.FormatInt(r.idx, 10)
	row := make([]string, len(csvColumns))
	for i, column := range csvColumns {
		row[i] = harmless(f[column])
	}
	return c.out.Write(row)
}

func (*commaSeparated) checkpoint([]byte) error { return nil }

func (c *commaSeparated) end() error {
	c.out.Flush()
	return c.out.Error()
}

// harmless keeps a spreadsheet from taking a text for a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// flatten is a record as texts by name: the leaf's own, and those of the
// sections that are there.
func flatten(r *record) map[string]string {
	f := map[string]string{"id": r.id.String(), "attempt": r.attempt.String(), "kind": r.kind, "stage": r.stage, "db_time": r.facts.dbTime}
	texts(f, r.leaf)
	h, _ := readHeader(r.leaf)
	var erased []string
	for _, c := range h.sections {
		if !slices.ContainsFunc(r.sections, func(s readSection) bool { return s.name == c.name }) {
			erased = append(erased, c.name)
		}
	}
	f["erased"] = strings.Join(erased, " ")
	for _, s := range r.sections {
		switch s.name {
		case sectionActor:
			var fields map[string]struct{ Value string }
			if json.Unmarshal(s.body, &fields) == nil {
				for name, x := range fields {
					f[name] = x.Value
				}
			}
		case sectionWhy:
			texts(f, s.body)
		}
	}
	return f
}

// texts adds the strings and numbers of a JSON object.
func texts(f map[string]string, object []byte) {
	var values map[string]any
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	if d.Decode(&values) != nil {
		return
	}
	for name, v := range values {
		switch v := v.(type) {
		case string:
			f[name] = v
		case json.Number:
			f[name] = v.String()
		}
	}
}

// ocsf writes class 3004, Entity Management, of category 3, Identity & Access
// Management: a schema is an entity that a migration changes.
type ocsf struct{ out *json.Encoder }

func (o *ocsf) record(r *record) error {
	f := flatten(r)
	const class = 3004
	activity, name := 99, "Other"
	if r.kind == kindOutcome {
		activity, name = 3, "Update"
	}
	status, statusID := "Unknown", 0
	switch f["outcome"] {
	case "applied", "baseline", "forced":
		status, statusID = "Success", 1
	case "failed", "interrupted":
		status, statusID = "Failure", 2
	}
	severity, severityID := "Informational", 1
	if statusID == 2 {
		severity, severityID = "High", 4
	}
	e := object{
		"category_uid": 3, "category_name": "Identity & Access Management",
		"class_uid": class, "class_name": "Entity Management",
		"activity_id": activity, "activity_name": name,
		"type_uid": class*100 + activity, "type_name": "Entity Management: " + name,
		"severity_id": severityID, "severity": severity,
		"status_id": statusID, "status": status,
		"metadata": object{"version": "1.3.0", "uid": r.id.String(), "sequence": r.idx, "correlation_uid": f["correlation"], "logged_time_dt": r.facts.dbTime,
			"product": object{"name": "sqlwitness", "vendor_name": "sqlwitness", "version": f["lib"]}},
		"entity":   object{"name": f["version"], "type": "Database migration", "uid": r.attempt.String()},
		"unmapped": object{"kind": r.kind, "stage": r.stage, "tool": f["tool"], "direction": f["direction"], "guarantee": f["guarantee"], "sqlstate": f["sqlstate"]},
	}
	if at := r.at(); !at.IsZero() {
		e["time"], e["time_dt"] = at.UnixMilli(), at.UTC().Format(time.RFC3339Nano)
	}
	if user := f["db_user"]; user != "" {
		e["actor"] = object{"user": object{"name": user}}
	}
	return o.out.Encode(e)
}

func (*ocsf) checkpoint([]byte) error { return nil }
func (*ocsf) end() error              { return nil }

// VerifyExport checks a JSONL export as Verify checks the tables. An export has
// no stored nodes, and one checkpoint: its last line. It takes some 50 bytes of
// memory for each entry, to see one that is there twice.
func VerifyExport(in io.Reader, cfg VerifyConfig) (*Report, error) {
	v, err := newVerifier(cfg)
	if err != nil {
		return nil, err
	}
	if err := v.readAnchors(); err != nil {
		return nil, err
	}
	lines, seen := bufio.NewReaderSize(in, 64<<10), map[uuid.UUID]struct{}{}
	for n := 1; ; n++ {
		text, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if len(bytes.TrimSpace(text)) > 0 {
			var l exportLine
			if json.Unmarshal(text, &l) != nil || l.Type != "entry" && l.Type != "checkpoint" {
				return nil, fmt.Errorf("audit: line %d is not of an export of sqlwitness", n)
			}
			if l.Type == "checkpoint" {
				v.exported([]byte(l.Note))
			} else if err := v.line(&l, seen); err != nil {
				return nil, fmt.Errorf("audit: line %d: %w", n, err)
			}
		}
		if err != nil {
			break
		}
		if v.cfg.Progress != nil && n%verifyBatch == 0 {
			v.cfg.Progress(v.tree.size, 0)
		}
	}
	if v.report.Checkpoints == 0 {
		v.report.unchecked("signatures: the export has no checkpoint")
	}
	v.end()
	return v.report, nil
}

func (v *verifier) line(l *exportLine, seen map[uuid.UUID]struct{}) error {
	r, err := l.record()
	if err != nil {
		return err
	}
	switch {
	case r.idx < v.tree.size:
		v.find(SealRepeated, r, "there are two lines for index %d of the tree", r.idx)
		return nil
	case r.idx > v.tree.size:
		v.gap(r.idx)
	}
	if _, ok := seen[r.id]; ok {
		v.find(EntryReplayed, r, "the entry at index %d is in the tree again", r.idx)
	}
	seen[r.id] = struct{}{}
	var h header
	v.add(r, &h)
	for _, s := range r.sections {
		v.section(r, s, &h)
	}
	v.rest(r, &h)
	return nil
}

// exported is the checkpoint of an export: of what has come before it.
func (v *verifier) exported(msg []byte) {
	v.kept = v.kept[:0]
	cp, _, err := v.keys.open(msg)
	if err != nil {
		cp = Checkpoint{}
	}
	v.checkpoint(cp.Size, cp.Origin, msg)
	for _, cp := range v.kept {
		if cp.Size != v.tree.size || cp.Root != v.tree.root() {
			v.find(CheckpointMismatch, nil, "the first %d entries are not those that were signed at that size", cp.Size)
		}
	}
}
