package integration

import (
	"testing"

	"github.com/pressly/goose/v3"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// target is a driver and a kind of database that tools migrate and, while a step
// is played, a database of that kind.
type target struct {
	name    string
	title   string
	driver  string // as its package registers it
	dialect goose.Dialect
	fresh   func(testing.TB) string // a new database; its DSN
	ddlInTx bool                    // the database rolls DDL back
	forever string                  // a statement that does not end by itself in the time of a test
	running string                  // counts the connections that are in that statement; "" where it tells by itself
	dsn     string                  // of the database; "" where none is meant
}

// patientSQLite waits for a lock, as every program with more than one connection
// to SQLite has to.
func patientSQLite(t testing.TB) string { return testdb.SQLite(t) + "?_pragma=busy_timeout(4000)" }

const sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE '%pg_sleep%'"

var targets = []target{
	{
		name: "pq", title: "PostgreSQL, lib/pq", driver: "postgres", dialect: goose.DialectPostgres, fresh: testdb.PostgreSQL, ddlInTx: true,
		forever: "INSERT INTO users (id) SELECT 1 FROM pg_sleep(600)",
		running: sleeping,
	},
	{
		name: "pgx", title: "PostgreSQL, pgx", driver: "pgx", dialect: goose.DialectPostgres, fresh: testdb.PostgreSQL, ddlInTx: true,
		forever: "INSERT INTO users (id) SELECT 1 FROM pg_sleep(600)",
		running: sleeping,
	},
	{
		name: "mariadb", title: "MariaDB", driver: "mysql", dialect: goose.DialectMySQL, fresh: testdb.MariaDB,
		forever: "INSERT INTO users (id) SELECT SLEEP(600)",
		running: "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE '%SLEEP(600)%'",
	},
	{
		name: "sqlite", title: "SQLite", driver: "sqlite", dialect: goose.DialectSQLite3, fresh: patientSQLite, ddlInTx: true,
		forever: "INSERT INTO users (id) WITH RECURSIVE n(i) AS (SELECT sqlwitness_running() UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
	},
}
