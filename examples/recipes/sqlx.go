package recipes

import (
	"database/sql"

	"github.com/jmoiron/sqlx"
)

// By the name, sqlx chooses between ? and $1, so it gets the parent's.
func sqlxDB(db *sql.DB) *sqlx.DB {
	return sqlx.NewDb(db, "postgres")
}

// Where something else opens the database, sqlx can be told about the new name.
func sqlxConnect(dsn string) (*sqlx.DB, error) {
	sqlx.BindDriver("witness+postgres", sqlx.DOLLAR)
	return sqlx.Connect("witness+postgres", dsn)
}
