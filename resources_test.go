package sqlwitness

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// measured is a sink that keeps what is told of runs some time after their end.
type measured struct {
	event.Ignore
	mu        sync.Mutex
	resources []event.Resources
	trends    []event.Trend
}

func (k *measured) Resources(r *event.Resources) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.resources = append(k.resources, *r)
}

func (k *measured) Trend(t *event.Trend) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.trends = append(k.trends, *t)
}

// servers are those that the tests of runs use.
var servers = []struct {
	driver string
	dsn    func(testing.TB) string
	fill   string // statement that writes 1 MB
}{
	{"postgres", testdb.PostgreSQL, "INSERT INTO filled SELECT repeat('x', 1000) FROM generate_series(1, 1000)"},
	{"mysql", testdb.MariaDBServer, "INSERT INTO filled SELECT REPEAT('x', 1000) FROM seq_1_to_1000"},
}

// migrates runs a migration as goose does, and ends the run. In the middle it
// calls midway.
func migrates(t *testing.T, w *Witness, db *sql.DB, version int, midway func(), body ...string) {
	t.Helper()
	exec := func(text string) {
		t.Helper()
		if _, err := db.Exec(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	exec("CREATE TABLE IF NOT EXISTS goose_db_version (id int, version_id bigint, is_applied boolean)")
	rows, err := db.Query("SELECT version_id, is_applied from goose_db_version ORDER BY id DESC")
	if err != nil {
		t.Fatal(err)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	exec(body[0])
	midway()
	for _, text := range body[1:] {
		exec(text)
	}
	exec(fmt.Sprintf("INSERT INTO goose_db_version (id, version_id, is_applied) VALUES (%[1]d, %[1]d, true)", version))
	for c := range w.connectors {
		c.flush(context.Background())
		if c.observer != nil {
			_ = c.observer.background.wait(context.Background())
		}
		_ = c.recording.wait(context.Background())
	}
}

// TestResources: what the server used up during a run is told after it.
func TestResources(t *testing.T) {
	for _, s := range servers {
		t.Run(s.driver, func(t *testing.T) {
			k := &measured{}
			w := newWitness(t, Config{Sinks: []event.Sink{k}})
			db, err := w.Open(s.driver, s.dsn(t))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			asked := func() {
				for c := range w.connectors {
					_ = c.observer.background.wait(context.Background())
				}
			}
			migrates(t, w, db, 1, asked, "CREATE TABLE filled (body varchar(1000))", s.fill)
			if len(k.resources) != 1 {
				t.Fatalf("told %d times", len(k.resources))
			}
			r := k.resources[0]
			if r.Tool != "goose" || r.RunID == "" || r.Database.System == "" || r.Start.IsZero() || r.Duration <= 0 {
				t.Errorf("%+v", r)
			}
			if r.WALBytes == nil || *r.WALBytes < 500_000 {
				t.Errorf("bytes of log: %v", r.WALBytes)
			}
			if grown := r.Growth(); grown == nil || *grown < 500_000 {
				t.Errorf("grown by %v", grown)
			}
			for c := range w.connectors { // asked too late to know anything of the run
				u, err := c.observer.view.Usage(t.Context())
				if err != nil || u.At().IsZero() {
					t.Fatal(u, err)
				}
				usedUp(&event.Run{Start: r.Start, Duration: time.Nanosecond}, u, u, func(event.Resources) { t.Error("told all the same") })
			}
		})
	}
}
