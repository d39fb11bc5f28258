package sqlwitness

import (
	"context"
	"database/sql/driver"

	"github.com/ngrok/sqlmw"
)

// intercept puts a team's ngrok/sqlmw interceptor between the witness and the
// parent, by decorating what the connection can do. sqlmw's own wrapper is not
// used: it panics over drivers without Execer, drops isolation levels and hides
// the parent's connection. Its contract is kept: each method gets the next
// layer in, and the context that it returns is the one its later calls see.
//
// The first interceptor of Config.Interceptors is the innermost.
func intercept(i sqlmw.Interceptor, c *conn) {
	caps := &c.caps
	if caps.exec != nil {
		caps.exec = interceptedExec{i, caps.exec}
	}
	if caps.query != nil {
		caps.query = interceptedQuery{i, caps.query}
	}
	caps.begin = interceptedBegin{i, caps.begin}
	caps.prepare = interceptedPrepare{i, caps.prepare}
	caps.ping = interceptedPing{i, caps.ping}
}

type interceptedConnector struct {
	i sqlmw.Interceptor
	driver.Connector
}

func (c interceptedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	return c.i.ConnectorConnect(ctx, c.Connector)
}

type interceptedExec struct {
	i    sqlmw.Interceptor
	next driver.ExecerContext
}

func (e interceptedExec) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return interceptResult(e.i)(e.i.ConnExecContext(ctx, e.next, query, args))
}

type interceptedQuery struct {
	i    sqlmw.Interceptor
	next driver.QueryerContext
}

func (q interceptedQuery) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return interceptRows(q.i)(q.i.ConnQueryContext(ctx, q.next, query, args))
}

type interceptedBegin struct {
	i    sqlmw.Interceptor
	next driver.ConnBeginTx
}

func (b interceptedBegin) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	ctx, tx, err := b.i.ConnBeginTx(ctx, b.next, opts)
	if err != nil {
		return tx, err
	}
	return interceptedTx{b.i, ctx, tx}, nil
}

type interceptedTx struct {
	i   sqlmw.Interceptor
	ctx context.Context
	tx  driver.Tx
}

func (t interceptedTx) Commit() error   { return t.i.TxCommit(t.ctx, t.tx) }
func (t interceptedTx) Rollback() error { return t.i.TxRollback(t.ctx, t.tx) }

type interceptedPing struct {
	i    sqlmw.Interceptor
	next driver.Pinger
}

func (p interceptedPing) Ping(ctx context.Context) error { return p.i.ConnPing(ctx, p.next) }

type interceptedPrepare struct {
	i    sqlmw.Interceptor
	next driver.ConnPrepareContext
}

func (p interceptedPrepare) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	ctx, stmt, err := p.i.ConnPrepareContext(ctx, p.next, query)
	if err != nil {
		return stmt, err
	}
	s := interceptedStmt{i: p.i, ctx: ctx, Stmt: stmt, query: query}
	check, checks := stmt.(driver.NamedValueChecker)
	converter, converts := stmt.(driver.ColumnConverter) //nolint:staticcheck // drivers of the old form exist
	switch {
	case checks && converts:
		return checkedConvertedStmt{convertedStmt{s, converter}, check}, nil
	case checks:
		return checkedStmt{s, check}, nil
	case converts:
		return convertedStmt{s, converter}, nil
	}
	return s, nil
}

// These keep what the parent's statement can do.
type checkedStmt struct {
	contextStmt
	driver.NamedValueChecker
}

type convertedStmt struct {
	contextStmt
	converter driver.ColumnConverter //nolint:staticcheck // drivers of the old form exist
}

func (s convertedStmt) ColumnConverter(i int) driver.ValueConverter {
	return s.converter.ColumnConverter(i)
}

type checkedConvertedStmt struct {
	convertedStmt
	driver.NamedValueChecker
}

type contextStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type interceptedStmt struct {
	i   sqlmw.Interceptor
	ctx context.Context // of the prepare, as the interceptor returned it
	driver.Stmt
	query string
}

func (s interceptedStmt) Close() error { return s.i.StmtClose(s.ctx, s.Stmt) }

func (s interceptedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return interceptResult(s.i)(s.i.StmtExecContext(ctx, stmtExecer(s.Stmt), s.query, args))
}

func (s interceptedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return interceptRows(s.i)(s.i.StmtQueryContext(ctx, stmtQueryer(s.Stmt), s.query, args))
}

func interceptResult(i sqlmw.Interceptor) func(driver.Result, error) (driver.Result, error) {
	return func(res driver.Result, err error) (driver.Result, error) {
		if err != nil || res == nil {
			return res, err
		}
		return interceptedResult{i, res}, nil
	}
}

type interceptedResult struct {
	i   sqlmw.Interceptor
	res driver.Result
}

func (r interceptedResult) LastInsertId() (int64, error) { return r.i.ResultLastInsertId(r.res) }
func (r interceptedResult) RowsAffected() (int64, error) { return r.i.ResultRowsAffected(r.res) }

func interceptRows(i sqlmw.Interceptor) func(context.Context, driver.Rows, error) (driver.Rows, error) {
	return func(ctx context.Context, parent driver.Rows, err error) (driver.Rows, error) {
		if err != nil || parent == nil {
			return parent, err
		}
		// A rows value of ours already has an answer for every optional method,
		// so it serves as the faithful half, and the interceptor as the other.
		return (&interceptedRows{rows: &rows{parent: parent}, i: i, ctx: ctx, parent: parent}).scanning(), nil
	}
}

type interceptedRows struct {
	*rows
	i      sqlmw.Interceptor
	ctx    context.Context
	parent driver.Rows
}

func (r *interceptedRows) Next(dest []driver.Value) error { return r.i.RowsNext(r.ctx, r.parent, dest) }
func (r *interceptedRows) Close() error                   { return r.i.RowsClose(r.ctx, r.parent) }
