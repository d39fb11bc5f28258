package drivertest

import (
	"context"
	"database/sql"
	"time"

	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

func contextCases() []Case {
	return []Case{
		{
			Name:  "context",
			Rule:  "each call gets the context of the caller's own call, with its values and its deadline, not that of an earlier one",
			about: contexts,
			play: func(p *play) {
				// Each call has a context of its own, and the one before is over.
				step := func(mark string, f func(context.Context) (any, error)) {
					ctx, cancel := context.WithTimeout(fakedb.Mark(p.ctx, mark), time.Hour)
					defer cancel()
					p.do(mark, func() (any, error) { return f(ctx) })
				}
				step("connect", func(ctx context.Context) (any, error) {
					c, err := p.db.Conn(ctx)
					if err != nil {
						return nil, err
					}
					return nil, c.Close()
				})
				step("ping", func(ctx context.Context) (any, error) { return nil, p.db.PingContext(ctx) })
				var stmt *sql.Stmt
				step("prepare", func(ctx context.Context) (_ any, err error) {
					stmt, err = p.db.PrepareContext(ctx, "INSERT ?")
					return nil, err
				})
				step("exec", func(ctx context.Context) (any, error) {
					res, err := stmt.ExecContext(ctx, 1)
					return p.result(res), err
				})
				step("query", func(ctx context.Context) (any, error) {
					rows, err := stmt.QueryContext(ctx, 2)
					if err != nil {
						return nil, err
					}
					return p.read(rows), nil
				})
				step("exec unprepared", func(ctx context.Context) (any, error) {
					res, err := p.db.ExecContext(ctx, "INSERT")
					return p.result(res), err
				})
				step("query unprepared", func(ctx context.Context) (any, error) {
					rows, err := p.db.QueryContext(ctx, "SELECT")
					if err != nil {
						return nil, err
					}
					return p.read(rows), nil
				})
				p.do("close statement", func() (any, error) { return nil, stmt.Close() })
				var tx *sql.Tx
				p.do("begin", func() (_ any, err error) {
					tx, err = p.db.BeginTx(fakedb.Mark(p.ctx, "begin"), nil)
					return nil, err
				})
				step("exec in the transaction", func(ctx context.Context) (any, error) {
					res, err := tx.ExecContext(ctx, "INSERT")
					return p.result(res), err
				})
				p.commit(tx)
			},
		},
		{
			Name: "cancelled before",
			Rule: "a call with a cancelled context reaches the driver if that takes contexts; else database/sql's own check answers",
			play: func(p *play) {
				ctx, cancel := context.WithCancel(p.ctx)
				cancel()
				// On a connection that is held database/sql does not look at the
				// context before the driver does.
				p.conn(func(c *sql.Conn) { p.cancelled(ctx, c) })
				p.settle()
				p.do("exec", func() (any, error) { _, err := p.db.ExecContext(ctx, "INSERT"); return nil, err })
			},
		},
		{
			Name: "deadline passed before",
			Rule: "a call with a passed deadline reaches the driver if that takes contexts; else database/sql's own check answers",
			play: func(p *play) {
				ctx, cancel := context.WithTimeout(p.ctx, -time.Second)
				defer cancel()
				p.conn(func(c *sql.Conn) { p.cancelled(ctx, c) })
				p.settle()
			},
		},
		{
			Name: "begun with a cancelled context",
			Rule: "a transaction with a cancelled context is begun if the driver begins it, rolled back, and costs the connection only if it does with the bare driver",
			play: func(p *play) {
				ctx, cancel := context.WithCancel(p.ctx)
				cancel()
				p.conn(func(c *sql.Conn) {
					p.do("begin", func() (any, error) {
						tx, err := c.BeginTx(ctx, nil)
						if tx != nil {
							p.awaitRollback()
						}
						return tx == nil, err
					})
				})
				p.settle()
			},
		},
		{
			Name: "cancelled meanwhile",
			Rule: "a call that waits ends when its context does, with the driver's own error",
			only: contextual,
			play: func(p *play) {
				p.during("exec", asked("WAIT exec"), func(ctx context.Context) (any, error) {
					_, err := p.db.ExecContext(ctx, "WAIT exec")
					return nil, err
				})
				p.during("query", asked("WAIT query"), func(ctx context.Context) (any, error) {
					_, err := p.db.QueryContext(ctx, "WAIT query")
					return nil, err
				})
				p.during("prepare", asked("WAIT prepare"), func(ctx context.Context) (any, error) {
					_, err := p.db.PrepareContext(ctx, "PREPARE WAIT prepare")
					return nil, err
				})
				p.do("prepare", func() (any, error) {
					stmt, err := p.db.PrepareContext(p.ctx, "WAIT prepared")
					if err != nil {
						return nil, err
					}
					started := func(method string) func(fakedb.Call) bool {
						return func(c fakedb.Call) bool { return c.Method == method && c.Query == "WAIT prepared" }
					}
					p.during("exec prepared", started("Stmt.ExecContext"), func(ctx context.Context) (any, error) {
						_, err := stmt.ExecContext(ctx)
						return nil, err
					})
					p.during("query prepared", started("Stmt.QueryContext"), func(ctx context.Context) (any, error) {
						_, err := stmt.QueryContext(ctx)
						return nil, err
					})
					return nil, stmt.Close()
				})
				p.fake.Next("Conn.BeginTx", fakedb.Fault{Wait: true})
				p.during("begin", called("Conn.BeginTx"), func(ctx context.Context) (any, error) {
					_, err := p.db.BeginTx(ctx, nil)
					return nil, err
				})
				p.fake.Next("Conn.Ping", fakedb.Fault{Wait: true})
				p.during("ping", called("Conn.Ping"), func(ctx context.Context) (any, error) {
					return nil, p.db.PingContext(ctx)
				})
			},
		},
		{
			Name:  "cancelled while connecting",
			Rule:  "connecting ends when the caller's context does",
			about: contexts,
			play: func(p *play) {
				p.fake.Next("Connector.Connect", fakedb.Fault{Wait: true})
				p.during("connect", called("Connector.Connect"), func(ctx context.Context) (any, error) {
					return nil, p.db.PingContext(ctx)
				})
			},
		},
	}
}

// cancelled makes each call with a context that is done.
func (p *play) cancelled(ctx context.Context, c *sql.Conn) {
	p.do("exec", func() (any, error) {
		res, err := c.ExecContext(ctx, "INSERT ?", 1)
		return p.result(res), err
	})
	p.do("exec with a name", func() (any, error) {
		res, err := c.ExecContext(ctx, "INSERT ?", sql.Named("n", 1))
		return p.result(res), err
	})
	p.do("ping", func() (any, error) { return nil, c.PingContext(ctx) })
	p.do("prepare", func() (any, error) {
		stmt, err := c.PrepareContext(ctx, "INSERT")
		if err != nil {
			return nil, err
		}
		return nil, stmt.Close()
	})
	p.do("prepare", func() (any, error) {
		stmt, err := c.PrepareContext(p.ctx, "INSERT ?")
		if err != nil {
			return nil, err
		}
		p.do("exec prepared", func() (any, error) {
			res, err := stmt.ExecContext(ctx, 1)
			return p.result(res), err
		})
		return nil, stmt.Close()
	})
	p.do("query", func() (any, error) {
		rows, err := c.QueryContext(ctx, "ROWS 0")
		if err != nil {
			return nil, err
		}
		return nil, rows.Close()
	})
}
