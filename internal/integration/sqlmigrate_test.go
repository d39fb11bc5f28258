package integration

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"

	sqlmigrate "github.com/rubenv/sql-migrate"
)

func sqlMigrateSubjects() []subject {
	const tool, module = "sql-migrate", "github.com/rubenv/sql-migrate"
	do := func(annotation string, direction sqlmigrate.MigrationDirection, limit int) act {
		return func(ctx context.Context, t target, db *sql.DB, ms []migration) error {
			files := annotated(ms, "-- +migrate Up"+annotation, "-- +migrate Down"+annotation)
			dialect := map[string]string{"postgres": "postgres", "pgx": "postgres", "mysql": "mysql", "sqlite": "sqlite3"}[t.driver]
			_, err := sqlmigrate.ExecMaxContext(ctx, db, dialect, sqlmigrate.HttpFileSystemMigrationSource{FileSystem: http.FS(files)}, direction, limit)
			return err
		}
	}
	standard := func(annotation string) drive {
		return drive{
			up:      do(annotation, sqlmigrate.Up, 0),
			down:    do(annotation, sqlmigrate.Down, 1),
			version: func(m migration) string { return fmt.Sprintf("%s_%s.sql", m.padded(), m.name) },
			failed:  nothing,
			locks:   never,
			ctx:     true,
		}
	}
	plain, outside := standard(""), standard(" notransaction")
	plain.late = true
	outside.guarantee = around
	outside.want = func(target) map[string][]string {
		return map[string][]string{"cancelled": {tool + " 00001_users.sql up applied around"}}
	}
	alone := outside.as(tool, module, "notransaction")
	alone.unseen += loneWrite
	return []subject{plain.as(tool, module, "ExecContext"), alone}
}
