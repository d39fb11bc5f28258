package sqlwitness_test

import (
	"context"
	"database/sql"
	"io"
	"testing"

	"github.com/ngrok/sqlmw"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/drivertest"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

func witness(t testing.TB, cfg sqlwitness.Config) *sqlwitness.Witness {
	t.Helper()
	cfg.LogOutput = io.Discard
	cfg.Audit.Spool = t.TempDir() + "/spool.jsonl"
	w, err := sqlwitness.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// configs are the ways in which a call can take its way through a witness.
var configs = map[string]sqlwitness.Config{
	"plain":       {},
	"disabled":    {Disabled: true},
	"intercepted": {Interceptors: []sqlmw.Interceptor{sqlmw.NullInterceptor{}}},
}

// TestTransparent: callers cannot tell a wrapped driver from a bare one,
// whatever optional interfaces it has.
func TestTransparent(t *testing.T) {
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			w := witness(t, cfg)
			drivertest.Run(t, drivertest.Wrapper{Wrap: w.Wrap, Unwrap: sqlwitness.Unwrap})
		})
	}
}

// TestTransparentSQL: nor on real databases.
func TestTransparentSQL(t *testing.T) {
	for _, d := range []struct {
		name, driver string
		dialect      drivertest.Dialect
		fresh        func(testing.TB) string
	}{
		{"pq", "postgres", drivertest.PQ(), testdb.PostgreSQL},
		{"pgx", "pgx", drivertest.PostgreSQL(), testdb.PostgreSQL},
		{"mysql", "mysql", drivertest.MySQL(), testdb.MariaDB},
		{"sqlite", "sqlite", drivertest.SQLite(), testdb.SQLite},
	} {
		for name, cfg := range configs {
			t.Run(d.name+"/"+name, func(t *testing.T) {
				w := witness(t, cfg)
				drivertest.RunSQL(t, d.dialect, func(t testing.TB) (bare, wrapped *sql.DB) {
					bare, err := sql.Open(d.driver, d.fresh(t))
					if err != nil {
						t.Fatal(err)
					}
					wrapped, err = w.Open(d.driver, d.fresh(t))
					if err != nil {
						t.Fatal(err)
					}
					return bare, wrapped
				}, sqlwitness.Unwrap)
			})
		}
	}
}
