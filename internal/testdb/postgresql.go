package testdb

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lib/pq"
)

// PostgreSQL returns the DSN, a postgres URL that lib/pq and pgx both take, of
// an empty database whose user is a superuser. It is dropped when the test ends,
// with whoever is still connected to it.
func PostgreSQL(t testing.TB) string {
	t.Helper()
	admin := postgreSQL.admin(t)
	name := freshName()
	asPostgreSQL(t, admin, "CREATE DATABASE "+name+" TEMPLATE template0")
	t.Cleanup(func() { asPostgreSQL(t, admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("%s holds no URL", EnvPostgreSQL)
	}
	u.Path = "/" + name
	return u.String()
}

// PostgreSQLRole makes a role that may log in and has the grants alone, each
// the words between GRANT and TO ("SELECT ON TABLE t"). It returns the DSN with
// that role for its user. The role is dropped when the test ends.
func PostgreSQLRole(t testing.TB, dsn string, grants ...string) string {
	t.Helper()
	name, password := freshName(), freshName()
	asPostgreSQL(t, dsn, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", name, password))
	t.Cleanup(func() { asPostgreSQL(t, dsn, "DROP OWNED BY "+name+" CASCADE", "DROP ROLE "+name) })
	for _, g := range grants {
		asPostgreSQL(t, dsn, "GRANT "+g+" TO "+name)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the DSN is no URL")
	}
	u.User = url.UserPassword(name, password)
	return u.String()
}

// StartPostgreSQL starts a private PostgreSQL server, version 13 or later. Its
// only role is the superuser postgres, and no password is asked for.
func StartPostgreSQL() (*Server, error) { return start(postgreSQLKind) }

func postgreSQLKind() (kind, error) {
	initdb, err := find(postgreSQLDirs(), "initdb")
	if err != nil {
		return kind{}, fmt.Errorf("PostgreSQL: %w", err)
	}
	postgres, err := find([]string{filepath.Dir(initdb)}, "postgres")
	if err != nil {
		return kind{}, fmt.Errorf("PostgreSQL: %w", err)
	}
	return kind{
		name:     "PostgreSQL",
		accounts: []string{"postgres", "nobody"},
		// SIGQUIT is "immediate shutdown"; after SIGKILL shared memory would stay.
		signal: "QUIT",
		create: func(dir string) []string {
			return []string{initdb, "--pgdata", filepath.Join(dir, "data"), "--no-sync", "--auth", "trust",
				"--username", "postgres", "--encoding", "UTF8", "--locale", "C"}
		},
		serve: func(dir string, port int) []string {
			return []string{postgres, "-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(port),
				"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + dir,
				"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
				"-c", "max_connections=300", "-c", "max_prepared_transactions=10", "-c", "shared_buffers=64MB"}
		},
		dsn: func(port int) string {
			return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
		},
		open:  openPostgreSQL,
		where: "SHOW data_directory",
	}, nil
}

// postgreSQLDirs is where PostgreSQL's programs may be, best first: Debian and
// others keep them out of PATH, in a folder for each version.
func postgreSQLDirs() []string {
	var dirs []string
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"} {
		found, _ := filepath.Glob(pattern) // the pattern is well formed
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	return dirs
}

func openPostgreSQL(dsn string) (*sql.DB, error) {
	c, err := pq.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

// asPostgreSQL runs statements on a connection of their own.
func asPostgreSQL(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	db, err := openPostgreSQL(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	run(t, db, statements...)
}

func run(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		// Not the test's context: that has ended by the time of its cleanup.
		if _, err := db.ExecContext(context.Background(), s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}
