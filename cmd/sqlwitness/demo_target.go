package main

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	migratemysql "github.com/golang-migrate/migrate/v4/database/mysql"
	"github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/golang-migrate/migrate/v4/database/sqlite"
	"github.com/pressly/goose/v3"

	"github.com/sqlwitness/sqlwitness/audit"

	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"
)

//go:embed migrations
var migrations embed.FS

// demoTarget is the database that the demo migrates: its own, gone at the end.
type demoTarget struct {
	parent  string // the driver that the witness wraps
	system  string // what it is a driver for
	dsn     string
	where   string // for the reader; without a password
	folder  string
	dialect goose.Dialect
	audit   string // the table of audit entries; "" where they would go into somebody's own
	locks   bool   // tools take an advisory lock here
	migrate func(*sql.DB) (database.Driver, error)
	remove  func() error
}

// files is a folder of the target's migrations.
func (t *demoTarget) files(tool string) (fs.FS, error) {
	return fs.Sub(migrations, "migrations/"+t.folder+"/"+tool)
}

// target makes the database for a URL; a SQLite file for "".
func target(ctx context.Context, dsn string) (*demoTarget, error) {
	if dsn == "" {
		return sqliteTarget()
	}
	u, err := parseURL(dsn)
	if err != nil {
		return nil, errors.New("-dsn is no URL; it looks like postgres://user@host/db or mysql://user@host/db") // the parser's error would show the password
	}
	switch u.Scheme {
	case "postgres", "postgresql":
		return postgresTarget(ctx, u)
	case "mysql", "mariadb":
		return mysqlTarget(ctx, u)
	}
	return nil, errors.New("-dsn must begin with postgres:// or mysql://")
}

func sqliteTarget() (*demoTarget, error) {
	dir, err := os.MkdirTemp("", "sqlwitness-demo-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "demo.db")
	return &demoTarget{
		parent: "sqlite", system: "sqlite", dsn: path, where: "SQLite, " + path, folder: "sqlite", dialect: goose.DialectSQLite3, audit: "sqlwitness_entry",
		migrate: func(db *sql.DB) (database.Driver, error) { return sqlite.WithInstance(db, &sqlite.Config{}) },
		remove:  func() error { return os.RemoveAll(dir) },
	}, nil
}

// demoName is a database name that nobody else has.
func demoName() string {
	return "sqlwitness_demo_" + strconv.Itoa(os.Getpid()) + "_" + strconv.FormatInt(time.Now().UnixMilli(), 36)
}

func postgresTarget(ctx context.Context, u *url.URL) (*demoTarget, error) {
	admin, name := u.String(), demoName()
	if err := execOn(ctx, "postgres", admin, "CREATE DATABASE "+name); err != nil {
		return nil, fmt.Errorf("make the demo's own database: %w", err)
	}
	own := *u
	own.Path = "/" + name
	return &demoTarget{
		parent: "postgres", system: "postgresql", dsn: own.String(), where: "PostgreSQL, " + own.Host + own.Path, folder: "postgres", dialect: goose.DialectPostgres,
		audit: "sqlwitness.entry", locks: true,
		migrate: func(db *sql.DB) (database.Driver, error) { return postgres.WithInstance(db, &postgres.Config{}) },
		remove: func() error {
			return execOn(context.WithoutCancel(ctx), "postgres", admin, "DROP DATABASE "+name+" WITH (FORCE)")
		},
	}, nil
}

func mysqlTarget(ctx context.Context, u *url.URL) (*demoTarget, error) {
	cfg, err := mysqlConfig(u)
	if err != nil {
		return nil, fmt.Errorf("-dsn: %w", err)
	}
	cfg.MultiStatements, cfg.ParseTime = true, true
	admin, name := cfg.FormatDSN(), demoName()
	// The audit trail has a database of its own, one for the server. Nothing can be
	// taken out of one that is there.
	had, err := queryOn(ctx, "mysql", admin, "SELECT schema_name FROM information_schema.schemata WHERE schema_name = 'sqlwitness'")
	if err != nil {
		return nil, err
	}
	if err := execOn(ctx, "mysql", admin, "CREATE DATABASE "+name); err != nil {
		return nil, fmt.Errorf("make the demo's own database: %w", err)
	}
	cfg.DBName = name
	entries := "sqlwitness.entry"
	if len(had) > 0 {
		entries = ""
	}
	return &demoTarget{
		parent: "mysql", system: "mysql", dsn: cfg.FormatDSN(), where: "MySQL or MariaDB, " + cfg.Addr + "/" + name, folder: "mysql", dialect: goose.DialectMySQL,
		audit: entries, locks: true,
		migrate: func(db *sql.DB) (database.Driver, error) {
			return migratemysql.WithInstance(db, &migratemysql.Config{})
		},
		remove: func() error {
			drops := []string{"DROP DATABASE " + name}
			if len(had) == 0 {
				drops = append(drops, "DROP DATABASE IF EXISTS sqlwitness")
			}
			return execOn(context.WithoutCancel(ctx), "mysql", admin, drops...)
		},
	}, nil
}

func execOn(ctx context.Context, driver, dsn string, statements ...string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// verifyOn checks the audit trail that the demo has left.
func verifyOn(ctx context.Context, t *demoTarget) (*audit.Report, error) {
	db, err := sql.Open(t.parent, t.dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return audit.Verify(ctx, db, t.system, audit.VerifyConfig{})
}

func queryOn(ctx context.Context, driver, dsn, query string) ([]string, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}
