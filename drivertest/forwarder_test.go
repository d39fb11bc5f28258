package drivertest

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// forwarder is a wrapper that is transparent, but for one defect: what the kit
// must let pass without it, and must find with it.
type forwarder struct{ defect string }

// has is asked wherever a wrapper can go wrong.
func (f forwarder) has(defect string) bool { return f.defect == defect }

func (f forwarder) wrapper() Wrapper {
	return Wrapper{
		Wrap: func(c driver.Connector) driver.Connector { return &fwConnector{f, c} },
		Unwrap: func(c any) any {
			if u, ok := c.(interface{ own() driver.Conn }); ok && !f.has("unwrap finds nothing") {
				return u.own()
			}
			return c
		},
	}
}

type fwConnector struct {
	forwarder
	parent driver.Connector
}

func (c *fwConnector) Driver() driver.Driver { return c.parent.Driver() }

func (c *fwConnector) Close() error {
	if closer, ok := c.parent.(io.Closer); ok && !c.has("connector is not closed") {
		return closer.Close()
	}
	return nil
}

func (c *fwConnector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.has("connect without the context") {
		ctx = context.Background()
	}
	parent, err := c.parent.Connect(ctx)
	if err != nil {
		return nil, c.error("connect", err)
	}
	return (&fwConn{forwarder: c.forwarder, Conn: parent, connected: ctx}).public(), nil
}

// public chooses a type that claims what the parent can do. Each optional
// interface that is missing here has an equivalent in one that does nothing, but
// for three: the two fast paths, and the pair of SessionResetter and Validator,
// without which database/sql does not keep a connection after a cancelled
// transaction.
func (c *fwConn) public() driver.Conn {
	exec, query := c.execer() != nil, c.queryer() != nil
	if c.has("fast paths are always claimed") {
		exec, query = true, true
	}
	if c.has("fast paths are lost") {
		exec, query = false, false
	}
	_, reset := c.Conn.(driver.SessionResetter)
	_, valid := c.Conn.(driver.Validator)
	if c.has("keeping the connection is always claimed") {
		reset, valid = true, true
	}
	type both struct {
		fwReset
		fwValid
	}
	type fast struct {
		fwExec
		fwQuery
	}
	e, q, r, v := fwExec{c}, fwQuery{c}, fwReset{c}, fwValid{c}
	switch {
	case exec && query && reset && valid:
		return struct {
			*fwConn
			fast
			both
		}{c, fast{e, q}, both{r, v}}
	case exec && query && valid:
		return struct {
			*fwConn
			fast
			fwValid
		}{c, fast{e, q}, v}
	case exec && query:
		return struct {
			*fwConn
			fast
			fwReset
		}{c, fast{e, q}, r}
	case exec && reset && valid:
		return struct {
			*fwConn
			fwExec
			both
		}{c, e, both{r, v}}
	case exec:
		return struct {
			*fwConn
			fwExec
			fwReset
		}{c, e, r}
	case query && reset && valid:
		return struct {
			*fwConn
			fwQuery
			both
		}{c, q, both{r, v}}
	case query:
		return struct {
			*fwConn
			fwQuery
			fwReset
		}{c, q, r}
	case reset && valid:
		return struct {
			*fwConn
			both
		}{c, both{r, v}}
	}
	return struct {
		*fwConn
		fwReset
	}{c, r}
}

// error is what the caller gets in place of the parent's error.
func (f forwarder) error(where string, err error) error {
	switch {
	case err == nil:
		return nil
	case f.has("errors are wrapped"), f.has("errors are wrapped: " + where):
		return fmt.Errorf("wrapped: %w", err)
	case f.has("errors are copied"):
		return errors.New(err.Error())
	case f.has("bad connections are hidden") && err == driver.ErrBadConn:
		return errors.New("bad connection")
	case f.has("bad connections are unwrapped") && errors.Is(err, driver.ErrBadConn):
		return driver.ErrBadConn
	case f.has("errors are lost: " + where):
		return nil
	}
	return err
}

type fwConn struct {
	driver.Conn
	forwarder
	connected context.Context
	shared    fwRows
}

func (c *fwConn) own() driver.Conn { return c.Conn }

func (c *fwConn) execer() func(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	if e, ok := c.Conn.(driver.ExecerContext); ok {
		return e.ExecContext
	}
	if e, ok := c.Conn.(driver.Execer); ok { //nolint:staticcheck // drivers of the old form exist
		return func(ctx context.Context, query string, named []driver.NamedValue) (driver.Result, error) {
			args, err := c.old(ctx, named)
			if err != nil {
				return nil, err
			}
			return e.Exec(query, args)
		}
	}
	return nil
}

func (c *fwConn) queryer() func(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	if q, ok := c.Conn.(driver.QueryerContext); ok {
		return q.QueryContext
	}
	if q, ok := c.Conn.(driver.Queryer); ok { //nolint:staticcheck // drivers of the old form exist
		return func(ctx context.Context, query string, named []driver.NamedValue) (driver.Rows, error) {
			args, err := c.old(ctx, named)
			if err != nil {
				return nil, err
			}
			return q.Query(query, args)
		}
	}
	return nil
}

// old is what database/sql does before it calls a method of the old form.
func (f forwarder) old(ctx context.Context, named []driver.NamedValue) ([]driver.Value, error) {
	args := make([]driver.Value, len(named))
	for i, nv := range named {
		if nv.Name != "" && !f.has("names are dropped") {
			return nil, errors.New("sql: driver does not support the use of Named Parameters")
		}
		args[i] = nv.Value
	}
	if f.has("cancelled contexts are not looked at") {
		return args, nil
	}
	return args, ctx.Err()
}

func (f forwarder) recover(err *error) {
	if f.has("panics become errors") {
		if p := recover(); p != nil {
			*err = fmt.Errorf("panic: %v", p)
		}
	}
}

type fwExec struct{ *fwConn }

func (c fwExec) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (_ driver.Result, err error) {
	defer c.recover(&err)
	exec := c.execer()
	if exec == nil {
		return nil, driver.ErrSkip
	}
	if c.has("texts are trimmed") && len(query) > 0 && query[len(query)-1] == ';' {
		query = query[:len(query)-1]
	}
	if c.has("statements are sent twice") {
		_, _ = exec(ctx, query, args)
	}
	res, err := exec(ctx, query, args)
	if c.has("bad connections are retried") && err == driver.ErrBadConn {
		res, err = exec(ctx, query, args)
	}
	if c.has("results are replaced") && err == nil {
		res = driver.ResultNoRows
	}
	if c.has("skip is an error") && err == driver.ErrSkip {
		return nil, errors.New("skipped")
	}
	return res, c.error("exec", err)
}

type fwQuery struct{ *fwConn }

func (c fwQuery) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (_ driver.Rows, err error) {
	defer c.recover(&err)
	exec := c.queryer()
	if exec == nil {
		return nil, driver.ErrSkip
	}
	if c.has("queries get the connection's context") {
		ctx = c.connected
	}
	rows, err := exec(ctx, query, args)
	return c.rows(rows, err)
}

func (c *fwConn) Ping(ctx context.Context) (err error) {
	if p, ok := c.Conn.(driver.Pinger); ok && !c.has("pings are lost") {
		return c.error("ping", p.Ping(ctx))
	}
	if c.has("ping is skipped") {
		return driver.ErrSkip
	}
	return nil
}

type fwReset struct{ *fwConn }

func (c fwReset) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok && !c.has("sessions are not reset") {
		return c.error("reset", r.ResetSession(ctx))
	}
	return nil
}

type fwValid struct{ *fwConn }

func (c fwValid) IsValid() bool {
	if v, ok := c.Conn.(driver.Validator); ok && !c.has("validity is not asked for") {
		return v.IsValid()
	}
	return true
}

func (c *fwConn) CheckNamedValue(nv *driver.NamedValue) (err error) {
	if c.has("every argument is let through") {
		return nil
	}
	if k, ok := c.Conn.(driver.NamedValueChecker); ok && !c.has("the connection's checker is lost") {
		return k.CheckNamedValue(nv)
	}
	if c.has("arguments are converted by default") {
		nv.Value, err = driver.DefaultParameterConverter.ConvertValue(nv.Value)
		return err
	}
	return driver.ErrSkip
}

func (c *fwConn) Close() error { return c.error("close", c.Conn.Close()) }

func (c *fwConn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

func (c *fwConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.has("isolation is dropped") {
		opts.Isolation = 0
	}
	if c.has("read-only is dropped") {
		opts.ReadOnly = false
	}
	if b, ok := c.Conn.(driver.ConnBeginTx); ok {
		tx, err := b.BeginTx(ctx, opts)
		return c.tx(tx, err)
	}
	if opts.Isolation != 0 {
		return nil, errors.New("sql: driver does not support non-default isolation level")
	}
	if opts.ReadOnly {
		return nil, errors.New("sql: driver does not support read-only transactions")
	}
	tx, err := c.Conn.Begin() //nolint:staticcheck // all that the parent has
	if err == nil && ctx.Err() != nil && !c.has("cancelled contexts are not looked at") {
		_ = tx.Rollback()
		return nil, ctx.Err()
	}
	return c.tx(tx, err)
}

func (c *fwConn) tx(tx driver.Tx, err error) (driver.Tx, error) {
	if err != nil {
		return nil, c.error("begin", err)
	}
	return &fwTx{Tx: tx, forwarder: c.forwarder}, nil
}

type fwTx struct {
	driver.Tx
	forwarder
	over bool
}

func (t *fwTx) Commit() error {
	if t.over && t.has("a second commit is answered for the parent") {
		return nil
	}
	t.over = true
	return t.error("commit", t.Tx.Commit())
}

func (t *fwTx) Rollback() error {
	if t.has("rollback is sent twice") {
		_ = t.Tx.Rollback()
	}
	return t.error("rollback", t.Tx.Rollback())
}

func (c *fwConn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *fwConn) PrepareContext(ctx context.Context, query string) (_ driver.Stmt, err error) {
	defer c.recover(&err)
	var parent driver.Stmt
	if p, ok := c.Conn.(driver.ConnPrepareContext); ok && !c.has("prepare without the context") {
		parent, err = p.PrepareContext(ctx, query)
	} else if parent, err = c.Conn.Prepare(query); err == nil && ctx.Err() != nil && !c.has("cancelled contexts are not looked at") {
		_ = parent.Close()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, c.error("prepare", err)
	}
	s := &fwStmt{Stmt: parent, conn: c, prepared: ctx}
	if cc, ok := parent.(driver.ColumnConverter); ok && !c.has("the column converter is lost") { //nolint:staticcheck // drivers of the old form exist
		return fwConverter{s, cc}, nil
	}
	return s, nil
}

// fwConverter does not embed a ColumnConverter: the field's name would hide the
// method of the same name.
type fwConverter struct {
	*fwStmt
	parent driver.ColumnConverter //nolint:staticcheck // as above
}

func (c fwConverter) ColumnConverter(i int) driver.ValueConverter { return c.parent.ColumnConverter(i) }

type fwStmt struct {
	driver.Stmt
	conn     *fwConn
	prepared context.Context
}

func (s *fwStmt) NumInput() int {
	if s.conn.has("the number of placeholders is unknown") {
		return -1
	}
	return s.Stmt.NumInput()
}

func (s *fwStmt) Close() error {
	if s.conn.has("statements are not closed") {
		return nil
	}
	return s.conn.error("close", s.Stmt.Close())
}

func (s *fwStmt) CheckNamedValue(nv *driver.NamedValue) error {
	if k, ok := s.Stmt.(driver.NamedValueChecker); ok && !s.conn.has("the statement's checker is lost") {
		return k.CheckNamedValue(nv)
	}
	if s.conn.has("the statement's checker hides the connection's") {
		return driver.ErrSkip
	}
	return s.conn.CheckNamedValue(nv)
}

func (s *fwStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (_ driver.Result, err error) {
	defer s.conn.recover(&err)
	if s.conn.has("statements keep the context they were prepared with") {
		ctx = s.prepared
	}
	if e, ok := s.Stmt.(driver.StmtExecContext); ok {
		res, err := e.ExecContext(ctx, args)
		return res, s.conn.error("exec prepared", err)
	}
	if s.conn.has("statements of the old form are skipped") {
		return nil, driver.ErrSkip
	}
	plain, err := s.conn.old(ctx, args)
	if err != nil {
		return nil, err
	}
	res, err := s.Exec(plain)
	return res, s.conn.error("exec prepared", err)
}

func (s *fwStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (_ driver.Rows, err error) {
	defer s.conn.recover(&err)
	if q, ok := s.Stmt.(driver.StmtQueryContext); ok {
		rows, err := q.QueryContext(ctx, args)
		return s.conn.rows(rows, err)
	}
	plain, err := s.conn.old(ctx, args)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(plain)
	return s.conn.rows(rows, err)
}

func (c *fwConn) rows(parent driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, c.error("query", err)
	}
	r := &fwRows{Rows: parent, conn: c}
	if c.has("rows of one connection are one") {
		c.shared.Rows, c.shared.conn = parent, c
		r = &c.shared
	}
	return r.scanning(), nil
}

type fwRows struct {
	driver.Rows
	conn *fwConn
}

func (r *fwRows) Next(dest []driver.Value) (err error) {
	defer r.conn.recover(&err)
	err = r.Rows.Next(dest)
	if err == io.EOF {
		return err
	}
	return r.conn.error("next", err)
}

func (r *fwRows) Close() error {
	if r.conn.has("rows are closed twice") {
		_ = r.Rows.Close()
	}
	return r.conn.error("close", r.Rows.Close())
}

func (r *fwRows) HasNextResultSet() bool {
	n, ok := r.Rows.(driver.RowsNextResultSet)
	return ok && n.HasNextResultSet() && !r.conn.has("result sets are lost")
}

func (r *fwRows) NextResultSet() error {
	if n, ok := r.Rows.(driver.RowsNextResultSet); ok && !r.conn.has("result sets are lost") {
		err := n.NextResultSet()
		if err == io.EOF {
			return err
		}
		return r.conn.error("next set", err)
	}
	return io.EOF
}

func (r *fwRows) ColumnTypeDatabaseTypeName(i int) string {
	if c, ok := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); ok && !r.conn.has("type names are lost") {
		return c.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

func (r *fwRows) ColumnTypeLength(i int) (int64, bool) {
	if c, ok := r.Rows.(driver.RowsColumnTypeLength); ok && !r.conn.has("lengths are lost") {
		return c.ColumnTypeLength(i)
	}
	return 0, false
}

func (r *fwRows) ColumnTypeNullable(i int) (nullable, ok bool) {
	if c, ok := r.Rows.(driver.RowsColumnTypeNullable); ok && !r.conn.has("nullability is lost") {
		return c.ColumnTypeNullable(i)
	}
	return false, false
}

func (r *fwRows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	if c, ok := r.Rows.(driver.RowsColumnTypePrecisionScale); ok && !r.conn.has("precision is lost") {
		return c.ColumnTypePrecisionScale(i)
	}
	return 0, 0, false
}

func (r *fwRows) ColumnTypeScanType(i int) reflect.Type {
	if c, ok := r.Rows.(driver.RowsColumnTypeScanType); ok && !r.conn.has("scan types are lost") {
		return c.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}
