package testdb

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// MariaDB returns the DSN for github.com/go-sql-driver/mysql, with
// multiStatements and parseTime on, of an empty database whose user is root. It
// is dropped when the test ends, and whoever is still connected to it is
// disconnected. Its server is shared by the tests of one process, and with it
// what is not of one database: users, locks by name, other databases.
func MariaDB(t testing.TB) string {
	t.Helper()
	return freshMariaDB(t, mariaDB.admin(t))
}

// MariaDBServer is MariaDB on a server that the test has to itself, for tests
// of what is not of one database. It takes a second or two to start.
func MariaDBServer(t testing.TB) string { return MariaDBServerWith(t) }

// MariaDBServerWith is MariaDBServer on a server with more options, such as
// "--performance-schema=ON".
func MariaDBServerWith(t testing.TB, options ...string) string {
	t.Helper()
	s, err := start(func() (kind, error) {
		k, err := mariaDBKind()
		serve := k.serve
		k.serve = func(dir string, port int) []string { return append(serve(dir, port), options...) }
		return k, err
	})
	started(t, err, EnvMariaDB)
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop MariaDB: %v", err)
		}
	})
	return freshMariaDB(t, s.DSN())
}

// MariaDBOn is another database on the server of a DSN that MariaDBServerWith
// returned.
func MariaDBOn(t testing.TB, dsn string) string {
	t.Helper()
	return freshMariaDB(t, dsn)
}

// MariaDBUser makes a user that has the grants alone, each the words between
// GRANT and TO ("SELECT ON d.t"). It returns the DSN with that user. The user is
// dropped when the test ends.
func MariaDBUser(t testing.TB, dsn string, grants ...string) string {
	t.Helper()
	name, password := freshName(), freshName()
	asMariaDB(t, dsn, fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY '%s'", name, password))
	t.Cleanup(func() { asMariaDB(t, dsn, "DROP USER "+name+"@'%'") })
	for _, g := range grants {
		asMariaDB(t, dsn, "GRANT "+g+" TO "+name+"@'%'")
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Passwd = name, password
	return cfg.FormatDSN()
}

// StartMariaDB starts a private MariaDB server, whose user root has no password.
func StartMariaDB() (*Server, error) { return start(mariaDBKind) }

func mariaDBKind() (kind, error) {
	install, err := find(nil, "mariadb-install-db", "mysql_install_db")
	if err != nil {
		return kind{}, fmt.Errorf("MariaDB: %w", err)
	}
	mariadbd, err := find(nil, "mariadbd", "mysqld")
	if err != nil {
		return kind{}, fmt.Errorf("MariaDB: %w", err)
	}
	return kind{
		name:     "MariaDB",
		accounts: []string{"mysql", "nobody"},
		signal:   "KILL",
		create: func(dir string) []string {
			return []string{install, "--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--tmpdir=" + dir,
				"--auth-root-authentication-method=normal", "--skip-name-resolve", "--skip-test-db"}
		},
		serve: func(dir string, port int) []string {
			return []string{mariadbd, "--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--tmpdir=" + dir,
				"--socket=" + filepath.Join(dir, "socket"), "--pid-file=" + filepath.Join(dir, "pid"),
				"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port), "--skip-name-resolve",
				"--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-buffer-pool-size=64M",
				"--innodb-log-file-size=32M", "--max-connections=300"}
		},
		dsn:   func(port int) string { return fmt.Sprintf("root@tcp(127.0.0.1:%d)/", port) },
		open:  openMariaDB,
		where: "SELECT @@datadir",
	}, nil
}

func openMariaDB(dsn string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.Logger = &mysql.NopLogger{} // a server that is starting refuses connections
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

func freshMariaDB(t testing.TB, admin string) string {
	t.Helper()
	name := freshName()
	asMariaDB(t, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() { dropMariaDB(t, admin, name) })
	cfg, err := mysql.ParseDSN(admin)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DBName, cfg.MultiStatements, cfg.ParseTime = name, true, true
	return cfg.FormatDSN()
}

// dropMariaDB disconnects who is still connected: DROP DATABASE would wait for
// their transactions.
func dropMariaDB(t testing.TB, admin, name string) {
	t.Helper()
	db, err := openMariaDB(admin)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ids, err := db.QueryContext(context.Background(), "SELECT id FROM information_schema.processlist WHERE db = ?", name)
	if err != nil {
		t.Errorf("list connections: %v", err)
		return
	}
	defer ids.Close()
	for ids.Next() {
		var id int64
		if err := ids.Scan(&id); err != nil {
			t.Error(err)
		}
		// It may have ended by itself meanwhile.
		_, _ = db.ExecContext(context.Background(), "KILL "+strconv.FormatInt(id, 10))
	}
	if err := ids.Err(); err != nil {
		t.Error(err)
	}
	run(t, db, "DROP DATABASE IF EXISTS "+name)
}

func asMariaDB(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	db, err := openMariaDB(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	run(t, db, statements...)
}
