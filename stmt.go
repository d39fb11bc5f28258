package sqlwitness

import (
	"context"
	"database/sql/driver"
)

// stmt forwards to a prepared statement. Its text is classified once, when it
// is prepared.
type stmt struct {
	conn   *conn
	parent driver.Stmt
	exec   driver.StmtExecContext
	query  driver.StmtQueryContext
	check  driver.NamedValueChecker
	text   *text
	used   bool
}

// converterStmt is a statement whose parent converts by column. It is a type of
// its own because database/sql words some errors differently when a statement
// has a ColumnConverter, even one that does nothing special.
type converterStmt struct {
	*stmt
	converter driver.ColumnConverter //nolint:staticcheck // drivers of the old form exist
}

func (s *converterStmt) ColumnConverter(i int) driver.ValueConverter {
	return s.converter.ColumnConverter(i)
}

var (
	_ driver.StmtExecContext   = (*stmt)(nil)
	_ driver.StmtQueryContext  = (*stmt)(nil)
	_ driver.NamedValueChecker = (*stmt)(nil)
)

func newStmt(c *conn, query string, parent driver.Stmt) driver.Stmt {
	s := &stmt{
		conn:   c,
		parent: parent,
		exec:   stmtExecer(parent),
		query:  stmtQueryer(parent),
		text:   c.texts.get(query, c.connector.texts),
	}
	// database/sql asks the statement's checker, else the connection's. A
	// statement that has one of its own must not hide the connection's.
	if check, ok := parent.(driver.NamedValueChecker); ok {
		s.check = check
	} else {
		s.check = c.caps.check
	}
	if converter, ok := parent.(driver.ColumnConverter); ok { //nolint:staticcheck // drivers of the old form exist
		return &converterStmt{s, converter}
	}
	return s
}

func (s *stmt) unwrap() any { return s.parent }

func (s *stmt) NumInput() int { return s.parent.NumInput() }

func (s *stmt) CheckNamedValue(nv *driver.NamedValue) error { return s.check.CheckNamedValue(nv) }

func (s *stmt) Close() error { return s.parent.Close() }

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	c, t := s.conn, s.enter()
	if c.long(t) {
		return c.watchExec(ctx, t, args, func() (driver.Result, error) {
			return s.exec.ExecContext(ctx, args)
		})
	}
	start := c.begin(t)
	res, err := s.exec.ExecContext(ctx, args)
	c.end(ctx, t, start, err)
	return res, err
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	c, t := s.conn, s.enter()
	if c.long(t) {
		return c.watchQuery(ctx, t, args, func() (driver.Rows, error) {
			return s.query.QueryContext(ctx, args)
		})
	}
	start := c.begin(t)
	parent, err := s.query.QueryContext(ctx, args)
	took := c.end(ctx, t, start, err)
	if err != nil {
		return parent, err
	}
	return c.newRows(ctx, parent, t, start, took, nil), nil
}

// Exec is the old form; database/sql never calls it, since ExecContext exists.
func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), named(args))
}

// Query is the old form; database/sql never calls it, since QueryContext exists.
func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), named(args))
}

func (s *stmt) enter() *text {
	if s.used {
		s.conn.reused++
	} else {
		s.used = true
		s.conn.connector.prepared.Inc()
	}
	s.conn.sample()
	return s.text
}

func named(args []driver.Value) []driver.NamedValue {
	nvs := make([]driver.NamedValue, len(args))
	for i, v := range args {
		nvs[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return nvs
}
