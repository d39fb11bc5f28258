package integration

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/golang-migrate/migrate/v4"
	"github.com/pressly/goose/v3"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// recorded are the tools whose audit entries are looked at.
var recorded = []struct {
	name string
	up   act
}{
	{"goose", provider(goosePlain).act((*goose.Provider).Up)},
	{"golang-migrate", migrateDriver(migrateInstance).act((*migrate.Migrate).Up)},
}

var auditTables = map[string]string{"pq": "sqlwitness.entry", "pgx": "sqlwitness.entry", "mariadb": "sqlwitness.entry", "sqlite": "sqlwitness_entry"}

// TestAuditEntries reads back what is in the audit tables after a real run.
func TestAuditEntries(t *testing.T) {
	for _, target := range targets {
		for _, tool := range recorded {
			t.Run(tool.name+"/"+target.name, func(t *testing.T) {
				dsn := target.fresh(t)
				w := witness(t, nil)
				db, err := w.Open(target.driver, dsn)
				if err != nil {
					t.Fatal(err)
				}
				if err := tool.up(t.Context(), target, db, four); err == nil {
					t.Fatal("the broken migration did not fail")
				}
				_ = db.Close()

				plain, err := sql.Open(target.driver, dsn)
				if err != nil {
					t.Fatal(err)
				}
				defer plain.Close()
				var got []string
				for _, leaf := range leaves(t, plain, auditTables[target.name], name(t, plain, target)) {
					if leaf["kind"] == "intent" || leaf["kind"] == "outcome" { // not what the trail says of itself
						got = append(got, fmt.Sprint(leaf["kind"], " ", leaf["tool"], " ", leaf["outcome"]))
					}
				}
				slices.Sort(got)
				want := []string{}
				for _, outcome := range []string{"applied", "applied", "applied", "failed"} {
					want = append(want, "outcome "+tool.name+" "+outcome, "intent "+tool.name+" <nil>")
				}
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("entries\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
				}
			})
		}
	}
}

// name is the name of the connection's database, by which entries in a server's
// one audit database are told apart.
func name(t *testing.T, db *sql.DB, target target) string {
	if target.name != "mariadb" {
		return ""
	}
	return query(t, db, "SELECT DATABASE()")[0]
}

func leaves(t *testing.T, db *sql.DB, table, database string) []map[string]any {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT leaf FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var list []map[string]any
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		var leaf map[string]any
		if err := json.Unmarshal(text, &leaf); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if at, ok := leaf["db"].(map[string]any); database == "" || ok && at["name"] == database {
			list = append(list, leaf)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// syncBuffer is written by the log's goroutine.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestRoleThatMayNotCreate: a role without the right to make the audit tables
// migrates as before, one warning says so, and the entries are in the spool.
func TestRoleThatMayNotCreate(t *testing.T) {
	admin := testdb.PostgreSQL(t)
	dsn := testdb.PostgreSQLRole(t, admin, "USAGE, CREATE ON SCHEMA public")
	target := targets[0]
	for _, tool := range recorded {
		t.Run(tool.name, func(t *testing.T) {
			spool := t.TempDir() + "/spool.jsonl"
			log, r := &syncBuffer{}, &recorder{}
			w, err := sqlwitness.New(sqlwitness.Config{LogOutput: log, Sinks: []event.Sink{r}, Audit: audit.Config{Spool: spool}})
			if err != nil {
				t.Fatal(err)
			}
			db, err := w.Open(target.driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			if err := tool.up(t.Context(), target, db, three); err != nil {
				t.Fatalf("the migration failed: %v", err)
			}
			_ = db.Close()
			if err := w.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			for _, m := range r.migrations {
				if m.Outcome != event.Applied || m.Guarantee != event.None {
					t.Errorf("%s %s: no row was written, so nothing is guaranteed", m.Outcome, m.Guarantee)
				}
			}
			text, err := os.ReadFile(spool)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(text, []byte("\n")); n != 6 {
				t.Errorf("%d entries in the spool, want 3 intents and 3 outcomes", n)
			}
			if n := strings.Count(log.String(), `"audit.degraded"`); n != 1 {
				t.Errorf("%d warnings, want 1:\n%s", n, log.String())
			}
			for _, want := range []string{"GRANT", spool} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the warning does not say %q", want)
				}
			}
			query := "DROP TABLE IF EXISTS users, orders, goose_db_version, schema_migrations"
			plain, err := sql.Open(target.driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer plain.Close()
			if _, err := plain.Exec(query); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestStrict: what cannot be recorded does not happen.
func TestStrict(t *testing.T) {
	admin := testdb.PostgreSQL(t)
	dsn := testdb.PostgreSQLRole(t, admin, "USAGE, CREATE ON SCHEMA public")
	target, tool := targets[0], recorded[0]
	w, err := sqlwitness.New(sqlwitness.Config{LogOutput: &syncBuffer{}, Audit: audit.Config{Mode: audit.Strict, Spool: t.TempDir() + "/spool"}})
	if err != nil {
		t.Fatal(err)
	}
	db, err := w.Open(target.driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = tool.up(t.Context(), target, db, three)
	if err == nil || !strings.Contains(err.Error(), "audit.Strict") {
		t.Fatalf("error %v does not come from the audit", err)
	}
	if n := query(t, db, "SELECT count(*) FROM pg_tables WHERE tablename = 'users'"); n[0] != "0" {
		t.Error("the migration was applied without a record")
	}
}
