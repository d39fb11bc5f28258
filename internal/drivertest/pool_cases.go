package drivertest

import (
	"database/sql"
	"database/sql/driver"

	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

func poolCases() []testCase {
	return []testCase{
		{
			name: "connector closed",
			rule: "DB.Close closes a connector that is an io.Closer, once, and its error is the driver's own",
			play: func(p *play) {
				p.fake.Next("Connector.Close", fakedb.Fault{Err: &fakedb.Error{Text: "not closed"}})
				p.exec(p.db, "INSERT")
			},
		},
		{
			name: "session reset",
			rule: "a connection's session is reset each time that it is used again, and not before its first use",
			play: func(p *play) {
				for range 3 {
					p.exec(p.db, "INSERT")
				}
			},
		},
		{
			name: "session reset that fails",
			rule: "a connection whose session cannot be reset is dropped if the error is driver.ErrBadConn, and else used",
			play: func(p *play) {
				p.exec(p.db, "INSERT")
				for _, err := range []error{driver.ErrBadConn, &fakedb.Error{Text: "not reset"}} {
					p.fake.Next("Conn.ResetSession", fakedb.Fault{Err: err})
					p.exec(p.db, "INSERT")
				}
			},
		},
		{
			name: "connection that is not valid",
			rule: "a connection whose Validator says no is closed and not used again",
			play: func(p *play) {
				p.exec(p.db, "BREAK")
				p.exec(p.db, "INSERT")
				p.query(p.db, "SELECT")
			},
		},
		{
			name: "connections closed",
			rule: "a connection that the pool has no place for is closed once",
			play: func(p *play) {
				p.db.SetMaxIdleConns(-1)
				p.exec(p.db, "INSERT")
				p.conn(func(c *sql.Conn) { p.query(c, "SELECT") })
			},
		},
	}
}
