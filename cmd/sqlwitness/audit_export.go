package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
)

func auditExport(ctx context.Context, args []string, out, errs io.Writer) error {
	f := newAuditFlags("export", errs)
	format := f.String("format", "jsonl", "jsonl, which can be verified again, csv or ocsf")
	file := f.String("o", "", "`file` to write to; default stdout")
	noRecord := f.Bool("no-record", false, noRecordUsage)
	if err := parseAlone(f.FlagSet, args); err != nil {
		return err
	}
	db, system, err := f.open()
	if err != nil {
		return err
	}
	defer db.Close()
	to := out
	written := &exportFile{path: *file}
	if *file != "" {
		to = written
	}
	sum := &summed{out: to, hash: sha256.New()}
	done := audit.Exported{Format: audit.Format(*format)}
	// A reader who has enough ends the writing and not the process, so that what was
	// handed out is recorded.
	signal.Ignore(syscall.SIGPIPE)
	p := newEntryCount(errs, "exported")
	err = audit.Export(ctx, db, system, done.Format, sum, func(n, total int64) { done.Entries = n; p.show(n, total) })
	p.end()
	if *file != "" {
		err = errors.Join(err, written.close(err == nil))
	}
	done.Bytes, done.SHA256, done.Failed = sum.bytes, hex.EncodeToString(sum.hash.Sum(nil)), err != nil
	if done.Bytes > 0 && !*noRecord {
		f.recordReading(errs, "export", func(s *audit.Store) error { return s.Exported(ctx, done) })
	}
	return err
}

// exportFile is made, or emptied, when there is something to write: an export that
// cannot begin leaves the one before as it is.
type exportFile struct {
	path string
	file *os.File
}

func (e *exportFile) Write(b []byte) (n int, err error) {
	if err := e.open(); err != nil {
		return 0, err
	}
	return e.file.Write(b)
}

func (e *exportFile) open() (err error) {
	if e.file == nil {
		e.file, err = os.OpenFile(e.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // it holds what the database does
	}
	return err
}

// close closes it. One that is whole is there even if it is empty.
func (e *exportFile) close(whole bool) error {
	if whole {
		if err := e.open(); err != nil {
			return err
		}
	}
	if e.file == nil {
		return nil
	}
	return e.file.Close()
}

// summed is a writer that knows what has gone through it.
type summed struct {
	out   io.Writer
	hash  hash.Hash
	bytes int64
}

func (s *summed) Write(b []byte) (int, error) {
	n, err := s.out.Write(b)
	s.hash.Write(b[:n])
	s.bytes += int64(n)
	return n, err
}

const noRecordUsage = "leave no entry of this: for a copy that is evidence"

// recordReading leaves an entry that the record was read. An account that may
// only read leaves none, which is said and is no failure.
func (f auditFlags) recordReading(errs io.Writer, what string, record func(*audit.Store) error) {
	store, done, err := f.store(audit.Config{})
	if err == nil {
		defer done()
		err = record(store)
	}
	if err != nil {
		class, code := event.Classify(err)
		fmt.Fprintf(errs, "sqlwitness: this %s is not in the record: the entry could not be written (%s)\n", what, strings.TrimSpace(class+" "+code))
	}
}

func auditProve(ctx context.Context, args []string, out, errs io.Writer) error {
	f := newAuditFlags("prove", errs)
	check := f.String("check", "", "check the proof in this `file` instead, - for stdin")
	var keys list
	f.Var(&keys, "key", "public `key`, or a file of them, to check a proof with; may be repeated; default that of "+audit.EnvKey)
	if err := f.Parse(args); err != nil {
		return err
	}
	if *check != "" {
		return checkProof(*check, keys, out)
	}
	if f.NArg() != 1 {
		return errors.New("audit prove takes the id of one entry; sqlwitness audit export lists them")
	}
	db, system, err := f.open()
	if err != nil {
		return err
	}
	defer db.Close()
	proof, err := audit.Prove(ctx, db, system, f.Arg(0))
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, proof)
	return err
}

func checkProof(path string, keys list, out io.Writer) error {
	public, err := publicKeys(keys)
	if err != nil {
		return err
	}
	if len(public) == 0 {
		return errors.New("a proof is checked with a public key: name it with -key")
	}
	in, err := openInput(path)
	if err != nil {
		return fmt.Errorf("-check: %w", err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return err
	}
	leaf, at, err := audit.CheckProof(string(text), public)
	if err != nil {
		return bad{err}
	}
	fmt.Fprintf(out, "%s\nis in log %s, which had %d entries when that was signed\n", leaf, at.Origin, at.Size)
	return nil
}

func auditStatus(ctx context.Context, args []string, out, errs io.Writer) error {
	f := newAuditFlags("status", errs)
	if err := parseAlone(f.FlagSet, args); err != nil {
		return err
	}
	db, system, err := f.open()
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := audit.StatusOf(ctx, db, system)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "log          %s\nentries      %d sealed, %d not yet\n", plain(orNone(s.Log)), s.Size, s.Unsealed)
	if s.Origin == "" {
		fmt.Fprintln(out, "checkpoint   none: set "+audit.EnvKey+", see sqlwitness audit keygen")
	} else {
		fmt.Fprintf(out, "checkpoint   %d entries, %s\n", s.Signed, plain(s.Origin))
	}
	if s.Last != "" {
		fmt.Fprintf(out, "last entry   %s, %s\n", plain(s.Last), plain(s.LastKind))
	}
	for _, g := range s.Guards {
		fmt.Fprintf(out, "guard        %s of %s: %s\n", g.Guard, g.Table, g.State)
	}
	return nil
}
