package integration

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

func gooseSubjects() []subject {
	const tool, module = "goose", "github.com/pressly/goose/v3"
	standard := func(up, down act, locks func(target) bool) drive {
		return drive{up: up, down: down, version: number, failed: nothing, locks: locks, ctx: true}
	}
	provided := func(with provider, locks func(target) bool) drive {
		return standard(with.act((*goose.Provider).Up), with.act(gooseDown1), locks)
	}
	outside := provided(gooseOutsideTx, never)
	outside.guarantee = around
	global := standard(gooseGlobal(goose.UpContext), gooseGlobal(goose.DownContext), never)
	global.late = true
	return []subject{
		global.as(tool, module, "global functions"),
		provided(goosePlain, never).as(tool, module, "Provider"),
		provided(gooseSessionLocked, always).as(tool, module, "Provider, session locker", "pq", "pgx"),
		provided(gooseTableLocked, always).as(tool, module, "Provider, table locker", "pq", "pgx", "mariadb"),
		outside.as(tool, module, "Provider, NO TRANSACTION"),
		provided(gooseInGo, never).as(tool, module, "Provider, migrations in Go"),
	}
}

// provider makes a goose.Provider for the migrations.
type provider func(target, *sql.DB, []migration) (*goose.Provider, error)

func (make provider) act(do func(*goose.Provider, context.Context) ([]*goose.MigrationResult, error)) act {
	return func(ctx context.Context, t target, db *sql.DB, ms []migration) error {
		p, err := make(t, db, ms)
		if err != nil {
			return err
		}
		_, err = do(p, ctx)
		return err
	}
}

func gooseDown1(p *goose.Provider, ctx context.Context) ([]*goose.MigrationResult, error) {
	r, err := p.Down(ctx)
	return []*goose.MigrationResult{r}, err
}

func goosePlain(t target, db *sql.DB, ms []migration) (*goose.Provider, error) {
	return goose.NewProvider(t.dialect, db, annotated(ms, "-- +goose Up", "-- +goose Down"))
}

func gooseOutsideTx(t target, db *sql.DB, ms []migration) (*goose.Provider, error) {
	return goose.NewProvider(t.dialect, db, annotated(ms, "-- +goose NO TRANSACTION\n-- +goose Up", "-- +goose Down"))
}

func gooseSessionLocked(t target, db *sql.DB, ms []migration) (*goose.Provider, error) {
	l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(t.dialect, db, annotated(ms, "-- +goose Up", "-- +goose Down"), goose.WithSessionLocker(l))
}

func gooseTableLocked(t target, db *sql.DB, ms []migration) (*goose.Provider, error) {
	locker := lock.NewPostgresTableLocker
	if t.name == "mariadb" {
		locker = lock.NewMySQLTableLocker
	}
	l, err := locker(lock.WithTableLockTimeout(500*time.Millisecond, 60))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(t.dialect, db, annotated(ms, "-- +goose Up", "-- +goose Down"), goose.WithLocker(l))
}

// gooseInGo has the same migrations as functions.
func gooseInGo(t target, db *sql.DB, ms []migration) (*goose.Provider, error) {
	var list []*goose.Migration
	for _, m := range ms {
		list = append(list, goose.NewGoMigration(int64(m.id), gooseFunc(m.up), gooseFunc(m.down)))
	}
	return goose.NewProvider(t.dialect, db, nil, goose.WithGoMigrations(list...))
}

func gooseFunc(statements []string) *goose.GoFunc {
	return &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		for _, s := range statements {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return fmt.Errorf("in Go: %w", err)
			}
		}
		return nil
	}}
}

var gooseSettings sync.Mutex

// gooseGlobal uses goose's package-level functions, which keep their settings
// for the whole process: one test at a time may use them.
func gooseGlobal(do func(context.Context, *sql.DB, string, ...goose.OptionsFunc) error) act {
	return func(ctx context.Context, t target, db *sql.DB, ms []migration) error {
		gooseSettings.Lock()
		defer gooseSettings.Unlock()
		goose.SetLogger(goose.NopLogger())
		goose.SetBaseFS(annotated(ms, "-- +goose Up", "-- +goose Down"))
		defer goose.SetBaseFS(nil)
		if err := goose.SetDialect(string(t.dialect)); err != nil {
			return err
		}
		return do(ctx, db, ".")
	}
}
