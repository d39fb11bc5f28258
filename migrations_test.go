package sqlwitness

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	_ "github.com/lib/pq"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// kept is a sink that keeps migrations that have ended.
type kept struct {
	event.Ignore
	mu         sync.Mutex
	migrations []event.Migration
}

func (k *kept) Migration(m *event.Migration) {
	if m.Outcome == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.migrations = append(k.migrations, *m)
}

// TestFailedVersionFromFiles: goose tells a version with the mark after the body,
// which a failed migration never reaches; the files know it.
func TestFailedVersionFromFiles(t *testing.T) {
	k := &kept{}
	w := newWitness(t, Config{Sinks: []event.Sink{k}, Migrations: fstest.MapFS{
		"00001_users.sql":  {Data: []byte("-- +goose Up\nCREATE TABLE users (id int);\n")},
		"00002_broken.sql": {Data: []byte("-- +goose Up\nCREATE TABEL oops (id int);\n-- +goose Down\nDROP TABLE oops;\n")},
	}})
	db, err := w.Open("sqlite", t.TempDir()+"/a.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = db.Exec("CREATE TABLE goose_db_version (id int, version_id bigint, is_applied boolean)")
	must(err)
	var rows *sql.Rows
	rows, err = db.Query("SELECT version_id, is_applied from goose_db_version ORDER BY id DESC")
	must(err)
	must(rows.Close())
	tx, err := db.Begin()
	must(err)
	if _, err := tx.Exec("CREATE TABEL oops (id int)"); err == nil {
		t.Fatal("it did not fail")
	}
	must(tx.Rollback())
	last := k.migrations[len(k.migrations)-1]
	if last.Outcome != event.Failed || last.Version == nil || *last.Version != "2" || last.Direction != event.Up {
		t.Errorf("reported %+v", last)
	}
}

// TestRollbackAfterClose: database/sql rolls back by itself, in its own time, what
// a cancelled context has left open; a program may have closed its DB by then.
// The outcome is recorded all the same.
func TestRollbackAfterClose(t *testing.T) {
	k := &kept{}
	var log strings.Builder
	w := newWitness(t, Config{Sinks: []event.Sink{k}, LogOutput: &log})
	db, err := w.Open("postgres", testdb.PostgreSQL(t))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("CREATE TABLE t (id int)"); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("CREATE TABEL oops (id int)"); err == nil {
		t.Fatal("it did not fail")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if len(k.migrations) != 1 || k.migrations[0].Outcome != event.Failed || k.migrations[0].Guarantee != event.Around {
		t.Errorf("reported %+v", k.migrations)
	}
	if n := len(w.connectors); n != 0 {
		t.Errorf("%d connectors are left", n)
	}
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "audit.degraded") {
		t.Errorf("the audit was not told in time:\n%s", log.String())
	}
}
