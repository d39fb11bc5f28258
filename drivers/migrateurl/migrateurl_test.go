package migrateurl

import (
	"bytes"
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-sql-driver/mysql"
	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/source/iofs"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// The default witness reads its configuration when it is first used.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "migrateurl")
	if err != nil {
		panic(err)
	}
	_ = os.Setenv("SQLWITNESS_LOG_LEVEL", "off")
	_ = os.Setenv("SQLWITNESS_AUDIT_SPOOL", filepath.Join(dir, "spool.jsonl"))
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var files = fstest.MapFS{
	"1_users.up.sql":   {Data: []byte("CREATE TABLE users (id bigint); CREATE TABLE orders (id bigint);")},
	"1_users.down.sql": {Data: []byte("DROP TABLE orders; DROP TABLE users;")},
}

// databases are the schemes, each with a new database and its URL without the
// prefix.
var databases = []struct {
	scheme, driver string
	fresh          func(testing.TB) (dsn, address string)
}{
	{"postgres", "postgres", postgresURL("postgres")},
	{"postgresql", "postgres", postgresURL("postgresql")},
	{"pgx5", "pgx", postgresURL("pgx5")},
	{"mysql", "mysql", func(t testing.TB) (dsn, address string) {
		dsn = testdb.MariaDB(t)
		return dsn, "mysql://" + dsn
	}},
	{"sqlite", "sqlite", func(t testing.TB) (dsn, address string) {
		dsn = testdb.SQLite(t)
		return dsn, "sqlite://" + dsn
	}},
}

func postgresURL(scheme string) func(testing.TB) (dsn, address string) {
	return func(t testing.TB) (string, string) {
		dsn := testdb.PostgreSQL(t)
		return dsn, scheme + strings.TrimPrefix(dsn, "postgres")
	}
}

// with adds parameters to a URL.
func with(address string, parameters ...string) string {
	sep := "?"
	if strings.Contains(address, "?") {
		sep = "&"
	}
	return address + sep + strings.Join(parameters, "&")
}

func up(t *testing.T, address string) error {
	t.Helper()
	src, err := iofs.New(files, ".")
	if err != nil {
		t.Fatal(err)
	}
	m, err := migrate.NewWithSourceInstance("iofs", src, address)
	if err != nil {
		return err
	}
	err = m.Up()
	if srcErr, dbErr := m.Close(); srcErr != nil || dbErr != nil {
		t.Errorf("close: %v, %v", srcErr, dbErr)
	}
	return err
}

// TestWitnessed migrates through each scheme. The x- parameters mean what they
// mean to golang-migrate, and the migration is seen.
func TestWitnessed(t *testing.T) {
	for _, d := range databases {
		t.Run(d.scheme, func(t *testing.T) {
			dsn, address := d.fresh(t)
			before := applied(t)
			if err := up(t, sqlwitness.Prefix+with(address, "x-migrations-table=history", "x-statement-timeout=60000")); err != nil {
				t.Fatal(err)
			}
			if got := applied(t); got != before+1 {
				t.Errorf("%d migrations were seen, want 1", got-before)
			}
			db, err := sql.Open(d.driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var version int
			if err := db.QueryRowContext(t.Context(), "SELECT version FROM history").Scan(&version); err != nil || version != 1 {
				t.Errorf("version %d, error %v", version, err)
			}
		})
	}
}

// applied is how many migrations of golang-migrate the default witness has counted.
func applied(t *testing.T) (n int) {
	t.Helper()
	w, err := sqlwitness.Default()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	w.WritePrometheus(&text)
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "sqlwitness_migrations_total{") && strings.Contains(line, `tool="golang-migrate"`) && strings.Contains(line, `outcome="applied"`) {
			n += int(line[len(line)-2] - '0')
		}
	}
	return n
}

// TestLockIsTheTools: an instance with the prefix takes the very lock that one
// without it takes.
func TestLockIsTheTools(t *testing.T) {
	for _, d := range databases {
		if d.scheme == "sqlite" { // there, the tool takes none
			continue
		}
		t.Run(d.scheme, func(t *testing.T) {
			dsn, address := d.fresh(t)
			db, err := sql.Open(d.driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			query := "SELECT classid || '/' || objid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
			if d.scheme == "mysql" { // does not list names, and tells whether a name is taken
				cfg, err := mysql.ParseDSN(dsn)
				if err != nil {
					t.Fatal(err)
				}
				id, err := database.GenerateAdvisoryLockId(cfg.DBName + ":schema_migrations")
				if err != nil {
					t.Fatal(err)
				}
				query = "SELECT IS_USED_LOCK('" + id + "') > 0"
			}
			lock := func(address string) (key string) {
				drv, err := database.Open(address)
				if err != nil {
					t.Fatal(err)
				}
				defer drv.Close()
				if err := drv.Lock(); err != nil {
					t.Fatal(err)
				}
				if err := db.QueryRowContext(context.Background(), query).Scan(&key); err != nil {
					t.Fatal(err)
				}
				if err := drv.Unlock(); err != nil {
					t.Fatal(err)
				}
				return key
			}
			if bare, seen := lock(address), lock(sqlwitness.Prefix+address); bare != seen {
				t.Errorf("lock %s, and with the witness %s", bare, seen)
			}
		})
	}
}

// TestErrors: what is wrong is said, and the password is not.
func TestErrors(t *testing.T) {
	const password = "hunter2"
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	my := "witness+mysql://app:" + password + "@tcp(127.0.0.1:1)/shop"
	pg := "witness+postgres://app:" + password + "@127.0.0.1:1/shop"
	tests := map[string]struct{ address, want string }{
		"no server, pq":           {pg, "connection refused"},
		"no server, pgx":          {"witness+pgx5://app:" + password + "@127.0.0.1:1/shop", "connection refused"},
		"no server, mysql":        {my, "connection refused"},
		"no folder":               {"witness+sqlite:///nowhere/at/all.db", "unable to open database file"},
		"slash in the password":   {"witness+postgres://app:" + password + "/@localhost/shop", "percent-encoded"},
		"percent in the password": {"witness+pgx5://app:%zz" + password + "@localhost/shop", "percent-encoded"},
		"percent, mysql":          {"witness+mysql://app:%zz" + password + "@tcp(127.0.0.1:1)/shop", "percent-encoded"},
		"no database, mysql":      {"witness+mysql://app:" + password + "@tcp(127.0.0.1:1)", "missing the slash"},
		"no @, mysql":             {"witness+mysql://app:" + password + "/shop", "there is no @"},
		"no @, address, mysql":    {"witness+mysql://app:" + password + "(127.0.0.1:1)/shop", "there is no @"},
		"question mark, mysql":    {"witness+mysql://app:a?b" + password + "@tcp(127.0.0.1:1)/shop", "connection refused"},
		"flag":                    {with(pg, "x-multi-statement=maybe"), `x-multi-statement is "maybe" and has to be true or false`},
		"number":                  {with(pg, "x-statement-timeout=1s"), `x-statement-timeout is "1s" and has to be a whole number`},
		"not quoted":              {with(pg, "x-migrations-table=a.b", "x-migrations-table-quoted=true"), "x-migrations-table: a.b is not quoted"},
		"flag, sqlite":            {"witness+sqlite://" + filepath.Join(t.TempDir(), "a.db") + "?x-no-tx-wrap=maybe", "x-no-tx-wrap"},
		"flag, mysql":             {with(my, "x-no-lock=maybe"), "x-no-lock"},
		"tls without files":       {with(my, "tls=ours"), "x-tls-ca must name"},
		"tls, no such file":       {with(my, "tls=ours", "x-tls-ca="+url.QueryEscape(ca+".none")), "x-tls-ca: open"},
		"tls, no certificate":     {with(my, "tls=ours", "x-tls-ca="+url.QueryEscape(ca)), ca + ": failed to append PEM"},
		"tls, no key":             {with(my, "tls=ours", "x-tls-ca="+url.QueryEscape(ca), "x-tls-cert="+url.QueryEscape(ca)), "tls=ours: to use TLS client"},
		"tls, flag":               {with(my, "tls=ours", "x-tls-insecure-skip-verify=maybe"), "x-tls-insecure-skip-verify"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := up(t, test.address)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q does not say %q", err, test.want)
			}
			if strings.Contains(err.Error(), password) {
				t.Errorf("the password is in %q", err)
			}
		})
	}
}
