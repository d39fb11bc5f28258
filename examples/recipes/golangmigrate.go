package recipes

import (
	"database/sql"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/golang-migrate/migrate/v4/source"

	_ "github.com/sqlwitness/sqlwitness/drivers/migrateurl"
)

func migrateInstance(db *sql.DB, migrations source.Driver) error {
	driver, err := postgres.WithInstance(db, &postgres.Config{})
	if err != nil {
		return err
	}
	m, err := migrate.NewWithInstance("files", migrations, "postgres", driver)
	if err != nil {
		return err
	}
	return m.Up()
}

// The address is the one from before with a prefix: witness+postgres://…
func migrateURL(address string, migrations source.Driver) error {
	m, err := migrate.NewWithSourceInstance("files", migrations, address)
	if err != nil {
		return err
	}
	return m.Up()
}
