package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/database/mysql"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/golang-migrate/migrate/v4/database/sqlite"
	"github.com/golang-migrate/migrate/v4/source/iofs"
)

func golangMigrateSubjects() []subject {
	const tool, module = "golang-migrate", "github.com/golang-migrate/migrate/v4"
	standard := func(with migrateDriver) drive {
		return drive{
			up:        with.act((*migrate.Migrate).Up),
			down:      with.act(func(m *migrate.Migrate) error { return m.Steps(-1) }),
			version:   number,
			failed:    func(m migration) string { return number(m) + " up" },
			guarantee: around, // the file runs outside the transactions of the marks
			resume:    "nothing",
			locks:     func(t target) bool { return t.name != "sqlite" },
		}
	}
	return []subject{
		standard(migrateInstance).as(tool, module, "WithInstance"),
		standard(migrateMulti).as(tool, module, "MultiStatementEnabled", "pq", "pgx"),
		standard(migrateNoTx).as(tool, module, "NoTxWrap", "sqlite"),
		{tool, module, "Steps, Migrate, Force, Down, Drop", nil, migrateCommands, "that it was Drop which dropped the tables: told as DDL of no tool"},
	}
}

// migrateCommands are the uses beside Up.
func migrateCommands(t target) []step {
	of := func(ms []migration, do func(*migrate.Migrate) error) func(context.Context, target, *sql.DB) error {
		return func(ctx context.Context, t target, db *sql.DB) error {
			return migrateDriver(migrateInstance).act(do)(ctx, t, db, ms)
		}
	}
	line := func(words string) string { return "golang-migrate " + words + " around" }
	applied := func(words string) string { return line(words + " applied") }
	steps := []step{
		{name: "two steps", do: of(three, func(m *migrate.Migrate) error { return m.Steps(2) }), want: []string{applied("1 up"), applied("2 up")}},
		{name: "go to 3", do: of(three, func(m *migrate.Migrate) error { return m.Migrate(3) }), want: []string{applied("3 up")}},
		{name: "go to 1", do: of(three, func(m *migrate.Migrate) error { return m.Migrate(1) }), want: []string{applied("3 down"), applied("2 down")}},
		{name: "all down", do: of(three, (*migrate.Migrate).Down), want: []string{applied("1 down")}},
		{name: "up to a failure", do: of(four, (*migrate.Migrate).Up), want: []string{applied("1 up"), applied("2 up"), applied("3 up"), line("4 up failed")}},
		{name: "force", do: of(four, func(m *migrate.Migrate) error { return m.Force(3) }), want: []string{"golang-migrate 3 unknown forced " + inTx(t)}},
		{name: "version", do: of(four, func(m *migrate.Migrate) error { _, _, err := m.Version(); return err })},
		{name: "drop", do: of(four, (*migrate.Migrate).Drop), want: []string{ddl}},
	}
	return steps
}

// migrateDriver makes golang-migrate's driver for a database.
type migrateDriver func(target, *sql.DB) (database.Driver, error)

func (with migrateDriver) act(do func(*migrate.Migrate) error) act {
	return func(_ context.Context, t target, db *sql.DB, ms []migration) error {
		src, err := iofs.New(paired(ms, func(m migration, direction string) string {
			return fmt.Sprintf("%d_%s.%s.sql", m.id, m.name, direction)
		}), ".")
		if err != nil {
			return err
		}
		drv, err := with(t, db)
		if err != nil {
			return err
		}
		m, err := migrate.NewWithInstance("iofs", src, "db", drv)
		if err != nil {
			return err
		}
		err = do(m)
		if errors.Is(err, migrate.ErrNoChange) {
			err = nil
		}
		srcErr, dbErr := m.Close()
		return errors.Join(err, srcErr, dbErr)
	}
}

func migrateInstance(t target, db *sql.DB) (database.Driver, error) {
	switch t.name {
	case "pq":
		return postgres.WithInstance(db, &postgres.Config{})
	case "pgx":
		return migratepgx.WithInstance(db, &migratepgx.Config{})
	case "mariadb":
		return mysql.WithInstance(db, &mysql.Config{})
	}
	return sqlite.WithInstance(db, &sqlite.Config{})
}

func migrateMulti(t target, db *sql.DB) (database.Driver, error) {
	if t.name == "pgx" {
		return migratepgx.WithInstance(db, &migratepgx.Config{MultiStatementEnabled: true, MultiStatementMaxSize: migratepgx.DefaultMultiStatementMaxSize})
	}
	return postgres.WithInstance(db, &postgres.Config{MultiStatementEnabled: true, MultiStatementMaxSize: postgres.DefaultMultiStatementMaxSize})
}

func migrateNoTx(_ target, db *sql.DB) (database.Driver, error) {
	return sqlite.WithInstance(db, &sqlite.Config{NoTxWrap: true})
}
