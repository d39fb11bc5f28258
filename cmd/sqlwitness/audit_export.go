package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sqlwitness/sqlwitness/audit"
)

func auditExport(ctx context.Context, args []string, out, errs io.Writer) error {
	f := newAuditFlags("export", errs)
	format := f.String("format", "jsonl", "jsonl, which can be verified again, csv or ocsf")
	file := f.String("o", "", "`file` to write to; default stdout")
	if err := f.Parse(args); err != nil {
		return err
	}
	db, system, err := f.open()
	if err != nil {
		return err
	}
	defer db.Close()
	p := newEntryCount(errs, "exported")
	defer p.end()
	if *file == "" {
		return audit.Export(ctx, db, system, audit.Format(*format), out, p.show)
	}
	w, err := os.OpenFile(*file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // it holds what the database does
	if err != nil {
		return err
	}
	return errors.Join(audit.Export(ctx, db, system, audit.Format(*format), w, p.show), w.Close())
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
	if err := f.Parse(args); err != nil {
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
	fmt.Fprintf(out, "log          %s\nentries      %d sealed, %d not yet\n", orNone(s.Log), s.Size, s.Unsealed)
	if s.Origin == "" {
		fmt.Fprintln(out, "checkpoint   none: set "+audit.EnvKey+", see sqlwitness audit keygen")
	} else {
		fmt.Fprintf(out, "checkpoint   %d entries, %s\n", s.Signed, s.Origin)
	}
	if s.Last != "" {
		fmt.Fprintf(out, "last entry   %s, %s\n", s.Last, s.LastKind)
	}
	for _, g := range s.Guards {
		fmt.Fprintf(out, "guard        %s of %s: %s\n", g.Guard, g.Table, g.State)
	}
	return nil
}
