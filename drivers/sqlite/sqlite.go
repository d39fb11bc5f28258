// Package sqlite registers modernc.org/sqlite as "witness+sqlite" on the default
// witness. Import it for that effect alone:
//
//	import _ "github.com/sqlwitness/sqlwitness/drivers/sqlite"
package sqlite

import (
	"database/sql"

	_ "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness"
)

// The registered driver itself is wrapped, not a new one: functions and hooks
// that the program registers with modernc.org/sqlite live in it.
func init() {
	db, err := sql.Open("sqlite", "")
	if err != nil {
		return // not registered: sql.Open("witness+sqlite") says so
	}
	defer db.Close()
	sqlwitness.RegisterDefault("sqlite", db.Driver())
}
