package integration

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/migrate"
	"github.com/uptrace/bun/schema"
)

func bunSubjects() []subject {
	const tool, module = "bun", "github.com/uptrace/bun"
	standard := func(suffix string, options ...migrate.MigratorOption) drive {
		do := func(do func(*migrate.Migrator, context.Context) error) act {
			return bunDo(suffix, options, do)
		}
		return drive{
			up: do(func(m *migrate.Migrator, ctx context.Context) error {
				_, err := m.Migrate(ctx)
				return err
			}),
			down: do(func(m *migrate.Migrator, ctx context.Context) error {
				_, err := m.Rollback(ctx)
				return err
			}),
			version:   migration.padded,
			failed:    func(m migration) string { return m.padded() + " up" },
			guarantee: around, // the mark is outside the body's transaction
			locks:     never,  // it takes one, and does not wait for it
			ctx:       true,
			resume:    "nothing", // a failed migration is marked as applied
			want:      bunGroups,
		}
	}
	onSuccess := standard("", migrate.WithMarkAppliedOnSuccess(true))
	onSuccess.resume = ""
	onSuccess.failed = nothing
	onSuccess.want = func(t target) map[string][]string {
		want := bunGroups(t)
		want["cancelled"] = []string{"bun 00001 up applied around"}
		return want
	}
	late := onSuccess.as(tool, module, "WithMarkAppliedOnSuccess")
	late.unseen += loneWrite
	return []subject{
		standard("").as(tool, module, "Migrate, Rollback"),
		standard(".tx").as(tool, module, ".tx.up.sql"),
		late,
	}
}

// bunGroups is what is different because what was applied together is rolled
// back together.
func bunGroups(target) map[string][]string {
	return map[string][]string{
		"down":         {"bun 00003 down applied around", "bun 00002 down applied around", "bun 00001 down applied around"},
		"up once more": {"bun 00001 up applied around", "bun 00002 up applied around", "bun 00003 up applied around"},
	}
}

func bunDo(suffix string, options []migrate.MigratorOption, do func(*migrate.Migrator, context.Context) error) act {
	return func(ctx context.Context, t target, db *sql.DB, ms []migration) error {
		list := migrate.NewMigrations()
		if err := list.Discover(paired(ms, func(m migration, direction string) string {
			return m.padded() + "_" + m.name + suffix + "." + direction + ".sql"
		})); err != nil {
			return err
		}
		m := migrate.NewMigrator(bun.NewDB(db, bunDialect(t)), list, options...)
		if err := m.Init(ctx); err != nil {
			return err
		}
		if err := m.Lock(ctx); err != nil {
			return err
		}
		return errors.Join(do(m, ctx), m.Unlock(context.WithoutCancel(ctx)))
	}
}

func bunDialect(t target) schema.Dialect {
	switch t.name {
	case "mariadb":
		return mysqldialect.New()
	case "sqlite":
		return sqlitedialect.New()
	}
	return pgdialect.New()
}
