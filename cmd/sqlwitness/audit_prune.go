package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sqlwitness/sqlwitness/audit"
)

// auditPrune deletes the sections whose time is over.
func auditPrune(ctx context.Context, args []string, out, errs io.Writer) error {
	f := newAuditFlags("prune", errs)
	var o audit.PruneOptions
	policy := f.String("policy", "", "put this `policy` in force first, as in sql=90d,actor=400d; a shorter one holds for what is recorded from then on")
	preset := f.String("preset", "", "the same, by `name`: "+strings.Join(slices.Sorted(maps.Keys(audit.Presets)), ", "))
	f.BoolVar(&o.DryRun, "dry-run", false, "count what would be deleted, and change nothing")
	f.StringVar(&o.Archive, "archive", "", "`URL` of a copy, for the record")
	f.StringVar(&o.Reason, "reason", "", "`why`, for the record")
	f.StringVar(&o.Ticket, "ticket", "", "`ticket`, for the record")
	if err := parseAlone(f.FlagSet, args); err != nil {
		return err
	}
	switch {
	case *policy != "" && *preset != "":
		return errors.New("give -policy or -preset, not both")
	case *policy != "":
		p, err := audit.ParsePolicy(*policy)
		if err != nil {
			return err
		}
		o.Policy = p
	case *preset != "":
		if o.Policy = audit.Presets[*preset]; o.Policy == nil {
			return fmt.Errorf("there is no preset %q: they are %s", *preset, strings.Join(slices.Sorted(maps.Keys(audit.Presets)), ", "))
		}
	}
	store, done, err := f.store(audit.Config{})
	if err != nil {
		return err
	}
	defer done()
	deleted, err := store.Prune(ctx, o)
	if err != nil {
		return deletedSoFar(errs, deleted, err)
	}
	fmt.Fprintf(out, "policy: %s\n", deleted.Policy)
	printDeleted(out, deleted, o.DryRun)
	if deleted.Held > 0 {
		fmt.Fprintf(out, "kept for a legal hold: %s\n", counted(deleted.Held, "section"))
	}
	return nil
}

// auditErase deletes sections whatever their age.
func auditErase(ctx context.Context, args []string, out, errs io.Writer) error {
	f := newAuditFlags("erase", errs)
	var o audit.EraseOptions
	f.StringVar(&o.Entry, "entry", "", "`id` of an entry")
	f.StringVar(&o.Attempt, "attempt", "", "`id` of an attempt: all its entries")
	f.StringVar(&o.Person, "person", "", "`name` that a field of an actor section has for its value")
	f.StringVar(&o.Section, "section", "", "`section`: actor, sql, error or why; default actor with -person, else all")
	f.BoolVar(&o.DryRun, "dry-run", false, "count what would be deleted, and change nothing")
	f.StringVar(&o.Reason, "reason", "", "`why`, for the record; without the person's name")
	f.StringVar(&o.Ticket, "ticket", "", "`ticket`, for the record")
	if err := parseAlone(f.FlagSet, args); err != nil {
		return err
	}
	store, done, err := f.store(audit.Config{})
	if err != nil {
		return err
	}
	defer done()
	deleted, err := store.Erase(ctx, o)
	if err != nil {
		return deletedSoFar(errs, deleted, err)
	}
	printDeleted(out, deleted, o.DryRun)
	return nil
}

// auditHold begins or ends a legal hold.
func auditHold(ctx context.Context, args []string, out, errs io.Writer) error {
	f := newAuditFlags("hold", errs)
	attempt := f.String("attempt", "", "`id` of the one attempt that is held; default everything")
	release := f.Bool("release", false, "end the hold")
	reason := f.String("reason", "", "`why`, for the record")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errors.New("name one hold, after the flags: sqlwitness audit hold -dsn URL -reason TEXT NAME")
	}
	if *reason == "" {
		return errNoReason
	}
	store, done, err := f.store(audit.Config{})
	if err != nil {
		return err
	}
	defer done()
	if *release {
		if err := store.Release(ctx, f.Arg(0), *reason); err != nil {
			return err
		}
		fmt.Fprintf(out, "released: %s\n", f.Arg(0))
		return nil
	}
	if err := store.Hold(ctx, f.Arg(0), *attempt, *reason); err != nil {
		return err
	}
	fmt.Fprintf(out, "held: %s\n", f.Arg(0))
	return nil
}

// deletedSoFar says what has gone before an error.
func deletedSoFar(errs io.Writer, d audit.Deleted, err error) error {
	if len(d.Entries) > 0 {
		printDeleted(errs, d, false)
	}
	return err
}

func printDeleted(out io.Writer, d audit.Deleted, dry bool) {
	verb := "deleted"
	if dry {
		verb = "would delete"
	}
	if len(d.Sections) == 0 {
		fmt.Fprintln(out, verb+": nothing")
	}
	for _, section := range slices.Sorted(maps.Keys(d.Sections)) {
		fmt.Fprintf(out, "%s: %s of kind %s\n", verb, counted(d.Sections[section], "section"), section)
	}
	for _, id := range d.Entries {
		fmt.Fprintf(out, "recorded in entry %s\n", id)
	}
}
