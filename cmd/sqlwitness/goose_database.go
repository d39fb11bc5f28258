package main

import (
	"errors"
	"fmt"

	"github.com/pressly/goose/v3"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// gooseDrivers are the registered drivers that goose opens for its own names.
var gooseDrivers = map[string]string{
	"postgres": "pgx", "pgx": "pgx", "redshift": "pgx",
	"mysql": "mysql", "tidb": "mysql", "starrocks": "mysql",
	"sqlite3": "sqlite", "sqlite": "sqlite",
}

// database is the driver to open and its DSN, as goose makes them of DRIVER and
// DBSTRING. It sets goose's dialect.
func (a *gooseArguments) database() (driver, dsn string, err error) {
	name, dsn := a.rest[0], a.rest[1]
	driver, ok := gooseDrivers[name]
	if !ok { // the name is not repeated: it may be the DBSTRING, put first
		return "", "", errors.New("DRIVER is none that is built into sqlwitness; it has postgres, pgx, redshift, mysql, tidb, starrocks, sqlite3 and sqlite")
	}
	if err := goose.SetDialect(name); err != nil {
		return "", "", err
	}
	if name == "mysql" { // and not its relatives: as goose does
		dsn, err = a.mysqlDSN(dsn)
	}
	return driver, dsn, err
}

// gooseTLS is the name that goose gives the TLS configuration made of files.
const gooseTLS = "custom"

// mysqlDSN asks for times, which goose scans, and for TLS if files were named.
func (a *gooseArguments) mysqlDSN(dsn string) (string, error) {
	if a.certFile != "" {
		files := tlsFiles{ca: a.certFile, cert: a.sslCert, key: a.sslKey}
		if err := files.register(gooseTLS); err != nil {
			return "", fmt.Errorf("-certfile, -ssl-cert, -ssl-key: %w", err)
		}
	}
	cfg, err := parseMySQL(dsn)
	if err != nil {
		return "", fmt.Errorf("failed to normalize MySQL connection string: %w", err)
	}
	cfg.ParseTime = true
	if a.certFile != "" {
		cfg.TLSConfig = gooseTLS
	}
	return cfg.FormatDSN(), nil
}
