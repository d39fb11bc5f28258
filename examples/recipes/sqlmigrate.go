package recipes

import (
	"context"
	"database/sql"

	migrate "github.com/rubenv/sql-migrate"
)

func sqlMigrate(ctx context.Context, db *sql.DB, migrations migrate.MigrationSource) error {
	_, err := migrate.ExecContext(ctx, db, "postgres", migrations, migrate.Up) // the dialect, not the driver's name
	return err
}
