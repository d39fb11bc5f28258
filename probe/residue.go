package probe

import (
	"context"
	"database/sql"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// Baseline is what lay about before a run, none of which is blamed on it. The
// zero value is a database of which nothing is known: no index or constraint in
// it is blamed on anybody.
type Baseline struct{ ids map[string]bool }

// leftover is something that stays in the schema until somebody clears it up.
type leftover struct {
	id      string // of the kind and the object, never used again for another
	kind    string
	object  string
	message string
	sql     string
	active  bool // somebody is at work on it
}

// remain is what a session of ours still is or has.
type remain struct {
	kind    string
	object  string
	message string
	sql     string
	age     time.Duration // of the statement, where it is still_running
}

// Baseline notes what is left about already. Take it before a run's first
// statement; it reads two small catalogs. While the probe rests it is the zero
// Baseline.
func (p *Probe) Baseline(ctx context.Context) (Baseline, error) {
	if p == nil {
		return Baseline{}, nil
	}
	var found []leftover
	if asked, err := p.use(ctx, func(ctx context.Context, c *sql.Conn) (err error) {
		found, err = p.system.leftovers(ctx, c)
		return err
	}); !asked || err != nil {
		return Baseline{}, err
	}
	b := Baseline{ids: map[string]bool{}}
	for _, l := range found {
		b.ids[l.id] = true
	}
	return b, nil
}

// Residue lists what there is since the baseline: indexes left invalid,
// constraints left unchecked, and of the sessions, which are those of the run
// with nothing in flight any more, what they still hold, and what the server
// still runs for them though it began before the run ended. What others are at
// work on is left out. Findings have no Trace yet.
func (p *Probe) Residue(ctx context.Context, before Baseline, sessions []int64, ended time.Time) ([]event.Finding, error) {
	if p == nil {
		return nil, nil
	}
	var left []leftover
	var remains []remain
	asked, err := p.use(ctx, func(ctx context.Context, c *sql.Conn) (err error) {
		if before.ids != nil {
			if left, err = p.system.leftovers(ctx, c); err != nil {
				return err
			}
		}
		if len(sessions) > 0 {
			remains, err = p.system.remains(ctx, c, sessions)
		}
		return err
	})
	if !asked || err != nil {
		return nil, err
	}
	now := p.deps.Now()
	var found []event.Finding
	add := func(kind, object, message, sql string) {
		found = append(found, event.Finding{Database: p.rest.database, At: now, Kind: kind, Object: object, Message: message, SQL: sql})
	}
	for _, l := range left {
		if !before.ids[l.id] && !l.active {
			add(l.kind, l.object, l.message, l.sql)
		}
	}
	for _, r := range remains {
		// Lengths of time, not moments: the server's clock is another.
		if r.kind != stillRunning || r.age > now.Sub(ended) {
			add(r.kind, r.object, r.message, r.sql)
		}
	}
	return found, nil
}

// Kinds of findings.
const (
	invalidIndex       = "invalid_index"
	constraintNotValid = "constraint_not_valid"
	lockLeft           = "lock_left"
	stillRunning       = "still_running"
)
