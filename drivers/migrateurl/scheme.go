package migrateurl

import (
	"database/sql"
	"errors"
	"net/url"
	"strings"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/database/mysql"
	pgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/golang-migrate/migrate/v4/database/sqlite"

	"github.com/sqlwitness/sqlwitness"
)

func init() {
	database.Register(sqlwitness.Prefix+"postgres", scheme{&postgres.Postgres{}, openPostgres})
	database.Register(sqlwitness.Prefix+"postgresql", scheme{&postgres.Postgres{}, openPostgres})
	database.Register(sqlwitness.Prefix+"pgx5", scheme{&pgx.Postgres{}, openPgx})
	database.Register(sqlwitness.Prefix+"mysql", scheme{&mysql.Mysql{}, openMySQL})
	database.Register(sqlwitness.Prefix+"sqlite", scheme{&sqlite.Sqlite{}, openSQLite})
}

// scheme is what golang-migrate finds under a URL scheme. Only Open is ever
// called on it; what Open returns is golang-migrate's own driver.
type scheme struct {
	database.Driver
	open func(address string) (database.Driver, error)
}

func (s scheme) Open(address string) (database.Driver, error) {
	return s.open(strings.TrimPrefix(address, sqlwitness.Prefix))
}

// errURL stands in for what url.Parse says, which quotes what it stumbles over,
// the password as likely as anything.
var errURL = errors.New("migrateurl: the database URL cannot be read; user and password must be percent-encoded in it")

func parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errURL
	}
	return u, nil
}

// over opens the database and hands it to golang-migrate's driver, which closes
// it with itself.
func over(name, dsn string, with func(*sql.DB) (database.Driver, error)) (database.Driver, error) {
	db, err := sql.Open(sqlwitness.Prefix+name, dsn)
	if err != nil {
		return nil, err
	}
	d, err := with(db)
	if err != nil {
		_ = db.Close() // nobody else does, and the first error is the one that matters
		return nil, err
	}
	return d, nil
}
