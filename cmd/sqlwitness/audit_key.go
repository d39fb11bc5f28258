package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sqlwitness/sqlwitness/audit"
)

func auditKeygen(args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("audit keygen", flag.ContinueOnError)
	f.SetOutput(errs)
	name := f.String("name", "", "`name` of the log in its checkpoints, such as orders-prod")
	file := f.String("o", "", "`file` for the private key; default stdout, before the public one")
	if err := parseAlone(f, args); err != nil {
		return err
	}
	key, public, err := audit.NewKey(rand.Reader, *name)
	if err != nil {
		return fmt.Errorf("-name: %w", err)
	}
	if *file == "" {
		fmt.Fprintf(out, "%s\n%s\n", string(key), public)
		return nil
	}
	if err := writeKey(*file, key); err != nil {
		return err
	}
	fmt.Fprintln(out, public)
	fmt.Fprintf(errs, "The private key is in %s: set %s to that path where migrations run.\nThe public key above is what verification takes (-key): keep it where the database's administrators cannot change it.\n", *file, audit.EnvKey)
	return nil
}

func writeKey(path string, key audit.Key) error {
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // never over another key
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(key))
	return errors.Join(err, w.Close())
}

// auditRotate makes a new key and records that it takes the old one's place.
func auditRotate(ctx context.Context, args []string, out, errs io.Writer) error {
	f := newAuditFlags("rotate", errs)
	r := audit.Rotation{}
	file := f.String("o", "", "`file` for the new private key")
	f.StringVar(&r.OldPublic, "lost", "", "the old `public key`, where the private one is lost; default: the old one is that of "+audit.EnvKey)
	f.StringVar(&r.Reason, "reason", "", "`why`, for the record")
	f.StringVar(&r.Ticket, "ticket", "", "`ticket`, for the record")
	if err := parseAlone(f.FlagSet, args); err != nil {
		return err
	}
	if *file == "" {
		return errors.New("-o is missing: the file for the new private key")
	}
	if r.OldPublic == "" {
		if r.Old = audit.Key(os.Getenv(audit.EnvKey)); r.Old == "" {
			return errors.New("there is no old key: set " + audit.EnvKey + ", or name its public half with -lost")
		}
	}
	public, err := r.Old.Public()
	if err != nil {
		return err
	}
	name, _, _ := strings.Cut(cmp.Or(public, r.OldPublic), "+")
	key, public, err := audit.NewKey(rand.Reader, name)
	if err != nil {
		return fmt.Errorf("-lost: %w", err)
	}
	if err := writeKey(*file, key); err != nil { // before anybody relies on it
		return err
	}
	store, done, err := f.store(audit.Config{Key: key})
	if err == nil {
		err = store.Rotate(ctx, r)
		done()
	}
	if err != nil {
		return fmt.Errorf("the key in %s is not in use unless an entry key.rotated names it: %w", *file, err)
	}
	fmt.Fprintln(out, public)
	fmt.Fprintf(errs, "The new private key is in %s: set %s to that path where migrations run, and restart what runs.\nVerify with the public key above; it vouches for what the old key signed before. Destroy the old private key.\n", *file, audit.EnvKey)
	return nil
}

// auditRecover answers for a part of the log that is lost.
func auditRecover(ctx context.Context, args []string, out, errs io.Writer) error {
	f := newAuditFlags("recover", errs)
	reason := f.String("reason", "", "`why`, for the record: which backup was restored, and by whose decision")
	ticket := f.String("ticket", "", "`ticket`, for the record")
	var keys, anchors list
	f.Var(&keys, "key", "public `key`, or a file of them; may be repeated; default that of "+audit.EnvKey)
	f.Var(&anchors, "anchor", "`file` with checkpoints from outside the database; may be repeated")
	if err := parseAlone(f.FlagSet, args); err != nil {
		return err
	}
	switch {
	case *reason == "":
		return errNoReason
	case len(anchors) == 0:
		return errors.New("what is lost is what the anchors know: name one with -anchor")
	}
	public, err := publicKeys(keys)
	if err != nil {
		return err
	}
	cfg := audit.VerifyConfig{Keys: public}
	kept, closeAnchors, err := openAnchors(anchors)
	if err != nil {
		return err
	}
	defer closeAnchors()
	cfg.Anchors = kept
	report, err := verify(ctx, f, "", cfg)
	if err != nil {
		return err
	}
	store, done, err := f.store(audit.Config{})
	if err != nil {
		return err
	}
	defer done()
	if err := store.GiveUp(ctx, report, *reason, *ticket); err != nil {
		return err
	}
	fmt.Fprintf(out, "recorded: %s of the anchors, the largest of %d entries, %s lost; the anchors vouch for the first %d of %d\n",
		counted(len(report.Lost), "checkpoint"), report.Lost[len(report.Lost)-1].Size, isAre(len(report.Lost)), report.Anchored, report.Size)
	return nil
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
