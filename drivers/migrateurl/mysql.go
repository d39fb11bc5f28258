package migrateurl

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	driver "github.com/go-sql-driver/mysql"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/database/mysql"

	_ "github.com/sqlwitness/sqlwitness/drivers/mysql"
)

func openMySQL(address string) (database.Driver, error) {
	dsn, p, err := mysqlDSN(address)
	if err != nil {
		return nil, err
	}
	cfg := mysql.Config{
		DatabaseName:     dsn.DBName,
		MigrationsTable:  p.Get("x-migrations-table"),
		NoLock:           p.flag("x-no-lock"),
		StatementTimeout: p.milliseconds("x-statement-timeout"),
	}
	if p.err != nil {
		return nil, p.err
	}
	return over("mysql", dsn.FormatDSN(), func(db *sql.DB) (database.Driver, error) {
		return mysql.WithInstance(db, &cfg)
	})
}

// mysqlDSN reads a URL that is a DSN with a scheme before it, and parts the x-
// parameters from the driver's. User and password are percent-encoded in a URL
// and plain in a DSN.
func mysqlDSN(address string) (*driver.Config, parameters, error) {
	address = strings.TrimPrefix(address, "mysql://")
	// What the errors of the first two quote comes after the password.
	credentials, rest := cut(address)
	if passwordIsNetwork(address) {
		return nil, parameters{}, errNoAt
	}
	if err := registerTLS(rest); err != nil {
		return nil, parameters{}, err
	}
	if _, err := driver.ParseDSN(rest); err != nil {
		return nil, parameters{}, fmt.Errorf("migrateurl: MySQL URL, after the password: %w", err)
	}
	dsn, err := driver.ParseDSN(credentials + rest)
	if err != nil {
		return nil, parameters{}, errURL
	}
	dsn.MultiStatements = true // a migration's file is sent whole
	if dsn.User, err = url.QueryUnescape(dsn.User); err != nil {
		return nil, parameters{}, errURL
	}
	if dsn.Passwd, err = url.QueryUnescape(dsn.Passwd); err != nil {
		return nil, parameters{}, errURL
	}
	p := parameters{Values: url.Values{}}
	maps.DeleteFunc(dsn.Params, func(name, value string) bool {
		own := strings.HasPrefix(name, "x-")
		if own {
			p.Set(name, value)
		}
		return own
	})
	return dsn, p, nil
}

// errNoAt comes before an error that would show the password.
var errNoAt = errors.New("migrateurl: MySQL URL: there is no @ between the password and the address, as in mysql://user:password@tcp(host:3306)/database")

// passwordIsNetwork tells a DSN whose @ was forgotten: the driver would take user and
// password for the name of the network.
func passwordIsNetwork(dsn string) bool {
	server := dsn[:max(0, strings.LastIndex(dsn, "/"))]
	network, _, _ := strings.Cut(server[strings.LastIndex(server, "@")+1:], "(")
	return strings.Contains(network, ":")
}

// cut parts a DSN after the @ that ends user and password, as the driver does.
func cut(dsn string) (credentials, rest string) {
	server, _, _ := strings.Cut(dsn, "?")
	end := strings.LastIndex(server, "@") + 1
	return dsn[:end], dsn[end:]
}
