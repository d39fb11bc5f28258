package integration

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func subjects() []subject {
	return slices.Concat(
		gooseSubjects(),
		golangMigrateSubjects(),
		sqlMigrateSubjects(),
		gormigrateSubjects(),
		xormSubjects(),
		bunSubjects(),
		darwinSubjects(),
		popSubjects(),
		riverSubjects(),
		declarativeSubjects(),
	)
}

// TestMatrix takes every tool through the same steps on a bare database and on
// one behind the witness. Errors, tables and version tables must be the same,
// and the migrations reported those that took place. It prints the matrix that
// docs/tools.md keeps.
func TestMatrix(t *testing.T) {
	m := newMatrix(subjects())
	t.Run("on", func(t *testing.T) { // ends when the targets have, which run in parallel
		for _, target := range targets {
			t.Run(target.name, func(t *testing.T) {
				t.Parallel()
				for _, s := range m.rows {
					if !s.runsOn(target) {
						continue
					}
					m.set(s, target, cell{state: notRun})
					t.Run(s.tool+", "+s.variant, func(t *testing.T) { m.set(s, target, compare(t, s, target)) })
				}
			})
		}
	})
	t.Log("\n" + m.String())
	switch {
	case t.Failed():
	case !m.complete():
		t.Log("not compared with docs/tools.md, because some of it was not run")
	default:
		m.check(t, "../../docs/tools.md")
	}
}

// compare is one cell of the matrix.
func compare(t *testing.T, s subject, target target) cell {
	steps := s.steps(target)
	bare := playground{target: target, dsn: target.fresh(t), open: sql.Open}
	r := &recorder{}
	seen := playground{target: target, dsn: target.fresh(t), open: witness(t, r).Open, seen: r}
	c := cell{state: ran, same: true, expected: true}
	byHand := false // something was
	for _, step := range steps {
		byHand = byHand || step.before != ""
		want, got := bare.play(t, step), seen.play(t, step)
		if got.outcome != want.outcome {
			c.same = false
			t.Errorf("%s differs\nbare:    %s\nwitness: %s", step.name, want.outcome, got.outcome)
		}
		if step.twice {
			slices.Sort(got.reported)
		}
		reported := slices.CompactFunc(got.reported, func(a, b string) bool { return a == b && a == ddl })
		if !slices.Equal(reported, step.want) {
			c.expected = false
			t.Errorf("%s is reported as\n\t%s\nwant\n\t%s", step.name, strings.Join(reported, "\n\t"), strings.Join(step.want, "\n\t"))
		}
		c.applied(reported)
		if found := r.takenForByHand(); len(found) > 0 && !byHand {
			c.expected = false
			t.Errorf("%s: what the tool did is taken for done by hand: %s", step.name, found)
		}
	}
	return c
}

// playground is where a subject is played: a database, and the way to it.
type playground struct {
	target target
	dsn    string
	open   func(driver, dsn string) (*sql.DB, error)
	seen   *recorder // nil where nobody looks
}

// played is what a step came to.
type played struct {
	outcome  string
	reported []string
}

func (p playground) play(t *testing.T, s step) played {
	t.Helper()
	if s.fresh {
		p.dsn = p.target.fresh(t)
	}
	if s.before != "" {
		exec(t, p.target, p.dsn, s.before)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	if s.cancel {
		whenRunning(t, p.target, p.dsn, ended, cancel)
	}
	before := p.seen.count()
	instances := 1
	if s.twice {
		instances = 2
	}
	at := p.target
	at.dsn = p.dsn
	errs := make(chan string, instances)
	for range instances {
		db, err := p.open(at.driver, p.dsn)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			err := s.do(ctx, at, db)
			said := message(err)
			if s.cancel {
				said = cancelled(err)
				settle(db)
			}
			_ = db.Close() // golang-migrate has closed it already
			errs <- said
		}()
	}
	var all []string
	for range instances {
		all = append(all, <-errs)
	}
	close(ended)
	slices.Sort(all)
	return played{
		outcome:  fmt.Sprintf("%q; %s", all, state(t, p.target, p.dsn)),
		reported: p.seen.list()[before:],
	}
}
