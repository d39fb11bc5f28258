package recipes

import (
	"database/sql"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
)

// The driver goes to the generated client: ent.NewClient(ent.Driver(driver)).
func entDriver(db *sql.DB) dialect.Driver {
	return entsql.OpenDB(dialect.Postgres, db)
}
