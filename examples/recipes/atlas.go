package recipes

import (
	"context"
	"database/sql"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/postgres"
)

func atlasExecute(ctx context.Context, db *sql.DB, dir migrate.Dir, revisions migrate.RevisionReadWriter) error {
	driver, err := postgres.Open(db)
	if err != nil {
		return err
	}
	ex, err := migrate.NewExecutor(driver, dir, revisions)
	if err != nil {
		return err
	}
	return ex.ExecuteN(ctx, 0)
}
