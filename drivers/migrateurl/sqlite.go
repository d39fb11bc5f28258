package migrateurl

import (
	"database/sql"
	"strings"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/database/sqlite"

	_ "github.com/sqlwitness/sqlwitness/drivers/sqlite"
)

func openSQLite(address string) (database.Driver, error) {
	u, err := parse(address)
	if err != nil {
		return nil, err
	}
	p := parameters{Values: u.Query()}
	cfg := sqlite.Config{
		DatabaseName:    u.Path,
		MigrationsTable: p.Get("x-migrations-table"),
		NoTxWrap:        p.flag("x-no-tx-wrap"),
	}
	if p.err != nil {
		return nil, p.err
	}
	file := strings.TrimPrefix(migrate.FilterCustomQuery(u).String(), "sqlite://")
	return over("sqlite", file, func(db *sql.DB) (database.Driver, error) {
		return sqlite.WithInstance(db, &cfg)
	})
}
