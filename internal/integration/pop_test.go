package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/gobuffalo/pop/v6"
	"github.com/gobuffalo/pop/v6/logging"
)

func popSubjects() []subject {
	const tool, module = "pop", "github.com/gobuffalo/pop/v6"
	pop.SetLogger(func(logging.Level, string, ...any) {})
	d := drive{
		up:      popDo(pop.MigrationBox.Up),
		down:    popDo(func(m pop.MigrationBox) error { return m.Down(1) }),
		version: migration.padded,
		failed:  func(m migration) string { return m.padded() + " unknown" },
		locks:   never,
	}
	// Its SQLite dialect wants another driver, which is written in C.
	return []subject{d.as(tool, module, "MigrationBox", "pq", "pgx", "mariadb")}
}

// popNames counts the driver names that popDo has made.
var popNames atomic.Int64

// popDo gives pop the name of a driver, because it opens the database itself.
func popDo(do func(pop.MigrationBox) error) act {
	return func(_ context.Context, t target, db *sql.DB, ms []migration) error {
		name := fmt.Sprintf("pop-%d", popNames.Add(1))
		sql.Register(name, db.Driver())
		details := &pop.ConnectionDetails{Dialect: string(t.dialect), Driver: name, URL: t.dsn}
		if t.name == "mariadb" {
			details.URL = "mysql://" + t.dsn
		}
		conn, err := pop.NewConnection(details)
		if err != nil {
			return err
		}
		if err := conn.Open(); err != nil {
			return err
		}
		box, err := pop.NewMigrationBox(paired(ms, func(m migration, direction string) string {
			return fmt.Sprintf("%s_%s.%s.sql", m.padded(), m.name, direction)
		}), conn)
		if err == nil {
			err = do(box)
		}
		return errors.Join(err, conn.Close())
	}
}
