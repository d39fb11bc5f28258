package sqlwitness

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/metrics"
	"github.com/sqlwitness/sqlwitness/probe"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// signView is a server that shows signs of migrations by others.
type signView struct {
	fakeView
	mu    sync.Mutex
	signs []probe.Migrator
	asked int
	err   error
}

func (v *signView) Elsewhere(context.Context, []probe.MigrationLock, func(context.Context, *sql.Conn) error) (probe.Signs, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	if v.err != nil {
		return probe.Signs{}, v.err
	}
	return probe.Signs{At: time.Now(), Migrators: v.signs}, nil
}

func (v *signView) show(m ...probe.Migrator) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.signs = m
}

func (v *signView) takeAsked() (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n, v.asked = v.asked, 0
	return n
}

// sends sends a text ten times a second for so many seconds.
func (k *watched) sends(seconds int, text string) {
	for range seconds * 10 {
		_, _ = k.db.Exec(text)
		time.Sleep(100 * time.Millisecond)
	}
	synctest.Wait()
}

// TestLookout: the server is asked every two seconds while an application's
// statements flow, not when they do not, and not for a tool's.
func TestLookout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &signView{}
		k := newWatched(t, v)
		k.sends(20, "SELECT pg_try_advisory_lock(4097083626)") // a job that waits for its turn
		if n := v.takeAsked(); n != 0 {
			t.Errorf("asked %d times for a migration tool alone", n)
		}
		k.sends(20, "UPDATE orders SET paid = true")
		if n := v.takeAsked(); n < 7 || n > 10 {
			t.Errorf("asked %d times in 20 s", n)
		}
		time.Sleep(3 * time.Second) // the watcher's patience
		synctest.Wait()
		v.takeAsked()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := v.takeAsked(); n != 0 {
			t.Errorf("asked %d times while nothing was in flight", n)
		}
		if k.w.watcher.on.Load() {
			t.Error("the watcher is on")
		}
	})
}

// TestPhaseElsewhere: while another process is seen to migrate, statements are of
// phase migration, and its end is told with what it did to them.
func TestPhaseElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, seen := &signView{}, &effects{}
		k := newWatched(t, v)
		k.w.sinks = append(k.w.sinks, seen)
		const update = "UPDATE orders SET paid = true"
		k.sends(10, update)
		v.show(probe.Migrator{PID: 7})
		k.sends(10, update)
		v.show(probe.Migrator{PID: 8, Tool: "goose"}) // more is known
		k.sends(10, update)
		time.Sleep(time.Minute) // nobody asks meanwhile
		v.show()
		k.sends(10, update)
		k.sends(40, update)

		if len(seen.impacts) != 1 {
			t.Fatalf("%d impacts: %+v", len(seen.impacts), seen.impacts)
		}
		i := seen.impacts[0]
		if i.Evidence != event.ByStatement || i.Tool != "goose" || i.RunID != "" {
			t.Errorf("%+v", i)
		}
		if i.Before.Count < 100 || i.Before.Count > 130 || i.During.Count < 170 || i.During.Count > 200 || i.After.Count < 250 {
			t.Errorf("before %d, during %d, after %d", i.Before.Count, i.During.Count, i.After.Count)
		}
		var b strings.Builder
		k.w.WritePrometheus(&b)
		if !strings.Contains(b.String(), `phase="migration"} 1`) && !strings.Contains(b.String(), `phase="migration"} 2`) {
			t.Error("no statement is of phase migration")
		}
	})
}

// TestPhaseElsewhereAgain: the next one is compared with what ran since the last.
func TestPhaseElsewhereAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, seen := &signView{}, &effects{}
		k := newWatched(t, v)
		k.w.sinks = append(k.w.sinks, seen)
		for range 2 {
			k.sends(20, "UPDATE orders SET paid = true")
			v.show(probe.Migrator{PID: 7})
			k.sends(10, "UPDATE orders SET paid = true")
			v.show()
			k.sends(40, "UPDATE orders SET paid = true")
		}
		if len(seen.impacts) != 2 {
			t.Fatalf("%d impacts", len(seen.impacts))
		}
		for _, i := range seen.impacts {
			if i.Before.Count < 180 {
				t.Errorf("compared with %d statements before it", i.Before.Count)
			}
		}
	})
}

// TestServerFallsSilent: a migration of which nothing is heard any more is taken
// for over after a while, not for one that goes on as long as the process.
func TestServerFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &signView{}
		k := newWatched(t, v)
		v.show(probe.Migrator{PID: 7})
		k.sends(10, "UPDATE orders SET paid = true")
		v.mu.Lock()
		v.err = driver.ErrBadConn
		v.mu.Unlock()
		migrating := func() bool {
			for c := range k.w.connectors {
				if i := c.impact.Load(); i != nil && i.running.Load() {
					return true
				}
			}
			return false
		}
		k.sends(10, "UPDATE orders SET paid = true") // the server may just be busy
		if !migrating() {
			t.Error("it is over after 10 s")
		}
		k.sends(20, "UPDATE orders SET paid = true")
		if migrating() {
			t.Error("it goes on after 30 s")
		}
	})
}

// TestOwnRunGoesFirst: a run of this process that begins while the server is being
// asked keeps its impact.
func TestOwnRunGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWatched(t, &signView{})
		for _, text := range []string{"CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied boolean, tstamp timestamp)",
			"INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)", "ALTER TABLE orders ADD note text",
			"INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, true)"} {
			if _, err := k.db.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
		for c := range k.w.connectors {
			own := c.impact.Load()
			if own == nil {
				t.Fatal("no run is open")
			}
			l := &lookout{w: k.w, db: c.db}
			l.follow(&foreign{evidence: event.ByStatement}, nil)
			if c.impact.Load() != own || l.saw.Load() != nil {
				t.Error("another's impact is in its place")
			}
		}
	})
}

// TestMissed: what the trail tells of a run that is over is told with what ran
// between two looks; what is known already, or this process's own, is not.
func TestMissed(t *testing.T) {
	seen := &effects{}
	w := newWitness(t, Config{Sinks: []event.Sink{seen}})
	l := &lookout{w: w, known: map[string]bool{"known": true}}
	rec := metrics.NewRecorder()
	for range 9 {
		rec.Observe(1, int64(time.Second), false)
	}
	start := time.Now()
	over := func(run, migration string, at, took time.Duration) audit.Underway {
		return audit.Underway{Run: run, Migration: migration, Tool: "goose", Ended: true, Started: start.Add(at), Duration: took}
	}
	trail := []audit.Underway{
		over("a", "2", 200*time.Millisecond, 300*time.Millisecond), over("a", "1", 0, 100*time.Millisecond),
		over("b", "known", 0, time.Hour), {Run: "c", Migration: "open", Started: start}, over("d", "seen", 0, time.Second),
	}
	i := &impact{}
	i.ev.RunID = "d"
	l.saw.Store(i)
	l.missed(trail, metrics.Distribution{}, rec.Read())
	if len(seen.impacts) != 1 {
		t.Fatalf("%+v", seen.impacts)
	}
	if i := seen.impacts[0]; i.RunID != "a" || i.Evidence != event.Afterwards || !i.Start.Equal(start) || i.Duration != 500*time.Millisecond || i.During.Count != 9 || i.Tool != "goose" {
		t.Errorf("%+v", i)
	}
	l.missed(trail, metrics.Distribution{}, metrics.Distribution{}) // the application did nothing
	l.known = nil
	l.missed(trail, metrics.Distribution{}, rec.Read()) // it was all there before the first look
	if len(seen.impacts) != 1 {
		t.Errorf("%+v", seen.impacts[1:])
	}
}

func TestChangesTables(t *testing.T) {
	for text, want := range map[string]bool{
		"ALTER TABLE orders ADD note text":                       true,
		"/* job */ create index concurrently i on orders (note)": true,
		"BEGIN; DROP TABLE orders":                               true,
		"CREATE TEMPORARY TABLE mine (id int)":                   false,
		"create temp table mine as select 1":                     false,
		"TRUNCATE orders":                                        false,
		"REFRESH MATERIALIZED VIEW sums":                         false,
		"VACUUM FULL orders":                                     false,
		"SELECT 'ALTER TABLE orders'":                            false,
		"UPDATE orders SET note = 'x'":                           false,
		"<insufficient privilege>":                               false,
		"":                                                       false,
	} {
		if got := changesTables(text, sqltext.PostgreSQL); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
