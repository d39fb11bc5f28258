package recipes

import (
	"context"
	"database/sql"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/migrate"
)

func bunMigrate(ctx context.Context, db *sql.DB, migrations *migrate.Migrations) error {
	m := migrate.NewMigrator(bun.NewDB(db, pgdialect.New()), migrations, migrate.WithMarkAppliedOnSuccess(true))
	if err := m.Init(ctx); err != nil {
		return err
	}
	_, err := m.Migrate(ctx)
	return err
}
