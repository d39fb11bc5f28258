package sqlwitness

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/lib/pq"

	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// sample finds a metric's value in a scrape.
func sample(t *testing.T, w *Witness, series string) string {
	t.Helper()
	var b strings.Builder
	w.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// TestRetryAfterLockTimeout: DDL that comes again after 55P03 is one retry, on
// whatever connection, and an application's statement that merely looks the same
// is none.
func TestRetryAfterLockTimeout(t *testing.T) {
	dsn := testdb.PostgreSQL(t)
	plain, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.Exec("CREATE TABLE t (id int)"); err != nil {
		t.Fatal(err)
	}
	blocker, err := plain.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec("LOCK TABLE t IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}

	w := newWitness(t, Config{})
	db, err := w.Open("postgres", dsn+"&lock_timeout=20ms")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const alter, insert = "ALTER TABLE t ADD COLUMN x int", "INSERT INTO t (id) VALUES (1)"
	one, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	two, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	for _, text := range []string{alter, insert} {
		if _, err := one.ExecContext(t.Context(), text); err == nil {
			t.Fatalf("%s did not time out", text)
		}
	}
	if err := blocker.Rollback(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{alter, insert} {
		if _, err := two.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	const series = `sqlwitness_retries_total{kind="lock_timeout"}`
	if got := sample(t, w, series); got != "1" {
		t.Errorf("after the other connection: %s, want 1, for the DDL alone", got)
	}
	if _, err := one.ExecContext(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	if _, err := one.ExecContext(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	if got := sample(t, w, series); got != "2" {
		t.Errorf("after the same connection: %s, want 2", got)
	}
	var lost float64
	if _, err := fmt.Sscan(sample(t, w, `sqlwitness_retry_lost_seconds_total{kind="lock_timeout"}`), &lost); err != nil || lost < 0.04 {
		t.Errorf("%v s lost (%v), with two waits of 20 ms", lost, err)
	}
}

// TestFailureThatNobodyTriesAgain: a statement that the broken connection lost for
// good does not keep the others off the short way, and is forgotten in time.
func TestFailureThatNobodyTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWatched(t, nil)
		r := &k.connector.retries
		if _, err := k.db.Exec("BADCONN for good"); err == nil || !r.expecting.Load() {
			t.Fatalf("%v, expecting %v", err, r.expecting.Load())
		}
		for range 2 {
			if _, err := k.db.Exec("SELECT 1"); err != nil {
				t.Fatal(err)
			}
			for c := range k.connector.conns {
				if c.long(c.texts.last) {
					t.Error("SELECT 1 took the long way")
				}
			}
			time.Sleep(time.Duration(maxRetryGap) + time.Second)
		}
		if r.expecting.Load() || len(r.elsewhere) > 0 {
			t.Errorf("still expected: %v", r.elsewhere)
		}
	})
}
