package recipes

import (
	"database/sql"

	"github.com/go-gormigrate/gormigrate/v2"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	_ "github.com/sqlwitness/sqlwitness/drivers/pgx"
)

func gormConn(db *sql.DB) (*gorm.DB, error) {
	return gorm.Open(postgres.New(postgres.Config{Conn: db}), &gorm.Config{})
}

func gormDriverName(dsn string) (*gorm.DB, error) {
	return gorm.Open(postgres.New(postgres.Config{DriverName: "witness+pgx", DSN: dsn}), &gorm.Config{})
}

func gormMigrations(g *gorm.DB, migrations []*gormigrate.Migration) error {
	return gormigrate.New(g, gormigrate.DefaultOptions, migrations).Migrate()
}
