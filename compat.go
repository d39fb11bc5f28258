package sqlwitness

import (
	"context"
	"database/sql/driver"
	"errors"
)

// capabilities is what a parent connection can do, asked once, when it is
// opened. Where the parent lacks an optional interface, database/sql's own way
// of doing without stands in its place, so that the wrapped connection answers
// as the bare one would. The two fast paths have no such stand-in, because
// database/sql converts arguments differently when they are there: they are nil
// and the connection's type lacks them too (see conn.go).
type capabilities struct {
	exec  driver.ExecerContext  // nil where lacked
	query driver.QueryerContext // nil where lacked

	begin   driver.ConnBeginTx
	check   driver.NamedValueChecker
	ping    driver.Pinger
	prepare driver.ConnPrepareContext
	reset   driver.SessionResetter
	valid   driver.Validator
}

func capabilitiesOf(c driver.Conn) capabilities {
	none := absent{c}
	caps := capabilities{begin: none, check: none, ping: none, prepare: none, reset: none, valid: none}
	if i, ok := c.(driver.ExecerContext); ok {
		caps.exec = i
	} else if i, ok := c.(driver.Execer); ok { //nolint:staticcheck // drivers of the old form exist
		caps.exec = legacyExecer{i}
	}
	if i, ok := c.(driver.QueryerContext); ok {
		caps.query = i
	} else if i, ok := c.(driver.Queryer); ok { //nolint:staticcheck // drivers of the old form exist
		caps.query = legacyQueryer{i}
	}
	if i, ok := c.(driver.ConnBeginTx); ok {
		caps.begin = i
	}
	if i, ok := c.(driver.NamedValueChecker); ok {
		caps.check = i
	}
	if i, ok := c.(driver.Pinger); ok {
		caps.ping = i
	}
	if i, ok := c.(driver.ConnPrepareContext); ok {
		caps.prepare = i
	}
	if i, ok := c.(driver.SessionResetter); ok {
		caps.reset = i
	}
	if i, ok := c.(driver.Validator); ok {
		caps.valid = i
	}
	return caps
}

// absent does what database/sql does with a connection that lacks an interface.
// The sources are ctxutil.go, convert.go and sql.go of Go's database/sql.
type absent struct{ driver.Conn }

func (absent) Ping(context.Context) error { return nil }

func (absent) ResetSession(context.Context) error { return nil }

func (absent) IsValid() bool { return true }

// CheckNamedValue sends the argument on to the statement's column converter or
// the default one, which is where it would have gone.
func (absent) CheckNamedValue(*driver.NamedValue) error { return driver.ErrSkip }

func (a absent) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := a.Conn.Prepare(query)
	if err == nil && ctx.Err() != nil {
		_ = stmt.Close()
		return nil, ctx.Err()
	}
	return stmt, err
}

func (a absent) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if opts.Isolation != 0 {
		return nil, errors.New("sql: driver does not support non-default isolation level")
	}
	if opts.ReadOnly {
		return nil, errors.New("sql: driver does not support read-only transactions")
	}
	tx, err := a.Conn.Begin() //nolint:staticcheck // all that the parent has
	if err == nil && ctx.Err() != nil {
		_ = tx.Rollback()
		return nil, ctx.Err()
	}
	return tx, err
}

type legacyExecer struct {
	driver.Execer
}

func (l legacyExecer) ExecContext(ctx context.Context, query string, named []driver.NamedValue) (driver.Result, error) {
	args, err := positional(ctx, named)
	if err != nil {
		return nil, err
	}
	return l.Exec(query, args)
}

type legacyQueryer struct {
	driver.Queryer
}

func (l legacyQueryer) QueryContext(ctx context.Context, query string, named []driver.NamedValue) (driver.Rows, error) {
	args, err := positional(ctx, named)
	if err != nil {
		return nil, err
	}
	return l.Query(query, args)
}

// stmtExecer and stmtQueryer are the contextual forms of a statement that may
// lack them.
func stmtExecer(s driver.Stmt) driver.StmtExecContext {
	if i, ok := s.(driver.StmtExecContext); ok {
		return i
	}
	return legacyStmt{s}
}

func stmtQueryer(s driver.Stmt) driver.StmtQueryContext {
	if i, ok := s.(driver.StmtQueryContext); ok {
		return i
	}
	return legacyStmt{s}
}

type legacyStmt struct{ driver.Stmt }

func (l legacyStmt) ExecContext(ctx context.Context, named []driver.NamedValue) (driver.Result, error) {
	args, err := positional(ctx, named)
	if err != nil {
		return nil, err
	}
	return l.Stmt.Exec(args) //nolint:staticcheck // all that the parent has
}

func (l legacyStmt) QueryContext(ctx context.Context, named []driver.NamedValue) (driver.Rows, error) {
	args, err := positional(ctx, named)
	if err != nil {
		return nil, err
	}
	return l.Stmt.Query(args) //nolint:staticcheck // all that the parent has
}

// positional turns named values into plain ones for a driver of the old form,
// which knows no names and no contexts.
func positional(ctx context.Context, named []driver.NamedValue) ([]driver.Value, error) {
	args := make([]driver.Value, len(named))
	for i, nv := range named {
		if nv.Name != "" {
			return nil, errors.New("sql: driver does not support the use of Named Parameters")
		}
		args[i] = nv.Value
	}
	return args, ctx.Err()
}
