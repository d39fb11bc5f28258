package integration

import (
	"database/sql"
	"testing"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/database/mysql"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/golang-migrate/migrate/v4/database/sqlite"
	"github.com/pressly/goose/v3"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// target is a driver and a kind of database that tools migrate.
type target struct {
	name    string
	driver  string // as its package registers it
	dialect goose.Dialect
	fresh   func(testing.TB) string // a new database; its DSN
	migrate func(*sql.DB) (database.Driver, error)
	ddlInTx bool // the database rolls DDL back
}

var targets = []target{
	{"pq", "postgres", goose.DialectPostgres, testdb.PostgreSQL, func(db *sql.DB) (database.Driver, error) {
		return postgres.WithInstance(db, &postgres.Config{})
	}, true},
	{"pgx", "pgx", goose.DialectPostgres, testdb.PostgreSQL, func(db *sql.DB) (database.Driver, error) {
		return migratepgx.WithInstance(db, &migratepgx.Config{})
	}, true},
	{"mariadb", "mysql", goose.DialectMySQL, testdb.MariaDB, func(db *sql.DB) (database.Driver, error) {
		return mysql.WithInstance(db, &mysql.Config{})
	}, false},
	{"sqlite", "sqlite", goose.DialectSQLite3, testdb.SQLite, func(db *sql.DB) (database.Driver, error) {
		return sqlite.WithInstance(db, &sqlite.Config{})
	}, true},
}
