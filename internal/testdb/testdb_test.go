package testdb

import (
	"database/sql"
	"errors"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func do(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func count(t *testing.T, db *sql.DB, query string, args ...any) int {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// TestFreshDatabase: two calls give two databases, each empty, whatever the
// driver that opens them.
func TestFreshDatabase(t *testing.T) {
	for _, kind := range []struct {
		name, driver string
		fresh        func(testing.TB) string
	}{
		{"postgres by lib/pq", "postgres", PostgreSQL},
		{"postgres by pgx", "pgx", PostgreSQL},
		{"mariadb", "mysql", MariaDB},
		{"mariadb alone", "mysql", MariaDBServer},
		{"sqlite", "sqlite", SQLite},
	} {
		t.Run(kind.name, func(t *testing.T) {
			for range 2 {
				db := open(t, kind.driver, kind.fresh(t))
				do(t, db, "CREATE TABLE t (n INT)", "INSERT INTO t VALUES (1)")
				if n := count(t, db, "SELECT count(*) FROM t"); n != 1 {
					t.Errorf("%d rows, want 1: the database is not fresh", n)
				}
			}
		})
	}
}

// TestDropped: the database goes with its test even when a connection with an
// open transaction is left behind.
func TestDropped(t *testing.T) {
	for _, kind := range []struct {
		name, driver  string
		fresh, admin  func(testing.TB) string
		current, list string
	}{
		{"postgres", "postgres", PostgreSQL, postgreSQL.admin,
			"SELECT current_database()", "SELECT count(*) FROM pg_database WHERE datname = $1"},
		{"mariadb", "mysql", MariaDB, mariaDB.admin,
			"SELECT database()", "SELECT count(*) FROM information_schema.schemata WHERE schema_name = ?"},
	} {
		t.Run(kind.name, func(t *testing.T) {
			admin := open(t, kind.driver, kind.admin(t))
			var name string
			t.Run("left open", func(t *testing.T) {
				// Not closed, unlike what open returns.
				db, err := sql.Open(kind.driver, kind.fresh(t))
				if err != nil {
					t.Fatal(err)
				}
				do(t, db, "CREATE TABLE t (n INT)")
				if err := db.QueryRowContext(t.Context(), kind.current).Scan(&name); err != nil {
					t.Fatal(err)
				}
				tx, err := db.Begin()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.Exec("INSERT INTO t VALUES (1)"); err != nil {
					t.Fatal(err)
				}
				if n := count(t, admin, kind.list, name); n != 1 {
					t.Fatalf("%d databases %q while the test runs, want 1", n, name)
				}
			})
			if n := count(t, admin, kind.list, name); n != 0 {
				t.Errorf("%d databases %q after the test, want 0", n, name)
			}
		})
	}
}

// TestRestricted: a role has the grants that it is given and no other.
func TestRestricted(t *testing.T) {
	for _, kind := range []struct {
		name, driver string
		fresh        func(testing.TB) string
		role         func(testing.TB, string, ...string) string
		grant        string
	}{
		{"postgres", "postgres", PostgreSQL, PostgreSQLRole, "SELECT ON TABLE t"},
		{"mariadb", "mysql", MariaDB, MariaDBUser, "SELECT ON *.*"},
	} {
		t.Run(kind.name, func(t *testing.T) {
			dsn := kind.fresh(t)
			do(t, open(t, kind.driver, dsn), "CREATE TABLE t (n INT)")
			db := open(t, kind.driver, kind.role(t, dsn, kind.grant))
			if n := count(t, db, "SELECT count(*) FROM t"); n != 0 {
				t.Errorf("%d rows, want 0", n)
			}
			if _, err := db.ExecContext(t.Context(), "INSERT INTO t VALUES (1)"); err == nil {
				t.Error("a role that may SELECT may INSERT too")
			}
		})
	}
}

// reluctant notes how a test ends.
type reluctant struct {
	testing.TB      // nil: any other method would panic
	skipped, failed bool
}

func (r *reluctant) Skipf(string, ...any) { r.skipped = true }
func (r *reluctant) Helper()              {}
func (r *reluctant) Fatal(...any)         { r.failed = true }

// TestNoServer: a test is skipped where nothing is installed, and fails where a
// server is and does not start.
func TestNoServer(t *testing.T) {
	_, notInstalled := find(nil, "no-such-server", "nor-this-one")
	for _, c := range []struct {
		name string
		err  error
		want reluctant
	}{
		{"not installed", notInstalled, reluctant{skipped: true}},
		{"does not start", errors.New("disk full"), reluctant{failed: true}},
		{"starts", nil, reluctant{}},
	} {
		got := reluctant{}
		started(&got, c.err, EnvPostgreSQL)
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
