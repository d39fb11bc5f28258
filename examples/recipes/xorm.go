package recipes

import (
	"database/sql"

	"xorm.io/xorm"
	"xorm.io/xorm/core"
	"xorm.io/xorm/dialects"
	"xorm.io/xorm/schemas"
)

func xormEngine(db *sql.DB) (*xorm.Engine, error) {
	dialect := dialects.QueryDialect(schemas.POSTGRES)
	if err := dialect.Init(&dialects.URI{DBType: schemas.POSTGRES}); err != nil {
		return nil, err
	}
	return xorm.NewEngineWithDialectAndDB("postgres", "", dialect, core.FromDB(db))
}
