package drivertest

import (
	"context"
	"database/sql"

	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

func txCases() []Case {
	return []Case{
		{
			Name:  "transaction",
			Rule:  "a transaction is begun, used and ended on one connection",
			basic: true,
			play: func(p *play) {
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.every(tx, "INSERT ?", 1)
					p.commit(tx)
					p.commit(tx)
					p.rollback(tx)
					p.exec(tx, "INSERT")
				})
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.exec(tx, "INSERT")
					p.rollback(tx)
					p.commit(tx)
				})
				p.conn(func(c *sql.Conn) {
					p.begin(p.ctx, c, nil, func(tx *sql.Tx) { p.commit(tx) })
				})
			},
		},
		{
			Name: "isolation level",
			Rule: "an isolation level reaches a driver with ConnBeginTx, and is refused for one without; it is never dropped",
			play: func(p *play) {
				for _, level := range []sql.IsolationLevel{sql.LevelSerializable, sql.LevelReadCommitted, sql.LevelDefault} {
					p.begin(p.ctx, p.db, &sql.TxOptions{Isolation: level}, p.commit)
				}
			},
		},
		{
			Name: "read-only transaction",
			Rule: "read-only reaches a driver with ConnBeginTx, and is refused for one without; it is never dropped",
			play: func(p *play) { p.begin(p.ctx, p.db, &sql.TxOptions{ReadOnly: true}, p.commit) },
		},
		{
			Name: "commit that fails",
			Rule: "an error of Commit or Rollback is the driver's own",
			play: func(p *play) {
				p.fake.Next("Tx.Commit", fakedb.Fault{Err: &fakedb.Error{Text: "not committed"}})
				p.fake.Next("Tx.Rollback", fakedb.Fault{Err: &fakedb.Error{Text: "not rolled back"}})
				p.begin(p.ctx, p.db, nil, p.commit)
				p.begin(p.ctx, p.db, nil, p.rollback)
			},
		},
		{
			Name: "begin that fails",
			Rule: "an error of Begin is the driver's own",
			play: func(p *play) {
				for range 2 {
					fault := fakedb.Fault{Err: &fakedb.Error{Text: "not begun"}}
					p.fake.Next("Conn.Begin", fault)
					p.fake.Next("Conn.BeginTx", fault)
				}
				p.begin(p.ctx, p.db, nil, p.commit)
				p.conn(func(c *sql.Conn) { p.begin(p.ctx, c, nil, p.commit) })
				p.begin(p.ctx, p.db, nil, p.commit)
			},
		},
		{
			Name: "statement in a transaction",
			Rule: "a failed statement does not end the transaction, and one prepared before can be used in it",
			play: func(p *play) {
				stmt, err := p.db.PrepareContext(p.ctx, "INSERT ?")
				p.do("prepare", func() (any, error) { return nil, err })
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.every(tx, "FAIL no such table")
					p.exec(tx, "INSERT ?", 1)
					if stmt != nil {
						p.do("exec prepared before", func() (any, error) {
							res, err := tx.StmtContext(p.ctx, stmt).ExecContext(p.ctx, 2)
							return p.result(res), err
						})
					}
					p.commit(tx)
				})
				if stmt != nil {
					p.do("close statement", func() (any, error) { return nil, stmt.Close() })
				}
			},
		},
		{
			Name: "transaction of a cancelled context",
			Rule: "a transaction whose context is cancelled is rolled back once, says so, and costs the connection only if it does with the bare driver",
			play: func(p *play) {
				ctx, cancel := context.WithCancel(p.ctx)
				p.begin(ctx, p.db, nil, func(tx *sql.Tx) {
					p.exec(tx, "INSERT")
					cancel()
					p.await("Tx.Rollback")
					p.settle()
					p.exec(tx, "INSERT")
					p.commit(tx)
					p.rollback(tx)
				})
				cancel()
				p.exec(p.db, "INSERT") // on the same connection, if that was kept
			},
		},
		{
			Name: "bad connection in a transaction",
			Rule: "driver.ErrBadConn in a transaction is the caller's to see and is not retried",
			play: func(p *play) {
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.exec(tx, "BADCONN")
					p.rollback(tx)
				})
				p.exec(p.db, "INSERT")
			},
		},
	}
}
