package tracereplay

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Connector is a database of one instance of a tool that answers each call as
// recorded. Each connection expects its own calls in their order; any other is
// answered with an error that says so.
func (t *Trace) Connector(inst string) driver.Connector { return t.connector(inst) }

func (t *Trace) connector(inst string) *connector {
	c := &connector{trace: t, scripts: map[int][]*Line{}}
	for i := range t.Lines {
		l := &t.Lines[i]
		if l.Inst != inst || l.Kind == kindNote || l.Conn == 0 {
			continue
		}
		if c.scripts[l.Conn] == nil {
			c.order = append(c.order, l.Conn)
		}
		c.scripts[l.Conn] = append(c.scripts[l.Conn], l)
	}
	return c
}

type connector struct {
	trace   *Trace
	played  bool // by Play: only those that it opens are the recording's
	mu      sync.Mutex
	order   []int // the connections that are still to be opened
	scripts map[int][]*Line
}

func (c *connector) Driver() driver.Driver { return scripted{} }

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.played && ctx.Value(recorded{}) == nil {
		return nil, errors.New("tracereplay: a connection that was not recorded")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.order) == 0 {
		return nil, fmt.Errorf("tracereplay: one connection more than was recorded")
	}
	conn := &conn{trace: c.trace, id: c.order[0], script: c.scripts[c.order[0]]}
	c.order = c.order[1:]
	l, err := conn.next(kindConnect, "")
	if err != nil {
		return nil, err
	}
	if err := l.err(); err != nil {
		return nil, err
	}
	return conn, nil
}

// recorded marks the context in which Play opens a connection, as against one
// that the caller of a replay opens beside it.
type recorded struct{}

// scripted is the driver that a Connector names.
type scripted struct{}

func (scripted) Open(string) (driver.Conn, error) {
	return nil, fmt.Errorf("tracereplay: a trace is opened by its Connector")
}

type conn struct {
	trace  *Trace
	id     int
	script []*Line
}

var (
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
)

// next is the recorded call that answers the one that is made.
func (c *conn) next(kind, sql string) (*Line, error) {
	if len(c.script) == 0 {
		return nil, fmt.Errorf("tracereplay: connection %d: %s after the end of the trace", c.id, kind)
	}
	l := c.script[0]
	if l.Kind != kind || sql != "" && l.SQL != sql {
		return nil, fmt.Errorf("tracereplay: connection %d, seq %d: %s %q where %s %q was recorded", c.id, l.Seq, kind, sql, l.Kind, l.SQL)
	}
	c.script = c.script[1:]
	c.trace.sleep(l.Took)
	return l, nil
}

// simple answers a call that returns nothing but an error.
func (c *conn) simple(kind string) error {
	l, err := c.next(kind, "")
	if err != nil {
		return err
	}
	return l.err()
}

func (c *conn) exec(kind, sql string) (driver.Result, error) {
	l, err := c.next(kind, sql)
	if err != nil {
		return nil, err
	}
	if err := l.err(); err != nil {
		return nil, err
	}
	if l.RowsAffected == nil {
		return driver.ResultNoRows, nil
	}
	return driver.RowsAffected(*l.RowsAffected), nil
}

func (c *conn) query(kind, sql string) (driver.Rows, error) {
	l, err := c.next(kind, sql)
	if err != nil {
		return nil, err
	}
	if err := l.err(); err != nil {
		return nil, err
	}
	r := &rows{conn: c}
	for _, l := range c.script {
		if l.Kind != kindRow {
			break
		}
		if len(l.Cols) > 0 {
			r.columns = l.Cols
			break
		}
	}
	return r, nil
}

func (c *conn) ExecContext(_ context.Context, sql string, _ []driver.NamedValue) (driver.Result, error) {
	return c.exec(kindExec, sql)
}

func (c *conn) QueryContext(_ context.Context, sql string, _ []driver.NamedValue) (driver.Rows, error) {
	return c.query(kindQuery, sql)
}

func (c *conn) Prepare(sql string) (driver.Stmt, error) {
	l, err := c.next(kindPrepare, sql)
	if err != nil {
		return nil, err
	}
	if err := l.err(); err != nil {
		return nil, err
	}
	return &stmt{conn: c, sql: sql}, nil
}

func (c *conn) PrepareContext(_ context.Context, sql string) (driver.Stmt, error) {
	return c.Prepare(sql)
}

func (c *conn) Begin() (driver.Tx, error) { return c.BeginTx(context.Background(), driver.TxOptions{}) }

func (c *conn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	if err := c.simple(kindBegin); err != nil {
		return nil, err
	}
	return tx{c}, nil
}

func (c *conn) Ping(context.Context) error                  { return c.simple(kindPing) }
func (c *conn) ResetSession(context.Context) error          { return c.simple(kindReset) }
func (c *conn) Close() error                                { return c.simple(kindClose) }
func (c *conn) CheckNamedValue(nv *driver.NamedValue) error { return nil }

type tx struct{ conn *conn }

func (t tx) Commit() error   { return t.conn.simple(kindCommit) }
func (t tx) Rollback() error { return t.conn.simple(kindRollback) }

type stmt struct {
	conn *conn
	sql  string
}

var (
	_ driver.StmtExecContext  = (*stmt)(nil)
	_ driver.StmtQueryContext = (*stmt)(nil)
)

func (s *stmt) NumInput() int { return -1 }
func (s *stmt) Close() error  { return s.conn.simple(kindStmtClose) }

func (s *stmt) Exec([]driver.Value) (driver.Result, error) { return s.conn.exec(kindStmtExec, s.sql) }
func (s *stmt) Query([]driver.Value) (driver.Rows, error)  { return s.conn.query(kindStmtQuery, s.sql) }

func (s *stmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return s.conn.exec(kindStmtExec, s.sql)
}

func (s *stmt) QueryContext(context.Context, []driver.NamedValue) (driver.Rows, error) {
	return s.conn.query(kindStmtQuery, s.sql)
}

// rows are the rows_next lines that follow a query on its connection.
type rows struct {
	conn    *conn
	columns []string
}

func (r *rows) Columns() []string { return r.columns }
func (r *rows) Close() error      { return nil }

func (r *rows) Next(dest []driver.Value) error {
	if len(r.conn.script) == 0 || r.conn.script[0].Kind != kindRow {
		return io.EOF
	}
	l, err := r.conn.next(kindRow, "")
	if err != nil {
		return err
	}
	if err := l.err(); err != nil {
		return err
	}
	if l.Row == nil {
		return io.EOF
	}
	copy(dest, parseValues(l.Row))
	return nil
}
