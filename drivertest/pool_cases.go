package drivertest

import (
	"database/sql"
	"database/sql/driver"

	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

func poolCases() []Case {
	return []Case{
		{
			Name:  "connector closed",
			Rule:  "DB.Close closes a connector that is an io.Closer, once, and its error is the driver's own",
			about: closing,
			play: func(p *play) {
				p.fake.Next("Connector.Close", fakedb.Fault{Err: &fakedb.Error{Text: "not closed"}})
				p.exec(p.db, "INSERT")
			},
		},
		{
			Name:  "session reset",
			Rule:  "a connection's session is reset each time that it is used again, and not before its first use",
			about: resets,
			play: func(p *play) {
				for range 2 {
					p.everyUse()
				}
			},
		},
		{
			Name:  "session reset that fails",
			Rule:  "a connection whose session cannot be reset is dropped if the error is driver.ErrBadConn, and else used",
			about: resets,
			play: func(p *play) {
				p.exec(p.db, "INSERT")
				for _, err := range []error{driver.ErrBadConn, &fakedb.Error{Text: "not reset"}} {
					p.fake.Next("Conn.ResetSession", fakedb.Fault{Err: err})
					p.exec(p.db, "INSERT")
				}
			},
		},
		{
			Name:  "connection that is not valid",
			Rule:  "a connection whose Validator says no is closed and not used again",
			about: validity,
			play: func(p *play) {
				p.exec(p.db, "BREAK")
				p.exec(p.db, "INSERT")
				p.everyUse()
			},
		},
		{
			Name: "connections closed",
			Rule: "a connection that the pool has no place for is closed once",
			play: func(p *play) {
				p.db.SetMaxIdleConns(-1)
				p.exec(p.db, "INSERT")
				p.conn(func(c *sql.Conn) { p.query(c, "SELECT") })
			},
		},
	}
}

// everyUse uses a connection, and gives it back, in each of the ways that there
// are.
func (p *play) everyUse() {
	p.every(p.db, "INSERT")
	p.do("ping", func() (any, error) { return nil, p.db.PingContext(p.ctx) })
	p.conn(func(c *sql.Conn) { p.exec(c, "INSERT") })
	p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) { p.exec(tx, "INSERT"); p.commit(tx) })
	p.begin(p.ctx, p.db, nil, p.rollback)
}
