package fakedb

import (
	"context"
	"database/sql/driver"
	"strings"
)

// conn is what every connection can do. What else one can do is added by the
// types after it, each an optional interface.
type conn struct {
	db     *DB
	id     int
	broken bool
	closed bool
}

func (c *conn) call(ctx context.Context, call Call, script Fault) error {
	call.Conn = c.id
	return c.db.call(ctx, call, script)
}

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.prepare(noContext, "Conn.Prepare", query)
}

func (c *conn) Begin() (driver.Tx, error) {
	return c.begin(noContext, "Conn.Begin", driver.TxOptions{})
}

func (c *conn) Close() error {
	if !c.closed {
		c.closed = true
		c.db.mu.Lock()
		c.db.open--
		c.db.mu.Unlock()
	}
	return c.call(noContext, Call{Method: "Conn.Close"}, Fault{})
}

func (c *conn) prepare(ctx context.Context, method, query string) (driver.Stmt, error) {
	var script Fault
	query, now := strings.CutPrefix(query, "PREPARE ")
	if now {
		script = c.db.script(query, false)
	}
	if err := c.call(ctx, Call{Method: method, Query: query}, script); err != nil {
		return nil, err
	}
	return c.db.stmtType(&stmt{conn: c, query: query}), nil
}

func (c *conn) begin(ctx context.Context, method string, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.call(ctx, Call{Method: method, Opts: opts}, Fault{}); err != nil {
		return nil, err
	}
	return &tx{c}, nil
}

func (c *conn) exec(ctx context.Context, call Call, prepared bool) (driver.Result, error) {
	if err := c.call(ctx, call, c.db.script(call.Query, prepared)); err != nil {
		return nil, err
	}
	switch word, rest, _ := strings.Cut(call.Query, " "); word {
	case "BREAK":
		c.broken = true
	case "AFFECTED":
		return result{affected: number(rest, 0)}, nil
	case "NOID":
		return result{noID: true, affected: 1}, nil
	}
	return result{affected: 1}, nil
}

func (c *conn) query(ctx context.Context, call Call, prepared bool) (driver.Rows, error) {
	if err := c.call(ctx, call, c.db.script(call.Query, prepared)); err != nil {
		return nil, err
	}
	return c.db.rowsType(newRows(c, call.Query)), nil
}

type connPinger struct{ on *conn }

func (p connPinger) Ping(ctx context.Context) error {
	return p.on.call(ctx, Call{Method: "Conn.Ping"}, Fault{})
}

type connExecer struct{ on *conn }

func (e connExecer) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return e.on.exec(ctx, Call{Method: "Conn.ExecContext", Query: query, Args: args}, false)
}

type connQueryer struct{ on *conn }

func (q connQueryer) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return q.on.query(ctx, Call{Method: "Conn.QueryContext", Query: query, Args: args}, false)
}

type connPreparer struct{ on *conn }

func (p connPreparer) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return p.on.prepare(ctx, "Conn.PrepareContext", query)
}

type connBeginner struct{ on *conn }

func (b connBeginner) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return b.on.begin(ctx, "Conn.BeginTx", opts)
}

type connResetter struct{ on *conn }

func (r connResetter) ResetSession(ctx context.Context) error {
	return r.on.call(ctx, Call{Method: "Conn.ResetSession"}, Fault{})
}

type connValidator struct{ on *conn }

func (v connValidator) IsValid() bool {
	_ = v.on.call(noContext, Call{Method: "Conn.IsValid"}, Fault{})
	return !v.on.broken
}

type connChecker struct{ on *conn }

func (k connChecker) CheckNamedValue(nv *driver.NamedValue) error {
	return k.on.check("Conn.CheckNamedValue", nv)
}

type connLegacyExecer struct{ on *conn }

func (e connLegacyExecer) Exec(query string, args []driver.Value) (driver.Result, error) {
	return e.on.exec(noContext, Call{Method: "Conn.Exec", Query: query, Args: named(args)}, false)
}

type connLegacyQueryer struct{ on *conn }

func (q connLegacyQueryer) Query(query string, args []driver.Value) (driver.Rows, error) {
	return q.on.query(noContext, Call{Method: "Conn.Query", Query: query, Args: named(args)}, false)
}

func named(args []driver.Value) []driver.NamedValue {
	nvs := make([]driver.NamedValue, len(args))
	for i, a := range args {
		nvs[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return nvs
}
