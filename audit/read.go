package audit

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
)

// This file records who has read the record, and for what.

// readKinds are the entries that reading leaves. Whoever reads next does not take
// them for migrations that wait to be sealed.
const readKinds = "'" + KindVerified + "', '" + KindExported + "', '" + KindReported + "'"

// Verdicts of a verification.
const (
	VerdictOK        = "ok"
	VerdictAltered   = "altered"
	VerdictUnchecked = "unchecked" // nothing was found, and not everything could be checked
)

// Verdict sums the report up in a word.
func (r *Report) Verdict() string {
	switch {
	case r.Altered():
		return VerdictAltered
	case len(r.Unchecked) > 0:
		return VerdictUnchecked
	}
	return VerdictOK
}

// Verified records that the record was verified with that result, by whom this
// process runs for. The error says why it could not be recorded: an account that
// may only read, as a rule. Nothing is written to the spool, no table is made and
// no guard restored: what is looked at stays as it is but for this entry. Without
// a key it is left to the next migration to seal.
func (s *Store) Verified(ctx context.Context, r *Report) error {
	counts := object{}
	for code, n := range r.Counts {
		counts[string(code)] = n
	}
	facts := object{"verdict": r.Verdict(), "from": integer(r.From), "size": integer(r.Size), "checked": integer(r.Checked),
		"anchored": integer(r.Anchored), "root": r.Root.String(), "keys": listed(r.Keys), "findings": counts}
	if len(r.Unchecked) > 0 {
		facts["unchecked"] = listed(r.Unchecked)
	}
	return s.wasRead(ctx, KindVerified, facts)
}

// Exported is what an export has handed out.
type Exported struct {
	Format  Format
	Entries int64 // how many, from the first one on
	Bytes   int64
	SHA256  string // of what was written, in hexadecimal
	Failed  bool   // it ended before all was written
}

// Exported records an export, as Verified records a verification.
func (s *Store) Exported(ctx context.Context, e Exported) error {
	return s.wasRead(ctx, KindExported, object{"format": string(e.Format), "entries": integer(e.Entries), "bytes": integer(e.Bytes),
		"sha256": e.SHA256, "complete": !e.Failed})
}

// Reported records that so many entries of a run were shown to somebody, as
// Verified records a verification.
func (s *Store) Reported(ctx context.Context, run string, entries int) error {
	return s.wasRead(ctx, KindReported, object{"run": cut(run, maxField), "entries": integer(int64(entries))})
}

func (s *Store) wasRead(ctx context.Context, kind string, facts object) error {
	if s.cfg.Mode == Off {
		return errors.New("the audit mode is off")
	}
	if s.dialect == nil {
		return errUnsupported
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err := s.own.do(ctx, func(ctx context.Context, c *sql.Conn) error {
		s.identify(ctx, c)
		return s.noteOn(ctx, c, kind, facts, noted{})
	})
	if err == nil && s.sealer.signer != nil {
		s.sealer.soon(ctx)
	}
	return err
}

// keyNames are the names and hashes of public keys, without the keys.
func keyNames(keys []string) []string {
	names := map[string]bool{}
	for _, k := range keys {
		if name := keyName(strings.TrimSpace(k)); name != "" {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
