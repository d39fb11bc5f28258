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
