package recipes

import (
	"context"
	"database/sql"
	"io/fs"

	"github.com/pressly/goose/v3"
)

func gooseProvider(ctx context.Context, db *sql.DB, migrations fs.FS) error {
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

func gooseGlobal(ctx context.Context, db *sql.DB, migrations fs.FS) error {
	goose.SetBaseFS(migrations)
	if err := goose.SetDialect("postgres"); err != nil { // the dialect, not the driver's name
		return err
	}
	return goose.UpContext(ctx, db, ".")
}
