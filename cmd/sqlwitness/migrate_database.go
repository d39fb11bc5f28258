package main

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/database/mysql"
	pgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/golang-migrate/migrate/v4/database/sqlite"
	"github.com/golang-migrate/migrate/v4/source"
	_ "github.com/golang-migrate/migrate/v4/source/file"

	"github.com/sqlwitness/sqlwitness"
)

// newMigration opens source and database by their URLs, as migrate.New does,
// but the database through a witness: golang-migrate opens it by a driver name of
// its own.
func newMigration(w *sqlwitness.Witness, sourceURL, databaseURL string) (*migrate.Migrate, error) {
	sourceName, err := schemeOf(sourceURL)
	if err != nil {
		return nil, fmt.Errorf("failed to parse scheme from source URL: %w", err)
	}
	name, err := schemeOf(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("failed to parse scheme from database URL: %w", err)
	}
	open := migrateDatabases[name]
	if open == nil {
		return nil, fmt.Errorf("failed to open database: %s:// is not built into sqlwitness; it has %s", name,
			strings.Join(slices.Sorted(maps.Keys(migrateDatabases)), ", "))
	}
	// The URL of another source may hold a token, and a driver's error the URL.
	if sourceName != "file" {
		return nil, fmt.Errorf("failed to open source: %s:// is not built into sqlwitness; it has file", sourceName)
	}
	files, err := source.Open(sourceURL)
	if err != nil {
		return nil, fmt.Errorf("failed to open source, %q: %w", sourceURL, err)
	}
	d, err := open(w, databaseURL)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("failed to open database: %w", err), files.Close())
	}
	return migrate.NewWithInstance(sourceName, files, name, d)
}

func schemeOf(address string) (string, error) {
	if address == "" {
		return "", errors.New("URL cannot be empty")
	}
	scheme, _, ok := strings.Cut(address, ":")
	if !ok || scheme == "" {
		return "", errors.New("no scheme")
	}
	return scheme, nil
}

// sourceFolder is the folder that a file:// URL names; "" for any other.
func sourceFolder(address string) string {
	folder, ok := strings.CutPrefix(address, "file://")
	if !ok {
		return ""
	}
	return folder
}

// migrateDatabases open a database by golang-migrate's URL for it.
var migrateDatabases = map[string]func(*sqlwitness.Witness, string) (database.Driver, error){
	"postgres":   migratePostgres,
	"postgresql": migratePostgres,
	"pgx5":       migratePostgres,
	"mysql":      migrateMySQL,
	"sqlite":     migrateSQLite,
}

// migratePostgres opens by lib/pq or, for pgx5, by pgx. The database's name keeps
// the slash of the URL's path: it goes into the key of the advisory lock, which
// has to be the same as the migrate command's.
func migratePostgres(w *sqlwitness.Witness, address string) (database.Driver, error) {
	u, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	p := xParameters{Values: u.Query()}
	cfg := postgres.Config{
		DatabaseName:          u.Path,
		MigrationsTable:       p.Get("x-migrations-table"),
		MigrationsTableQuoted: p.flag("x-migrations-table-quoted"),
		StatementTimeout:      time.Duration(p.number("x-statement-timeout")) * time.Millisecond,
		MultiStatementEnabled: p.flag("x-multi-statement"),
		MultiStatementMaxSize: p.number("x-multi-statement-max-size"),
	}
	if cfg.MultiStatementMaxSize <= 0 {
		cfg.MultiStatementMaxSize = postgres.DefaultMultiStatementMaxSize
	}
	if t := cfg.MigrationsTable; cfg.MigrationsTableQuoted && t != "" && (!strings.HasPrefix(t, `"`) || !strings.HasSuffix(t, `"`)) {
		return nil, fmt.Errorf(`x-migrations-table is %s and must be quoted, as x-migrations-table-quoted says: "schema"."table"`, t)
	}
	if p.err != nil {
		return nil, p.err
	}
	if u.Scheme == "pgx5" {
		u.Scheme = "postgres"
		return over(w, "pgx", migrate.FilterCustomQuery(u).String(), func(db *sql.DB) (database.Driver, error) {
			return pgx.WithInstance(db, &pgx.Config{
				DatabaseName: cfg.DatabaseName, MigrationsTable: cfg.MigrationsTable, MigrationsTableQuoted: cfg.MigrationsTableQuoted,
				StatementTimeout: cfg.StatementTimeout, MultiStatementEnabled: cfg.MultiStatementEnabled, MultiStatementMaxSize: cfg.MultiStatementMaxSize,
			})
		})
	}
	return over(w, "postgres", migrate.FilterCustomQuery(u).String(), func(db *sql.DB) (database.Driver, error) {
		return postgres.WithInstance(db, &cfg)
	})
}

// migrateMySQL reads a URL that is a DSN with a scheme before it. User and
// password are percent-encoded in it, and plain in a DSN.
func migrateMySQL(w *sqlwitness.Witness, address string) (database.Driver, error) {
	query := ""
	if i := strings.LastIndex(address, "?"); i >= 0 { // a password may hold one
		query = address[i+1:]
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("what follows the ? cannot be read as parameters")
	}
	p := xParameters{Values: values}
	cfg := mysql.Config{
		MigrationsTable:  p.Get("x-migrations-table"),
		NoLock:           p.flag("x-no-lock"),
		StatementTimeout: time.Duration(p.number("x-statement-timeout")) * time.Millisecond,
	}
	files := tlsFiles{ca: p.Get("x-tls-ca"), cert: p.Get("x-tls-cert"), key: p.Get("x-tls-key"), trustAnybody: p.flag("x-tls-insecure-skip-verify")}
	if p.err != nil {
		return nil, p.err
	}
	if name := p.Get("tls"); files.ca != "" && !isDriversTLS(name) {
		if err := files.register(name); err != nil {
			return nil, fmt.Errorf("x-tls-…: %w", err)
		}
	}
	dsn, err := parseMySQL(strings.TrimPrefix(address, "mysql://"))
	if err != nil {
		return nil, fmt.Errorf("%w (golang-migrate takes mysql://user:password@tcp(host:port)/database)", err)
	}
	dsn.MultiStatements = true // a migration's file is sent whole
	maps.DeleteFunc(dsn.Params, func(name, _ string) bool { return strings.HasPrefix(name, "x-") })
	user, err1 := url.QueryUnescape(dsn.User)
	password, err2 := url.QueryUnescape(dsn.Passwd)
	if err1 != nil || err2 != nil {
		return nil, errors.New("user and password must be percent-encoded in a URL")
	}
	dsn.User, dsn.Passwd = user, password
	cfg.DatabaseName = dsn.DBName
	return over(w, "mysql", dsn.FormatDSN(), func(db *sql.DB) (database.Driver, error) {
		return mysql.WithInstance(db, &cfg)
	})
}

// isDriversTLS tells the values of tls that the MySQL driver has a meaning for; files
// are not looked at then.
func isDriversTLS(name string) bool {
	switch strings.ToLower(name) {
	case "", "1", "0", "true", "false", "skip-verify", "preferred":
		return true
	}
	return false
}

func migrateSQLite(w *sqlwitness.Witness, address string) (database.Driver, error) {
	u, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	p := xParameters{Values: u.Query()}
	cfg := sqlite.Config{DatabaseName: u.Path, MigrationsTable: p.Get("x-migrations-table"), NoTxWrap: p.flag("x-no-tx-wrap")}
	if p.err != nil {
		return nil, p.err
	}
	file := strings.TrimPrefix(migrate.FilterCustomQuery(u).String(), "sqlite://")
	return over(w, "sqlite", file, func(db *sql.DB) (database.Driver, error) {
		return sqlite.WithInstance(db, &cfg)
	})
}

// over opens a database and gives it to golang-migrate's driver, which closes it.
func over(w *sqlwitness.Witness, parent, dsn string, with func(*sql.DB) (database.Driver, error)) (database.Driver, error) {
	db, err := w.Open(parent, dsn)
	if err != nil {
		return nil, err
	}
	d, err := with(db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// tcpAddress is the address of a MySQL server in the form that its driver and
// golang-migrate's URLs have.
var tcpAddress = regexp.MustCompile(`@tcp\(([^()]*)\)/`)

// parseURL is url.Parse without the URL, which may hold a password, in its error.
func parseURL(address string) (*url.URL, error) {
	u, err := url.Parse(tcpAddress.ReplaceAllString(address, "@$1/"))
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return nil, e.Err
	}
	return u, err
}

// xParameters are golang-migrate's own parameters of a URL. The first one that
// does not hold is the error.
type xParameters struct {
	url.Values
	err error
}

func (p *xParameters) flag(name string) (on bool) {
	p.parse(name, "true or false", func(s string) (err error) { on, err = strconv.ParseBool(s); return err })
	return on
}

func (p *xParameters) number(name string) (n int) {
	p.parse(name, "a number", func(s string) (err error) { n, err = strconv.Atoi(s); return err })
	return n
}

func (p *xParameters) parse(name, want string, set func(string) error) {
	s := p.Get(name)
	if s != "" && set(s) != nil && p.err == nil {
		p.err = fmt.Errorf("%s is %q, which is not %s", name, s, want)
	}
}
