package sqlwitness

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// TestColdStart: a process that starts with a migration, behind another that has
// the migration lock, tells what its start was spent on: in the log, where it is a
// warning since migrating took most of it, in the metrics and to the sinks.
func TestColdStart(t *testing.T) {
	dsn := testdb.PostgreSQL(t)
	bare, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	other, err := bare.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	const lock = "SELECT pg_advisory_lock(4097083626)"
	if _, err := other.ExecContext(t.Context(), lock); err != nil {
		t.Fatal(err)
	}

	seen, log := &effects{}, &safeBuilder{}
	w := newWitness(t, Config{LogOutput: log, Sinks: []event.Sink{seen}})
	db, err := w.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	tool, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	locked := make(chan error, 1)
	go func() {
		_, err := tool.ExecContext(context.Background(), lock)
		locked <- err
	}()
	for waiting := false; !waiting; {
		if err := bare.QueryRow("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory')").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := other.ExecContext(t.Context(), "SELECT pg_advisory_unlock(4097083626)"); err != nil {
		t.Fatal(err)
	}
	if err := <-locked; err != nil {
		t.Fatal(err)
	}
	migrates(t, w, db, 1, func() {}, "CREATE TABLE orders (id int)", "SELECT pg_sleep(1.1)") // a warm connection
	_ = tool.Close()
	_ = db.Close()
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}

	if len(seen.starts) != 1 {
		t.Fatalf("%d cold starts: %+v", len(seen.starts), seen.starts)
	}
	c := seen.starts[0]
	if c.Connect <= 0 || c.Lock <= 0 || c.Check <= 0 || c.Apply < 1100*time.Millisecond || c.Connect+c.Lock+c.Check+c.Apply > c.Total {
		t.Errorf("%+v", c)
	}
	var line struct {
		Level   string  `json:"level"`
		Apply   float64 `json:"apply_ms"`
		Share   float64 `json:"migrating_share"`
		Connect float64 `json:"connect_ms"`
	}
	for text := range strings.Lines(log.String()) {
		if strings.Contains(text, `"start.finished"`) {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
		}
	}
	if line.Level != "warn" || line.Apply < 1100 || line.Connect <= 0 || line.Share <= 0.5 {
		t.Errorf("the log says %+v\n%s", line, log)
	}
	var b strings.Builder
	w.WritePrometheus(&b)
	for _, want := range []string{
		`sqlwitness_cold_start_seconds{stage="connect"} 0.`, `sqlwitness_cold_start_seconds{stage="lock"} 0.`, `sqlwitness_cold_start_seconds{stage="check"} 0.`,
		`sqlwitness_cold_start_seconds{stage="apply"} 1.`, `sqlwitness_connect_duration_seconds_count{start="cold"} 1`, `sqlwitness_connect_duration_seconds_count{start="warm"} 1`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
