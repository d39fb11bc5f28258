package migrateurl

import (
	"database/sql"
	"fmt"
	"net/url"
	"strings"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	pgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/database/postgres"

	_ "github.com/sqlwitness/sqlwitness/drivers/pgx"
	_ "github.com/sqlwitness/sqlwitness/drivers/pq"
)

func openPostgres(address string) (database.Driver, error) {
	u, err := parse(address)
	if err != nil {
		return nil, err
	}
	cfg, err := postgresConfig(u)
	if err != nil {
		return nil, err
	}
	return over("postgres", migrate.FilterCustomQuery(u).String(), func(db *sql.DB) (database.Driver, error) {
		return postgres.WithInstance(db, &cfg)
	})
}

func openPgx(address string) (database.Driver, error) {
	u, err := parse(address)
	if err != nil {
		return nil, err
	}
	cfg, err := postgresConfig(u)
	if err != nil {
		return nil, err
	}
	u.Scheme = "postgres" // pgx knows no scheme pgx5
	return over("pgx", migrate.FilterCustomQuery(u).String(), func(db *sql.DB) (database.Driver, error) {
		return pgx.WithInstance(db, &pgx.Config{
			DatabaseName:          cfg.DatabaseName,
			MigrationsTable:       cfg.MigrationsTable,
			MigrationsTableQuoted: cfg.MigrationsTableQuoted,
			StatementTimeout:      cfg.StatementTimeout,
			MultiStatementEnabled: cfg.MultiStatementEnabled,
			MultiStatementMaxSize: cfg.MultiStatementMaxSize,
		})
	})
}

// postgresConfig reads the parameters that golang-migrate's two PostgreSQL
// drivers share. The database's name keeps the slash of the URL's path: it goes
// into the number of the advisory lock, which has to be the tool's own.
func postgresConfig(u *url.URL) (postgres.Config, error) {
	p := parameters{Values: u.Query()}
	cfg := postgres.Config{
		DatabaseName:          u.Path,
		MigrationsTable:       p.Get("x-migrations-table"),
		MigrationsTableQuoted: p.flag("x-migrations-table-quoted"),
		StatementTimeout:      p.milliseconds("x-statement-timeout"),
		MultiStatementEnabled: p.flag("x-multi-statement"),
		MultiStatementMaxSize: p.number("x-multi-statement-max-size"),
	}
	if cfg.MultiStatementMaxSize <= 0 {
		cfg.MultiStatementMaxSize = postgres.DefaultMultiStatementMaxSize
	}
	name := cfg.MigrationsTable
	if p.err == nil && cfg.MigrationsTableQuoted && name != "" && (!strings.HasPrefix(name, `"`) || !strings.HasSuffix(name, `"`)) {
		p.err = fmt.Errorf(`migrateurl: x-migrations-table: %s is not quoted, as x-migrations-table-quoted says; write "schema"."table"`, name)
	}
	return cfg, p.err
}
