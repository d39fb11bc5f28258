package sqlwitness

import (
	"context"
	"database/sql"
	"slices"
	"sync"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// findings is a sink that keeps what was found.
type findings struct {
	event.Ignore
	mu  sync.Mutex
	all []event.Finding
}

func (f *findings) Finding(e *event.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, *e)
}

func (f *findings) kinds() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var kinds []string
	for _, e := range f.all {
		kinds = append(kinds, e.Kind+" "+e.Object)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// TestByHand: what is done past the migrations is found at the next run, and what
// passes through the witness is recorded.
func TestByHand(t *testing.T) {
	dsn := testdb.PostgreSQL(t)
	bare, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	exec := func(db *sql.DB, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if _, err := db.Exec(text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	}
	run := func(version, body string) []string {
		t.Helper()
		found := &findings{}
		w := newWitness(t, Config{Sinks: []event.Sink{found}})
		db, err := w.Open("postgres", dsn)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := db.Query("SELECT version_id, is_applied from goose_db_version ORDER BY id DESC")
		if err != nil {
			t.Fatal(err)
		}
		_ = rows.Close()
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{body, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (" + version + ", true)"} {
			if _, err := tx.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		exec(db, "GRANT SELECT ON goose_db_version TO PUBLIC")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		return found.kinds()
	}
	exec(bare, "CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied boolean, tstamp timestamp default now())")

	if got := run("1", "CREATE TABLE orders (id int)"); len(got) != 0 {
		t.Errorf("the first run found %v", got)
	}
	if got := run("2", "ALTER TABLE orders ADD paid boolean"); len(got) != 0 {
		t.Errorf("the second run found %v, and nothing was done by hand", got)
	}
	exec(bare, "ALTER TABLE orders ADD by_hand int", "UPDATE goose_db_version SET version_id = 3 WHERE version_id = 2")
	got := run("4", "ALTER TABLE orders ADD note text")
	if len(got) != 2 || got[0] != "history_edited public.goose_db_version" && got[0] != "history_edited goose_db_version" {
		t.Errorf("the third run found %q", got)
	}
	var grants, configured int
	if err := bare.QueryRow("SELECT count(*) FILTER (WHERE kind = 'config.server'), count(*) FILTER (WHERE kind = 'config.changed') FROM sqlwitness.entry").Scan(&grants, &configured); err != nil {
		t.Fatal(err)
	}
	if grants != 3 || configured != 1 {
		t.Errorf("%d entries of the grants, want 3; %d of our configuration, want 1", grants, configured)
	}
}
