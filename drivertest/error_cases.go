package drivertest

import (
	"database/sql"
	"database/sql/driver"
	"fmt"

	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

func errorCases() []Case {
	return []Case{
		{
			Name: "errors",
			Rule: "an error is the driver's own value, neither wrapped nor copied: callers assert its type",
			play: func(p *play) {
				p.every(p.db, "FAIL no such table")
				p.prepared(p.db, "PREPARE FAIL syntax error")
			},
		},
		{
			Name: "error of a ping",
			Rule: "an error of Ping is the driver's own",
			play: func(p *play) {
				p.fake.Next("Conn.Ping", fakedb.Fault{Err: &fakedb.Error{Text: "no echo"}})
				p.do("ping", func() (any, error) { return nil, p.db.PingContext(p.ctx) })
			},
		},
		{
			Name: "error of connecting",
			Rule: "an error of Connect is the driver's own",
			play: func(p *play) {
				p.fake.Next("Connector.Connect", fakedb.Fault{Err: &fakedb.Error{Text: "no route to host"}})
				p.exec(p.db, "INSERT")
				p.exec(p.db, "INSERT")
			},
		},
		{
			Name: "error of closing",
			Rule: "an error of a connection's or a statement's Close is the driver's own",
			play: func(p *play) {
				p.fake.Next("Conn.Close", fakedb.Fault{Err: &fakedb.Error{Text: "not closed"}})
				p.fake.Next("Stmt.Close", fakedb.Fault{Err: &fakedb.Error{Text: "statement not closed"}})
				p.prepared(p.db, "INSERT")
			},
		},
		{
			Name: "skip where it is no answer",
			Rule: "driver.ErrSkip out of any other method than a fast path reaches the caller as it is",
			play: func(p *play) {
				fault := fakedb.Fault{Err: driver.ErrSkip}
				for _, m := range []string{"Conn.Ping", "Conn.Prepare", "Conn.PrepareContext", "Conn.Begin", "Conn.BeginTx", "Stmt.Exec", "Stmt.ExecContext", "Tx.Commit"} {
					p.fake.Next(m, fault)
				}
				p.do("ping", func() (any, error) { return nil, p.db.PingContext(p.ctx) })
				p.prepared(p.db, "INSERT")
				p.prepared(p.db, "INSERT")
				p.begin(p.ctx, p.db, nil, p.commit)
				p.begin(p.ctx, p.db, nil, p.commit)
			},
		},
		{
			Name: "bad connection",
			Rule: "driver.ErrBadConn reaches database/sql as it is: it closes the connection and tries as often as with the bare driver",
			play: func(p *play) {
				p.every(p.db, "BADCONN")
				p.every(p.db, "BADCONN 1")
				p.every(p.db, "BADCONN 2")
				p.prepared(p.db, "PREPARE BADCONN")
				p.prepared(p.db, "PREPARE BADCONN 1")
			},
		},
		{
			Name: "bad connection elsewhere",
			Rule: "driver.ErrBadConn out of Ping, Begin, Connect or Commit has the effect that it has with the bare driver",
			play: func(p *play) {
				fault := fakedb.Fault{Err: driver.ErrBadConn}
				for _, m := range []string{"Conn.Ping", "Conn.Begin", "Conn.BeginTx", "Tx.Commit", "Connector.Connect"} {
					p.fake.Next(m, fault)
				}
				for range 2 {
					p.do("ping", func() (any, error) { return nil, p.db.PingContext(p.ctx) })
					p.begin(p.ctx, p.db, nil, p.commit)
				}
			},
		},
		{
			Name: "bad connection wrapped",
			Rule: "a driver's error that wraps driver.ErrBadConn is not unwrapped: database/sql looks into it",
			play: func(p *play) {
				lose := func() {
					for _, m := range []string{"Conn.Exec", "Conn.ExecContext", "Stmt.Exec", "Stmt.ExecContext"} {
						p.fake.Next(m, fakedb.Fault{Err: fmt.Errorf("reset by peer: %w", driver.ErrBadConn)})
					}
				}
				lose()
				p.exec(p.db, "INSERT")
				lose()
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.exec(tx, "INSERT")
					p.rollback(tx)
				})
			},
		},
		{
			Name: "panic in exec",
			Rule: "a panic of the driver's reaches the caller, and leaves the connection as it would be",
			play: func(p *play) {
				p.exec(p.db, "PANIC out of cheese")
				p.exec(p.db, "INSERT")
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.exec(tx, "PANIC out of cheese")
					p.rollback(tx)
				})
			},
		},
		{
			Name: "panic in query",
			Rule: "a panic of the driver's reaches the caller",
			play: func(p *play) { p.query(p.db, "PANIC out of cheese") },
		},
		{
			Name: "panic in a prepared statement",
			Rule: "a panic of the driver's reaches the caller",
			play: func(p *play) {
				p.do("prepare", func() (any, error) {
					stmt, err := p.db.PrepareContext(p.ctx, "PANIC out of cheese")
					if err != nil {
						return nil, err
					}
					p.do("exec", func() (any, error) { _, err := stmt.ExecContext(p.ctx); return nil, err })
					return nil, nil
				})
			},
		},
		{
			Name: "panic in rows",
			Rule: "a panic of the driver's reaches the caller",
			play: func(p *play) { p.query(p.db, "ROWS 1 PANIC out of cheese") },
		},
	}
}
