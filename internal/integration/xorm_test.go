package integration

import (
	"context"
	"database/sql"

	"xorm.io/xorm"
	"xorm.io/xorm/core"
	"xorm.io/xorm/dialects"
	"xorm.io/xorm/migrate"
	"xorm.io/xorm/schemas"
)

func xormSubjects() []subject {
	const tool, module = "xorm", "xorm.io/xorm"
	d := drive{
		up:        xormDo((*migrate.Migrate).Migrate),
		down:      xormDo((*migrate.Migrate).RollbackLast),
		version:   gormigrateID,
		failed:    func(m migration) string { return gormigrateID(m) + " unknown" },
		guarantee: around,
		locks:     never,
	}
	return []subject{d.as(tool, module, "xorm.io/xorm/migrate")}
}

func xormDo(do func(*migrate.Migrate) error) act {
	return func(_ context.Context, t target, db *sql.DB, ms []migration) error {
		engine, err := openXorm(t, db)
		if err != nil {
			return err
		}
		var list []*migrate.Migration
		for _, m := range ms {
			list = append(list, &migrate.Migration{ID: gormigrateID(m), Migrate: xormFunc(m.up), Rollback: xormFunc(m.down)})
		}
		return do(migrate.New(engine, &migrate.Options{TableName: "migrations", IDColumnName: "id"}, list))
	}
}

func xormFunc(statements []string) func(*xorm.Engine) error {
	return func(engine *xorm.Engine) error {
		for _, s := range statements {
			if _, err := engine.Exec(s); err != nil {
				return err
			}
		}
		return nil
	}
}

// openXorm gives xorm an open database and a dialect, which it would otherwise
// take from the driver's name and the DSN.
func openXorm(t target, db *sql.DB) (*xorm.Engine, error) {
	uri := &dialects.URI{DBType: schemas.POSTGRES}
	switch t.name {
	case "mariadb":
		uri.DBType = schemas.MYSQL
		if err := db.QueryRow("SELECT DATABASE()").Scan(&uri.DBName); err != nil {
			return nil, err
		}
	case "sqlite":
		uri.DBType = schemas.SQLITE
	}
	dialect := dialects.QueryDialect(uri.DBType)
	if err := dialect.Init(uri); err != nil {
		return nil, err
	}
	return xorm.NewEngineWithDialectAndDB(t.driver, "", dialect, core.FromDB(db))
}
