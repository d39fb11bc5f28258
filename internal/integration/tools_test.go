package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"testing/fstest"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/pressly/goose/v3"
)

// tool is a migration tool, driven as its documentation says.
type tool struct {
	name  string
	files fstest.MapFS // three good migrations and a fourth that fails
	// steps by name; each returns the tool's own error.
	up   func(context.Context, target, *sql.DB, fs.FS) error
	down func(context.Context, target, *sql.DB, fs.FS) error
}

var tools = []tool{
	{"goose", gooseFiles, gooseUp, gooseDown},
	{"golang-migrate", migrateFiles, migrateUp, migrateDown},
}

var gooseFiles = fstest.MapFS{
	"00001_users.sql":  {Data: []byte("-- +goose Up\nCREATE TABLE users (id bigint, email varchar(100));\n-- +goose Down\nDROP TABLE users;\n")},
	"00002_orders.sql": {Data: []byte("-- +goose Up\nCREATE TABLE orders (id bigint, user_id bigint);\nCREATE INDEX idx_orders ON orders (user_id);\n-- +goose Down\nDROP TABLE orders;\n")},
	"00003_seed.sql":   {Data: []byte("-- +goose Up\nINSERT INTO users (id, email) VALUES (1, 'a@example.test'), (2, 'b@example.test');\n-- +goose Down\nDELETE FROM users;\n")},
	"00004_broken.sql": {Data: []byte("-- +goose Up\nINSERT INTO users (id, email) VALUES (3, 'c@example.test');\nCREATE TABEL oops (id bigint);\n")},
}

var migrateFiles = fstest.MapFS{
	"1_users.up.sql":    {Data: []byte("CREATE TABLE users (id bigint, email varchar(100));\n")},
	"1_users.down.sql":  {Data: []byte("DROP TABLE users;\n")},
	"2_orders.up.sql":   {Data: []byte("CREATE TABLE orders (id bigint, user_id bigint);\nCREATE INDEX idx_orders ON orders (user_id);\n")},
	"2_orders.down.sql": {Data: []byte("DROP TABLE orders;\n")},
	"3_seed.up.sql":     {Data: []byte("INSERT INTO users (id, email) VALUES (1, 'a@example.test'), (2, 'b@example.test');\n")},
	"3_seed.down.sql":   {Data: []byte("DELETE FROM users;\n")},
	"4_broken.up.sql":   {Data: []byte("INSERT INTO users (id, email) VALUES (3, 'c@example.test');\nCREATE TABEL oops (id bigint);\n")},
	"4_broken.down.sql": {Data: []byte("SELECT 1;\n")},
}

func gooseProvider(t target, db *sql.DB, files fs.FS) (*goose.Provider, error) {
	return goose.NewProvider(t.dialect, db, files)
}

func gooseUp(ctx context.Context, t target, db *sql.DB, files fs.FS) error {
	p, err := gooseProvider(t, db, files)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

func gooseDown(ctx context.Context, t target, db *sql.DB, files fs.FS) error {
	p, err := gooseProvider(t, db, files)
	if err != nil {
		return err
	}
	_, err = p.Down(ctx)
	return err
}

func withMigrate(t target, db *sql.DB, files fs.FS, do func(*migrate.Migrate) error) error {
	src, err := iofs.New(files, ".")
	if err != nil {
		return err
	}
	drv, err := t.migrate(db)
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
	if err == nil && (srcErr != nil || dbErr != nil) {
		err = fmt.Errorf("close: source: %v, database: %v", srcErr, dbErr)
	}
	return err
}

func migrateUp(_ context.Context, t target, db *sql.DB, files fs.FS) error {
	return withMigrate(t, db, files, (*migrate.Migrate).Up)
}

func migrateDown(_ context.Context, t target, db *sql.DB, files fs.FS) error {
	return withMigrate(t, db, files, func(m *migrate.Migrate) error { return m.Steps(-1) })
}
