// Package bench measures what the witness costs over the bare driver:
//
//	go test -bench . -benchmem ./bench
//
// Times are to be read as ratios within one run: each benchmark runs the same
// calls /raw, on a driver that does nothing, and /witness, on the same driver
// with everything on. BenchmarkClock is the floor: the two looks at the clock
// that any timing of a call needs. What these figures do not show is a database:
// over a real one, even on the same machine, a call takes tens of microseconds.
package bench

import (
	"context"
	"database/sql/driver"
	"io"
)

// Raw is a driver that answers at once and allocates nothing, so that all that
// is measured is what stands in front of it.
type Raw struct{}

// Connect opens a connection.
func (Raw) Connect(context.Context) (driver.Conn, error) { return &rawConn{}, nil }

// Driver is the driver itself.
func (r Raw) Driver() driver.Driver { return r }

// Open opens a connection.
func (Raw) Open(string) (driver.Conn, error) { return &rawConn{}, nil }

type rawConn struct {
	stmt rawStmt
	rows rawRows
}

func (c *rawConn) Prepare(string) (driver.Stmt, error) { c.stmt.conn = c; return &c.stmt, nil }

func (c *rawConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return c.Prepare(query)
}
func (*rawConn) Close() error              { return nil }
func (*rawConn) Begin() (driver.Tx, error) { return rawTx{}, nil }
func (*rawConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return rawTx{}, nil
}
func (*rawConn) CheckNamedValue(*driver.NamedValue) error { return nil }
func (*rawConn) ResetSession(context.Context) error       { return nil }
func (*rawConn) IsValid() bool                            { return true }

func (*rawConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, nil
}

func (c *rawConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	c.rows.n = 0
	return &c.rows, nil
}

type rawStmt struct{ conn *rawConn }

func (*rawStmt) Close() error  { return nil }
func (*rawStmt) NumInput() int { return -1 }
func (s *rawStmt) Exec([]driver.Value) (driver.Result, error) {
	return driver.ResultNoRows, nil
}
func (s *rawStmt) Query([]driver.Value) (driver.Rows, error) {
	s.conn.rows.n = 0
	return &s.conn.rows, nil
}
func (*rawStmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, nil
}

func (s *rawStmt) QueryContext(context.Context, []driver.NamedValue) (driver.Rows, error) {
	s.conn.rows.n = 0
	return &s.conn.rows, nil
}

type rawTx struct{}

func (rawTx) Commit() error   { return nil }
func (rawTx) Rollback() error { return nil }

// rawRows is ten rows of one integer.
type rawRows struct{ n int }

var rawColumns = []string{"id"}

func (*rawRows) Columns() []string { return rawColumns }
func (*rawRows) Close() error      { return nil }

func (r *rawRows) Next(dest []driver.Value) error {
	if r.n == 10 {
		return io.EOF
	}
	r.n++
	dest[0] = int64(1)
	return nil
}
