package drivertest

import (
	"database/sql"
	"database/sql/driver"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

var databases = []struct {
	name, driver string
	dialect      Dialect
	fresh        func(testing.TB) string
}{
	{"pq", "postgres", PQ(), testdb.PostgreSQL},
	{"pgx", "pgx", PostgreSQL(), testdb.PostgreSQL},
	{"mysql", "mysql", MySQL(), testdb.MariaDB},
	{"sqlite", "sqlite", SQLite(), testdb.SQLite},
}

// connector is the registered driver's, with a DSN.
func connector(t testing.TB, name, dsn string) driver.Connector {
	t.Helper()
	db, err := sql.Open(name, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return ConnectorOf(db.Driver(), dsn)
}

// TestSQL: the kit's cases give the same answers twice on real databases, and a
// transparent wrapper's are the same.
func TestSQL(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			w := forwarder{}.wrapper()
			RunSQL(t, d.dialect, func(t testing.TB) (*sql.DB, *sql.DB) {
				return sql.OpenDB(connector(t, d.driver, d.fresh(t))), sql.OpenDB(w.Wrap(connector(t, d.driver, d.fresh(t))))
			}, w.Unwrap)
		})
	}
}

// TestSQLDefects: each case finds a defect on a real database.
func TestSQLDefects(t *testing.T) {
	for _, c := range []struct{ by, on, defect string }{
		{"values", "sqlite", "scan types are lost"},
		{"errors", "sqlite", "errors are copied"},
		{"transactions", "sqlite", "errors are wrapped: exec"},
		{"result sets", "pq", "result sets are lost"},
		{"driver's own arguments", "pq", "the connection's checker is lost"},
		{"copy", "pq", "errors are copied"},
		{"rows side by side", "pq", "errors are wrapped: query"},
		{"cancelled", "pq", "errors are lost: exec"},
		{"the parent's connection", "sqlite", "unwrap finds nothing"},
	} {
		t.Run(c.by, func(t *testing.T) {
			for _, d := range databases {
				if d.name != c.on {
					continue
				}
				w := forwarder{c.defect}.wrapper()
				b := sql.OpenDB(connector(t, d.driver, d.fresh(t)))
				defer b.Close()
				wrapped := sql.OpenDB(w.Wrap(connector(t, d.driver, d.fresh(t))))
				defer wrapped.Close()
				for _, known := range sqlCases(d.dialect) {
					if known.Name == c.by && firstDifference("", performSQL(known, b, bare), performSQL(known, wrapped, w)) == "" {
						t.Errorf("it does not find the defect %q", c.defect)
					}
				}
			}
		})
	}
}
