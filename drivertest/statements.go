package drivertest

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
)

func statementCases() []Case {
	return []Case{
		{
			Name:  "exec",
			Rule:  "a driver without a fast path works, and one with it is called once, with the text as it is",
			basic: true,
			play:  func(p *play) { p.exec(p.db, "INSERT ; -- done;") },
		},
		{
			Name:  "query",
			Rule:  "a driver without a fast path works, and one with it is called once, with the text as it is",
			basic: true,
			play:  func(p *play) { p.query(p.db, "SELECT ; -- done;") },
		},
		{
			Name:  "prepared",
			Rule:  "a statement is prepared once, used as often as it is asked for, and closed",
			basic: true,
			play:  func(p *play) { p.prepared(p.db, "SELECT ; -- done;") },
		},
		{
			Name: "odd texts",
			Rule: "no text is altered, refused or fatal: not the empty one, nor one that is no SQL",
			play: func(p *play) {
				for _, text := range []string{"", ";", " ", "'", "/*", "$$", "\x00\xff", "-- no newline", "ſelect ∞", "(((("} {
					p.every(p.db, text)
				}
			},
		},
		{
			Name: "result",
			Rule: "the result is the driver's own, and so are the errors of its methods",
			play: func(p *play) {
				p.exec(p.db, "AFFECTED 12345")
				p.prepared(p.db, "AFFECTED 12345")
				p.exec(p.db, "NOID")
				p.prepared(p.db, "NOID")
			},
		},
		{
			Name: "prepared on several connections",
			Rule: "a statement is prepared anew on a connection that has not got it, and only there",
			play: func(p *play) {
				p.db.SetMaxOpenConns(2)
				stmt, err := p.db.PrepareContext(p.ctx, "INSERT ?")
				if err != nil {
					p.do("prepare", func() (any, error) { return nil, err })
					return
				}
				p.conn(func(*sql.Conn) {
					for range 2 {
						p.do("exec elsewhere", func() (any, error) {
							res, err := stmt.ExecContext(p.ctx, 1)
							return p.result(res), err
						})
					}
				})
				p.do("close statement", func() (any, error) { return nil, stmt.Close() })
			},
		},
		{
			Name:  "ping",
			Rule:  "a driver with a Pinger is pinged; without one a ping succeeds once there is a connection",
			basic: true,
			play: func(p *play) {
				for range 2 {
					p.do("ping", func() (any, error) { return nil, p.db.PingContext(p.ctx) })
				}
				p.conn(func(c *sql.Conn) {
					p.do("ping", func() (any, error) { return nil, c.PingContext(p.ctx) })
				})
			},
		},
		{
			Name: "skip",
			Rule: "driver.ErrSkip from a fast path leads to the statement's path, and is never an answer",
			play: func(p *play) {
				p.every(p.db, "SKIP ?", 1)
				p.conn(func(c *sql.Conn) { p.every(c, "SKIP ?", 1) })
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.every(tx, "SKIP ?", 1)
					p.commit(tx)
				})
			},
		},
		{
			Name:    "the parent's connection",
			Rule:    "behind what sql.Conn.Raw shows, Unwrap finds the parent's own connection, with all that it can do",
			unwraps: true,
			play: func(p *play) {
				p.conn(func(c *sql.Conn) {
					p.do("raw", func() (any, error) {
						return nil, c.Raw(func(raw any) error {
							own := p.w.Unwrap(raw)
							_, pings := own.(driver.Pinger)
							_, execs := own.(driver.ExecerContext)
							_, old := own.(driver.Execer) //nolint:staticcheck // drivers of the old form exist
							p.do("own", func() (any, error) { return fmt.Sprintf("%T %t %t %t", own, pings, execs, old), nil })
							stmt, err := own.(driver.Conn).Prepare("INSERT")
							if err != nil {
								return err
							}
							return stmt.Close()
						})
					})
				})
			},
		},
		{
			Name: "called directly",
			Rule: "a connection seen in sql.Conn.Raw works by the interfaces of package driver",
			only: contextual,
			play: func(p *play) {
				p.conn(func(c *sql.Conn) {
					p.do("raw", func() (any, error) {
						return nil, c.Raw(func(raw any) error {
							p.direct(raw.(driver.Conn))
							return nil
						})
					})
				})
			},
		},
		{
			Name: "connection given up",
			Rule: "driver.ErrBadConn out of sql.Conn.Raw closes the connection",
			play: func(p *play) {
				p.conn(func(c *sql.Conn) {
					p.do("raw", func() (any, error) { return nil, c.Raw(func(any) error { return driver.ErrBadConn }) })
				})
				p.exec(p.db, "INSERT")
			},
		},
		{
			Name:     "at the same time",
			Rule:     "connections do not disturb each other",
			anyOrder: true,
			only:     contextual,
			play: func(p *play) {
				p.db.SetMaxOpenConns(4)
				var all sync.WaitGroup
				for g := range 8 {
					all.Go(func() {
						for i := range 10 {
							p.alone(g, i)
						}
					})
				}
				all.Wait()
			},
		},
	}
}

// direct does what database/sql would, and ends things twice.
func (p *play) direct(c driver.Conn) {
	p.do("exec", func() (any, error) {
		res, err := c.(driver.ExecerContext).ExecContext(p.ctx, "AFFECTED 3", nil)
		return p.result(res), err
	})
	p.do("begin", func() (any, error) {
		tx, err := c.(driver.ConnBeginTx).BeginTx(p.ctx, driver.TxOptions{ReadOnly: true})
		if err != nil {
			return nil, err
		}
		p.do("commit", func() (any, error) { return nil, tx.Commit() })
		p.do("commit again", func() (any, error) { return nil, tx.Commit() })
		p.do("rollback too", func() (any, error) { return nil, tx.Rollback() })
		return nil, nil
	})
	p.do("query", func() (any, error) {
		rows, err := c.(driver.QueryerContext).QueryContext(p.ctx, "ROWS 2", nil)
		if err != nil {
			return nil, err
		}
		dest := make([]driver.Value, len(rows.Columns()))
		for i := range 3 {
			p.do("next", func() (any, error) {
				err := rows.Next(dest)
				return fmt.Sprint(i, dest), err
			})
		}
		return nil, rows.Close()
	})
	p.do("prepare", func() (any, error) {
		stmt, err := c.(driver.ConnPrepareContext).PrepareContext(p.ctx, "AFFECTED 4 ?")
		if err != nil {
			return nil, err
		}
		p.do("inputs", func() (any, error) { return stmt.NumInput(), nil })
		p.do("exec prepared", func() (any, error) {
			res, err := stmt.(driver.StmtExecContext).ExecContext(p.ctx, []driver.NamedValue{{Ordinal: 1, Value: "x"}})
			return p.result(res), err
		})
		return nil, stmt.Close()
	})
}

// alone does one thing of its own among others and says only if it went wrong:
// the order in which others do theirs is chance.
func (p *play) alone(g, i int) {
	wrong := func(what string, err error) { p.do(what, func() (any, error) { return nil, err }) }
	want := int64(1000*g + i)
	res, err := p.db.ExecContext(p.ctx, fmt.Sprintf("AFFECTED %d ANY", want), want)
	if err != nil {
		wrong("exec", err)
		return
	}
	if n, err := res.RowsAffected(); err != nil || n != want {
		wrong(fmt.Sprintf("%d affected, want %d", n, want), err)
	}
	tx, err := p.db.BeginTx(p.ctx, nil)
	if err != nil {
		wrong("begin", err)
		return
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.QueryContext(p.ctx, fmt.Sprintf("ROWS %d ANY", i), want)
	if err != nil {
		wrong("query", err)
		return
	}
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n != i {
		wrong(fmt.Sprintf("%d rows, want %d", n, i), err)
	}
	if err := tx.Commit(); err != nil {
		wrong("commit", err)
	}
}
