// Command golang-migrate migrates a SQLite file with golang-migrate, through the
// witness. golang-migrate opens databases by URL with driver names of its own,
// so the program opens the database itself and passes it on.
//
//	go run ./golang-migrate app.db
package main

import (
	"database/sql"
	"embed"
	"errors"
	"log"
	"os"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database/sqlite"
	"github.com/golang-migrate/migrate/v4/source/iofs"

	_ "github.com/sqlwitness/sqlwitness/drivers/sqlite" // was: _ "modernc.org/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: golang-migrate FILE")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(path string) (err error) {
	source, err := iofs.New(migrations, "migrations")
	if err != nil {
		return err
	}
	db, err := sql.Open("witness+sqlite", path) // was: "sqlite"
	if err != nil {
		return err
	}
	driver, err := sqlite.WithInstance(db, &sqlite.Config{})
	if err != nil {
		return errors.Join(err, db.Close())
	}
	m, err := migrate.NewWithInstance("iofs", source, "sqlite", driver)
	if err != nil {
		return err
	}
	defer func() {
		sourceErr, databaseErr := m.Close()
		err = errors.Join(err, sourceErr, databaseErr)
	}()
	if err := m.Up(); !errors.Is(err, migrate.ErrNoChange) {
		return err
	}
	return nil
}
