package fakedb

import (
	"context"
	"database/sql/driver"
	"io"
)

// StaticRows is how many rows a query has under Static.
const StaticRows = 10

// Static is a connector for benchmarks. Its connections can do what a modern
// driver's can, take any text and arguments, record nothing, and allocate
// nothing: what a benchmark measures is what lies above. A connection has one
// prepared statement, one transaction and one result set (of StaticRows rows, a
// number and a text), used again and again, so at most one of each is in use.
func Static() driver.Connector { return staticConnector{} }

type staticConnector struct{}

func (staticConnector) Connect(context.Context) (driver.Conn, error) { return &staticConn{}, nil }
func (staticConnector) Driver() driver.Driver                        { return staticDriver{} }

type staticDriver struct{}

func (staticDriver) Open(string) (driver.Conn, error) { return &staticConn{}, nil }

type staticConn struct {
	stmt staticStmt
	rows staticRows
	tx   staticTx
}

var (
	_ driver.ConnBeginTx        = (*staticConn)(nil)
	_ driver.ConnPrepareContext = (*staticConn)(nil)
	_ driver.ExecerContext      = (*staticConn)(nil)
	_ driver.Pinger             = (*staticConn)(nil)
	_ driver.QueryerContext     = (*staticConn)(nil)
	_ driver.SessionResetter    = (*staticConn)(nil)
	_ driver.StmtExecContext    = (*staticStmt)(nil)
	_ driver.StmtQueryContext   = (*staticStmt)(nil)
	_ driver.Validator          = (*staticConn)(nil)
)

func (c *staticConn) Begin() (driver.Tx, error)          { return &c.tx, nil }
func (c *staticConn) Close() error                       { return nil }
func (c *staticConn) IsValid() bool                      { return true }
func (c *staticConn) Ping(context.Context) error         { return nil }
func (c *staticConn) ResetSession(context.Context) error { return nil }

func (c *staticConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return &c.tx, nil
}

func (c *staticConn) Prepare(string) (driver.Stmt, error) {
	c.stmt.conn = c
	return &c.stmt, nil
}

func (c *staticConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return c.Prepare(query)
}

func (c *staticConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func (c *staticConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	c.rows = staticRows{}
	return &c.rows, nil
}

type staticStmt struct{ conn *staticConn }

func (s *staticStmt) Close() error                               { return nil }
func (s *staticStmt) NumInput() int                              { return -1 }
func (s *staticStmt) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(1), nil }
func (s *staticStmt) Query([]driver.Value) (driver.Rows, error) {
	return s.conn.QueryContext(context.Background(), "", nil)
}

func (s *staticStmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func (s *staticStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, "", args)
}

type staticTx struct{}

func (*staticTx) Commit() error   { return nil }
func (*staticTx) Rollback() error { return nil }

type staticRows struct{ n int }

// What rows are filled with; boxed once, since boxing allocates.
var (
	staticColumns              = []string{"id", "name"}
	staticName    driver.Value = "static"
)

func (*staticRows) Columns() []string { return staticColumns }
func (*staticRows) Close() error      { return nil }

func (r *staticRows) Next(dest []driver.Value) error {
	if r.n == StaticRows {
		return io.EOF
	}
	r.n++
	dest[0] = int64(r.n) // below 256, so boxing allocates nothing
	dest[1] = staticName
	return nil
}
