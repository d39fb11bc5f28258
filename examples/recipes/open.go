package recipes

import (
	"database/sql"

	_ "github.com/sqlwitness/sqlwitness/drivers/pq" // was: _ "github.com/lib/pq"
)

func open(dsn string) (*sql.DB, error) {
	return sql.Open("witness+postgres", dsn) // was: sql.Open("postgres", dsn)
}
