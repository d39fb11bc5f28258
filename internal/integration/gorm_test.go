package integration

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/go-gormigrate/gormigrate/v2"
	gormmysql "gorm.io/driver/mysql"
	gormpostgres "gorm.io/driver/postgres"
	gormsqlite "gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

func gormigrateSubjects() []subject {
	const tool, module = "gormigrate", "github.com/go-gormigrate/gormigrate/v2"
	standard := func(options gormigrate.Options) drive {
		return drive{
			up:      gormigrateDo(options, (*gormigrate.Gormigrate).Migrate),
			down:    gormigrateDo(options, (*gormigrate.Gormigrate).RollbackLast),
			version: gormigrateID,
			failed:  func(m migration) string { return gormigrateID(m) + " unknown" },
			locks:   never,
			ctx:     true,
		}
	}
	each := *gormigrate.DefaultOptions
	one := each
	one.UseTransaction = true
	apart := standard(each)
	apart.guarantee = around
	whole := standard(one)
	whole.late = true
	whole.want = wholeRun
	return []subject{
		apart.as(tool, module, "UseTransaction: false"),
		whole.as(tool, module, "UseTransaction: true"),
	}
}

// wholeRun is what is different where the whole run is one transaction.
func wholeRun(t target) map[string][]string {
	line := func(words ...string) []string {
		for i := range words {
			words[i] = "gormigrate " + words[i]
		}
		return words
	}
	switch t.name {
	case "mariadb": // has committed the first migration with its DDL
		return nil
	case "sqlite": // the tool reads in the transaction: nobody else may make the audit tables in the first run
		return map[string][]string{
			"up":        line("00001_users up applied none", "00002_orders up applied none", "00003_seed up applied none"),
			"cancelled": line("00001_users up failed none", "00002_slow unknown failed none"),
		}
	}
	return map[string][]string{"cancelled": line("00001_users up failed around", "00002_slow unknown failed around")}
}

func gormigrateID(m migration) string { return fmt.Sprintf("%s_%s", m.padded(), m.name) }

func gormigrateDo(options gormigrate.Options, do func(*gormigrate.Gormigrate) error) act {
	return func(ctx context.Context, t target, db *sql.DB, ms []migration) error {
		g, err := openGorm(t, db)
		if err != nil {
			return err
		}
		var list []*gormigrate.Migration
		for _, m := range ms {
			list = append(list, &gormigrate.Migration{ID: gormigrateID(m), Migrate: gormFunc(m.up), Rollback: gormFunc(m.down)})
		}
		return do(gormigrate.New(g.WithContext(ctx), &options, list))
	}
}

func gormFunc(statements []string) func(*gorm.DB) error {
	return func(tx *gorm.DB) error {
		for _, s := range statements {
			if err := tx.Exec(s).Error; err != nil {
				return err
			}
		}
		return nil
	}
}

// openGorm gives gorm a database that is open already, as its documentation says
// for a driver of another name.
func openGorm(t target, db *sql.DB) (*gorm.DB, error) {
	var d gorm.Dialector
	switch t.name {
	case "mariadb":
		d = gormmysql.New(gormmysql.Config{Conn: db})
	case "sqlite":
		d = gormsqlite.New(gormsqlite.Config{Conn: db})
	default:
		d = gormpostgres.New(gormpostgres.Config{Conn: db})
	}
	return gorm.Open(d, &gorm.Config{Logger: logger.Discard})
}

type gormUser struct {
	ID    int64
	Email string `gorm:"size:100"`
}

type gormOrder struct {
	ID     int64
	UserID int64 `gorm:"index"`
}

// gormAuto lets gorm find out for itself what is to be changed. There is no
// version: it is reported as DDL of no tool.
func gormAuto(target) []step {
	auto := func(models ...any) func(context.Context, target, *sql.DB) error {
		return func(ctx context.Context, t target, db *sql.DB) error {
			g, err := openGorm(t, db)
			if err != nil {
				return err
			}
			return g.WithContext(ctx).AutoMigrate(models...)
		}
	}
	return []step{
		{name: "first", do: auto(&gormUser{}, &gormOrder{}), want: []string{ddl}},
		{name: "again", do: auto(&gormUser{}, &gormOrder{})},
	}
}
