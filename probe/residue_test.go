package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

func (b *bench) baseline() Baseline {
	b.t.Helper()
	before, err := b.probe.Baseline(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return before
}

func (b *bench) residue(before Baseline, ended time.Time, sessions ...int64) []event.Finding {
	b.t.Helper()
	found, err := b.probe.Residue(context.Background(), before, sessions, ended)
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// brief is a finding in a word or two.
func brief(found []event.Finding) []string {
	list := []string{}
	for _, f := range found {
		list = append(list, strings.TrimSpace(f.Kind+" "+f.Object))
	}
	slices.Sort(list)
	return list
}

// cancelledIndex leaves an index invalid, as CREATE INDEX CONCURRENTLY does that
// is cancelled while it waits.
func (b *bench) cancelledIndex(name string) {
	b.t.Helper()
	writer := b.client().do("BEGIN", "INSERT INTO t VALUES (1)")
	builder := b.client()
	done := builder.start("CREATE INDEX CONCURRENTLY " + name + " ON t (n)")
	b.until("the builder waits", builder, func(p *event.Picture) bool { return p.Session.Wait != nil })
	b.do(fmt.Sprintf("SELECT pg_cancel_backend(%d)", builder.id))
	if err := <-done; err == nil {
		b.t.Fatal("the index is built")
	}
	writer.do("ROLLBACK")
}

// TestLeftovers: what a run leaves behind is found and can be cleared up by what
// the finding says; what was there before, and what another is at work on, is not
// blamed on it.
func TestLeftovers(t *testing.T) {
	b := newBench(t, kitPQ)
	b.do("CREATE TABLE t (n int)", `CREATE TABLE "Parts" (n int) PARTITION BY RANGE (n)`)
	b.cancelledIndex("old")
	b.do("ALTER TABLE t ADD CONSTRAINT old_check CHECK (n > 0) NOT VALID")
	before := b.baseline()
	b.do("ALTER TABLE t RENAME TO renamed", "ALTER TABLE renamed RENAME TO t")
	if found := b.residue(before, time.Now()); len(found) > 0 {
		t.Errorf("a run that did nothing leaves %+v", found)
	}

	b.cancelledIndex(`"New"`)
	b.do("ALTER TABLE t ADD CONSTRAINT new_check CHECK (n > 1) NOT VALID",
		`CREATE INDEX parts ON ONLY "Parts" (n)`) // invalid until each partition has its own
	b.client().do("BEGIN", "INSERT INTO t VALUES (2)")
	other := b.client()
	other.start("CREATE INDEX CONCURRENTLY others ON t (n)")
	b.until("the other builds", other, func(p *event.Picture) bool { return p.Session.Wait != nil })
	found := b.residue(before, time.Now())
	if want := []string{"constraint_not_valid public.t.new_check", "invalid_index public.New"}; !slices.Equal(brief(found), want) {
		t.Fatalf("found %q, want %q", brief(found), want)
	}
	for _, f := range found {
		if f.Database.Name != "test" || f.At.IsZero() || f.Message == "" {
			t.Errorf("the finding is %+v", f)
		}
	}
	if sql := found[slices.IndexFunc(found, func(f event.Finding) bool { return f.Kind == invalidIndex })].SQL; sql != `DROP INDEX CONCURRENTLY public."New"` {
		t.Errorf("SQL: %s", sql)
	}
	if found := b.residue(Baseline{}, time.Now()); len(found) > 0 {
		t.Errorf("without a baseline a run is blamed for %+v", found)
	}
}

// TestStillRunning: a statement that its caller has given up runs on, and the
// finding's SQL ends it; one that began after the run did is another's.
func TestStillRunning(t *testing.T) {
	for _, c := range []struct {
		kit   kit
		sleep string
	}{{kitPQ, "SELECT pg_sleep(60)"}, {kitMariaDB, "SELECT SLEEP(60)"}} {
		t.Run(c.kit.name, func(t *testing.T) {
			b := newBench(t, c.kit)
			before, early := b.baseline(), time.Now()
			session := b.client()
			done := session.start(c.sleep)
			b.until("it runs", session, func(p *event.Picture) bool {
				return strings.Contains(p.Session.Query, "60") && (p.Session.StateAge > 0 || p.Session.TxAge > 0)
			})
			// The run ends now, for all that the caller knows.
			var found []event.Finding
			ended := time.Now()
			poll(t, "it is found", func() bool {
				found = b.residue(before, ended, session.id)
				return len(found) > 0
			}, func() any { return found })
			if !slices.Equal(brief(found), []string{stillRunning}) {
				t.Fatalf("found %+v", found)
			}
			if found := b.residue(before, early.Add(-time.Hour), session.id); len(found) > 0 {
				t.Errorf("a run that ended an hour ago is blamed for %+v", found)
			}
			b.do(found[0].SQL)
			<-done
			poll(t, "it is over", func() bool { return len(b.residue(before, ended, session.id)) == 0 }, func() any { return nil })
		})
	}
}

// TestLockLeft: a lock that a session of the run still holds is found, and the
// finding's SQL frees it. One of another session is not the run's.
func TestLockLeft(t *testing.T) {
	maria := kitMariaDB
	maria.dsn = testdb.MariaDBServer
	for _, c := range []struct {
		kit                    kit
		setup, take, key, busy string
	}{
		{kitPQ, "SELECT 1", "SELECT pg_advisory_lock(-42)", "lock_left -42", "SELECT pg_advisory_lock(1, 2)"},
		{maria, "INSTALL SONAME 'metadata_lock_info'", "SELECT GET_LOCK('migrate', 0)", "lock_left migrate", "SELECT GET_LOCK('other', 0)"},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			b := newBench(t, c.kit)
			b.do(c.setup)
			before := b.baseline()
			session, other := b.client().do(c.take), b.client().do(c.busy)
			found := b.residue(before, time.Now(), session.id)
			if !slices.Equal(brief(found), []string{c.key}) {
				t.Fatalf("found %+v", found)
			}
			b.do(found[0].SQL)
			poll(t, "it is free", func() bool { return len(b.residue(before, time.Now(), session.id)) == 0 }, func() any { return nil })
			other.do("SELECT 1") // unharmed
		})
	}
}
