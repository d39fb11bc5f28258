package sqlwitness

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

// effects is a sink that keeps what a run does to others.
type effects struct {
	event.Ignore
	mu      sync.Mutex
	impacts []event.Impact
	starts  []event.ColdStart
}

func (e *effects) Impact(i *event.Impact) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.impacts = append(e.impacts, *i)
}

func (e *effects) ColdStart(c *event.ColdStart) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.starts = append(e.starts, *c)
}

// TestImpact: the statements of the application's pool are measured before,
// during and after a run that goes through another pool of the same witness.
func TestImpact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &effects{}
		var log strings.Builder
		w, err := New(Config{LogOutput: &log, Sinks: []event.Sink{seen}, Audit: audit.Config{Mode: audit.Off}, System: "postgresql", Database: "shop", NoProbe: true})
		if err != nil {
			t.Fatal(err)
		}
		fake := fakedb.New(fakedb.Full())
		app, tool := sql.OpenDB(w.Wrap(fake.Connector())), sql.OpenDB(w.Wrap(fake.Connector()))

		quick := func(n int) {
			for range n {
				if _, err := app.Exec("UPDATE orders SET paid = true"); err != nil {
					t.Fatal(err)
				}
			}
		}
		slow := func() {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			_, _ = app.ExecContext(ctx, "WAIT behind the migration")
		}
		exec := func(text string) {
			if _, err := tool.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
		quick(90)
		// The tool's first statement is not known for the tool's yet.
		exec("CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied boolean, tstamp timestamp)")
		exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)")
		time.Sleep(time.Second)
		slow()
		quick(9)
		if _, err := app.Exec("SKIP the fast path"); err != nil { // no failure: it is prepared and sent again
			t.Fatal(err)
		}
		exec("ALTER TABLE orders ADD note text")
		exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, true)")
		if err := tool.Close(); err != nil { // the run is over
			t.Fatal(err)
		}
		quick(5)
		time.Sleep(aftermath + time.Second)
		quick(7)
		synctest.Wait()

		if len(seen.impacts) != 1 {
			t.Fatalf("%d impacts, want 1\n%s", len(seen.impacts), &log)
		}
		i := seen.impacts[0]
		if i.Tool != "goose" || i.Before.Count != 91 || i.During.Count != 10 || i.During.Failed != 1 || i.After.Count != 5 {
			t.Errorf("%+v", i)
		}
		if i.Slowest == nil || i.Slowest.Duration < 3*time.Second || !i.Slowest.Failed {
			t.Errorf("slowest: %+v", i.Slowest)
		}
		if len(seen.starts) != 1 || seen.starts[0].Total < 4*time.Second {
			t.Errorf("cold starts: %+v", seen.starts)
		}
		var metrics strings.Builder
		w.WritePrometheus(&metrics)
		for _, want := range []string{
			`db_client_operation_duration_seconds_count{db_system_name="postgresql",db_namespace="shop",db_operation_name="UPDATE",phase="migration"} 9`,
			`db_client_operation_duration_seconds_count{db_system_name="postgresql",db_namespace="shop",db_operation_name="UPDATE",phase="steady"} 102`,
			`sqlwitness_cold_start_seconds{stage="total"} 4`,
		} {
			if !strings.Contains(metrics.String(), want) {
				t.Errorf("the metrics lack %s", want)
			}
		}
		_ = app.Close()
		_ = w.Close(context.Background())
	})
}

// TestImpactOfStall: a run that stops most of the application is told of by the
// calls per second and by the calls that have not been answered, while it goes on
// and at its end, though hardly any call has taken long until then.
func TestImpactOfStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &effects{}
		w := newWitness(t, Config{Sinks: []event.Sink{seen}, Audit: audit.Config{Mode: audit.Off}, System: "postgresql", Database: "shop", NoProbe: true})
		fake := fakedb.New(fakedb.Full())
		app, tool := sql.OpenDB(w.Wrap(fake.Connector())), sql.OpenDB(w.Wrap(fake.Connector()))
		defer app.Close()
		exec := func(db *sql.DB, text string) {
			if _, err := db.Exec(text); err != nil {
				t.Error(err)
			}
		}
		for range 700 { // in transactions: what frames them is no call
			tx, err := app.Begin()
			if err != nil {
				t.Fatal(err)
			}
			if _, err = tx.Exec("UPDATE orders SET paid = true"); err != nil || tx.Commit() != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		exec(tool, "CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied boolean, tstamp timestamp)")
		exec(tool, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)")
		blocked, release := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() { _, _ = app.ExecContext(blocked, "WAIT behind the migration") })
		}
		for range 20 {
			exec(app, "UPDATE orders SET paid = true")
			exec(app, "SAVEPOINT here")
			exec(tool, "ALTER TABLE orders ADD note text")
			time.Sleep(500 * time.Millisecond)
		}
		live := w.impacts()
		if len(live) != 1 || !live[0].Running || live[0].Duration != 10*time.Second {
			t.Fatalf("live: %+v", live)
		}
		stalled := func(when string, i event.Impact) {
			t.Helper()
			if share, known := i.RateRatio(); !known || share < 0.19 || share > 0.21 || i.Unanswered != 3 || !i.Hurts() {
				t.Errorf("%s: %+v", when, i)
			}
		}
		stalled("live", live[0].Impact)
		if i := live[0]; i.During.Count != 20 || i.During.P50 > time.Second || i.During.P99 < 5*time.Second {
			t.Errorf("calls that wait are not in the quantiles: %+v", i.During)
		}
		exec(tool, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, true)")
		_ = tool.Close() // the run is over
		time.Sleep(time.Second)
		release()
		waiting.Wait()
		if live := w.impacts(); len(live) != 1 || live[0].Running || live[0].During.Failed != 3 || live[0].After.Failed != 0 {
			t.Errorf("after the run: %+v", live)
		}
		time.Sleep(aftermath)
		synctest.Wait()
		if len(seen.impacts) != 1 || len(w.impacts()) != 0 {
			t.Fatalf("told %+v, live %+v", seen.impacts, w.impacts())
		}
		stalled("told", seen.impacts[0])
	})
}

// TestPace: the rate is that of the last 30 to 60 s, and a pause is not in it.
func TestPace(t *testing.T) {
	var p pace
	at := func(s int) int64 { return int64(time.Duration(s+1) * time.Second) }
	if p.perSecond(at(0), 0) != 0 {
		t.Error("a rate of nothing")
	}
	calls := uint64(0)
	for s := range 100 {
		if p.due(at(s)) {
			p.mark(at(s), calls)
		}
		if calls += 10; s >= 70 {
			calls += 20
		}
	}
	if got := p.perSecond(at(100), calls); got < 20 || got > 30 { // 10 s at 10, 30 s at 30
		t.Errorf("%v per second", got)
	}
	p.mark(at(1000), calls)
	if got := p.perSecond(at(1010), calls+100); got != 10 {
		t.Errorf("%v per second after a pause", got)
	}
}
