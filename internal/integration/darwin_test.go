package integration

import (
	"context"
	"database/sql"

	"github.com/GuiaBolso/darwin"
)

func darwinSubjects() []subject {
	const tool, module = "darwin", "github.com/GuiaBolso/darwin"
	d := drive{
		up:        darwinUp,
		version:   number,
		failed:    nothing,
		guarantee: around, // the mark has a transaction of its own
		locks:     never,
	}
	return []subject{d.as(tool, module, "Migrate")}
}

func darwinUp(_ context.Context, t target, db *sql.DB, ms []migration) error {
	var dialect darwin.Dialect = darwin.PostgresDialect{}
	switch t.name {
	case "mariadb":
		dialect = darwin.MySQLDialect{}
	case "sqlite":
		dialect = darwin.SqliteDialect{}
	}
	var list []darwin.Migration
	for _, m := range ms {
		list = append(list, darwin.Migration{Version: float64(m.id), Description: m.name, Script: text(m.up)})
	}
	return darwin.New(darwin.NewGenericDriver(db, dialect), list, nil).Migrate()
}
