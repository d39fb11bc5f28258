package drivertest

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

func rowsCases() []Case {
	return []Case{
		{
			Name:  "rows and column types",
			Rule:  "rows, their columns, and what is known of a column's type are the driver's own; what it does not know is database/sql's default",
			about: types,
			play: func(p *play) {
				p.query(p.db, "ROWS 4")
				p.query(p.db, "ROWS 0")
				p.prepared(p.db, "ROWS 4")
			},
		},
		{
			Name:  "several result sets",
			Rule:  "each result set can be reached, if the driver has NextResultSet, and none if it has not",
			about: resultSets,
			play: func(p *play) {
				p.query(p.db, "SETS 1 0 3")
				p.prepared(p.db, "SETS 2 2")
			},
		},
		{
			Name:  "result set that fails",
			Rule:  "an error of NextResultSet is the driver's own",
			about: resultSets,
			play: func(p *play) {
				p.fake.Next("Rows.NextResultSet", fakedb.Fault{Err: &fakedb.Error{Text: "no next set"}})
				p.query(p.db, "SETS 1 1")
			},
		},
		{
			Name: "rows that fail",
			Rule: "an error of Next is the driver's own, and comes after the rows before it",
			play: func(p *play) {
				p.query(p.db, "ROWS 2 FAIL connection lost")
				p.query(p.db, "ROWS 2 BADCONN")
				p.query(p.db, "ROWS 0 FAIL at once")
				p.query(p.db, "ROWS 1 SKIP")
				p.query(p.db, "SELECT")
			},
		},
		{
			Name: "rows that fail to close",
			Rule: "an error of Close is the driver's own",
			play: func(p *play) {
				for range 2 {
					p.fake.Next("Rows.Close", fakedb.Fault{Err: &fakedb.Error{Text: "not closed"}})
				}
				p.query(p.db, "ROWS 1")
				p.row("SELECT")
			},
		},
		{
			Name: "one row",
			Rule: "QueryRow reads one row and closes the rest",
			play: func(p *play) {
				p.row("ROWS 3")
				p.row("ROWS 0")
				p.row("FAIL at once")
				p.row("ROWS 0 FAIL instead of a row")
				p.row("SETS 1 1")
			},
		},
		{
			Name: "rows closed early",
			Rule: "rows can be closed before their end, and once more, and are closed in the driver once",
			play: func(p *play) {
				p.do("query", func() (any, error) {
					rows, err := p.db.QueryContext(p.ctx, "ROWS 5")
					if err != nil {
						return nil, err
					}
					rows.Next()
					for range 2 {
						p.do("close", func() (any, error) { return nil, rows.Close() })
					}
					p.do("columns", func() (any, error) { return rows.Columns() })
					p.do("next", func() (any, error) { return rows.Next(), rows.Err() })
					return nil, nil
				})
				p.query(p.db, "ROWS 2")
			},
		},
		{
			Name: "rows side by side",
			Rule: "open rows of one connection are independent of each other, also of those closed before",
			play: func(p *play) {
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.sideBySide(tx)
					p.rollback(tx)
				})
			},
		},
		{
			Name: "rows of a cancelled context",
			Rule: "rows whose context is cancelled are closed, and say why",
			play: func(p *play) {
				ctx, cancel := context.WithCancel(p.ctx)
				p.do("query", func() (any, error) {
					rows, err := p.db.QueryContext(ctx, "ROWS 5")
					if err != nil {
						return nil, err
					}
					rows.Next()
					cancel()
					p.await("Rows.Close")
					p.settle()
					p.do("next", func() (any, error) { return rows.Next(), rows.Err() })
					return nil, rows.Close()
				})
				cancel()
			},
		},
		{
			Name:  "scanned by the driver",
			Rule:  "rows that scan for themselves (Go 1.27's RowsColumnScanner) do so, and others cannot scan what database/sql cannot",
			about: scans,
			play: func(p *play) {
				p.do("scan a list", func() (any, error) {
					var n int
					var list fakedb.List
					var raw sql.RawBytes
					rows, err := p.db.QueryContext(p.ctx, "ROWS 2")
					if err != nil {
						return nil, err
					}
					defer rows.Close()
					for rows.Next() {
						p.do("scan", func() (any, error) {
							err := rows.Scan(&n, &list, &raw)
							return fmt.Sprint(n, list, raw), err
						})
					}
					return nil, rows.Err()
				})
			},
		},
	}
}

func (p *play) row(query string) {
	p.do("query row "+query, func() (any, error) {
		var n int
		var s sql.NullString
		var b []byte
		err := p.db.QueryRowContext(p.ctx, query).Scan(&n, &s, &b)
		return fmt.Sprint(n, s, b), err
	})
}

// sideBySide opens rows while others are open, and reads them in turn.
func (p *play) sideBySide(tx *sql.Tx) {
	open := func(query string) *sql.Rows {
		var rows *sql.Rows
		p.do(query, func() (_ any, err error) {
			rows, err = tx.QueryContext(p.ctx, query)
			return nil, err
		})
		return rows
	}
	next := func(name string, rows *sql.Rows) {
		p.do("next of "+name, func() (any, error) {
			var n int
			var s, b any
			if !rows.Next() {
				return "no more", rows.Err()
			}
			err := rows.Scan(&n, &s, &b)
			return n, err
		})
	}
	a := open("ROWS 3")
	next("a", a)
	b := open("ROWS 5")
	next("b", b)
	next("b", b)
	next("a", a)
	p.do("close a", func() (any, error) { return nil, a.Close() })
	c := open("ROWS 4")
	next("c", c)
	next("b", b)
	next("a", a) // closed: it must not read c's
	p.do("close a again", func() (any, error) { return nil, a.Close() })
	next("c", c)
	p.do("close b", func() (any, error) { return nil, b.Close() })
	p.do("rest of c", func() (any, error) { return p.read(c), nil })
}
