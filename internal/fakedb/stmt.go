package fakedb

import (
	"context"
	"database/sql/driver"
	"strings"
)

// stmt is what every statement can do. The types after it are the optional
// interfaces.
type stmt struct {
	conn  *conn
	query string
}

func (s *stmt) Close() error {
	return s.conn.call(noContext, Call{Method: "Stmt.Close", Query: s.query}, Fault{})
}

func (s *stmt) NumInput() int {
	if strings.Contains(s.query, "ANY") {
		return -1
	}
	return strings.Count(s.query, "?")
}

func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.conn.exec(noContext, Call{Method: "Stmt.Exec", Query: s.query, Args: named(args)}, true)
}

func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.conn.query(noContext, Call{Method: "Stmt.Query", Query: s.query, Args: named(args)}, true)
}

type stmtExecer struct{ on *stmt }

func (e stmtExecer) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return e.on.conn.exec(ctx, Call{Method: "Stmt.ExecContext", Query: e.on.query, Args: args}, true)
}

type stmtQueryer struct{ on *stmt }

func (q stmtQueryer) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return q.on.conn.query(ctx, Call{Method: "Stmt.QueryContext", Query: q.on.query, Args: args}, true)
}

type stmtChecker struct{ on *stmt }

func (k stmtChecker) CheckNamedValue(nv *driver.NamedValue) error {
	return k.on.conn.check("Stmt.CheckNamedValue", nv)
}

type stmtConverter struct{ on *stmt }

func (stmtConverter) ColumnConverter(i int) driver.ValueConverter { return columnConverter(i) }
