package sqlwitness

import (
	"context"
	"database/sql/driver"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/migrator"
)

// conn forwards to a parent connection and owns what is known of it. One
// goroutine at a time uses a connection, so its fields need no lock; flight
// alone is read by others.
//
// database/sql sees a type that has what the parent has, see public.
type conn struct {
	connector *connector
	parent    driver.Conn
	caps      capabilities
	id        uint64
	base      time.Time // the clock's zero: see now
	flight    flight
	awake     *atomic.Bool // the watcher is
	texts     recent

	calls   uint64 // statements executed, of which every sampleEvery-th has its overhead measured
	entered int64  // sampled: when the statement came in
	before  int64  // sampled: what was spent until the parent was called

	reused uint64 // executions of a prepared statement that was used before
	read   uint64 // rows that the caller has read
	resets uint64 // times that the pool has handed the connection out again
	tally  tally  // the same four, for a scrape to read

	inTx     bool
	byText   bool   // a transaction is open that was begun by its text
	txCalls  uint64 // calls, when the transaction began
	readOnly bool
	open     int  // result sets that are not closed
	tx       tx   // used again by each transaction in turn
	rows     rows // used again by each result set in turn

	askTimeouts bool // a run has begun here, and its timeouts are not read yet
	session     session

	failedText *text // the statement that failed last, if it may come again
	failure    failure

	refuse error             // audit.Strict: what the next statement of the migration is answered with
	late   []migrator.Change // what is told once the open transaction has ended
}

// The optional interfaces that a connection must not have where its parent has
// none, because database/sql acts on their mere presence:
//
//   - With a fast path (ExecerContext, QueryerContext), arguments are checked
//     against the connection, without it by the statement, even if the fast path
//     then answers ErrSkip.
//   - With both SessionResetter and Validator, a connection whose transaction was
//     rolled back by a cancelled context is kept, else it is closed.
type (
	execer    struct{ c *conn }
	queryer   struct{ c *conn }
	resetter  struct{ c *conn }
	validator struct{ c *conn }
)

func (e execer) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return e.c.execContext(ctx, query, args)
}

func (q queryer) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return q.c.queryContext(ctx, query, args)
}

// ResetSession is called when the pool hands the connection out again.
func (r resetter) ResetSession(ctx context.Context) error { return r.c.resetSession(ctx) }

// IsValid is called when the connection is put back into the pool.
func (v validator) IsValid() bool { return v.c.isValid() }

var (
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.ExecerContext      = execer{}
	_ driver.QueryerContext     = queryer{}
	_ driver.SessionResetter    = resetter{}
	_ driver.Validator          = validator{}
)

// public is the value that database/sql sees: the connection with those of the
// four that its parent has. Whether a parent that lacks both SessionResetter and
// Validator is given one of them makes no difference, so it has the former: that
// is how the pool tells that it hands the connection out.
func (c *conn) public() driver.Conn {
	e, q, r, v := execer{c}, queryer{c}, resetter{c}, validator{c}
	_, resets := c.parent.(driver.SessionResetter)
	_, validates := c.parent.(driver.Validator)
	fast := fastPaths{c.caps.exec != nil, c.caps.query != nil}
	switch {
	case resets && validates:
		switch fast {
		case fastPaths{true, true}:
			return &struct {
				*conn
				execer
				queryer
				resetter
				validator
			}{c, e, q, r, v}
		case fastPaths{true, false}:
			return &struct {
				*conn
				execer
				resetter
				validator
			}{c, e, r, v}
		case fastPaths{false, true}:
			return &struct {
				*conn
				queryer
				resetter
				validator
			}{c, q, r, v}
		}
		return &struct {
			*conn
			resetter
			validator
		}{c, r, v}
	case validates:
		switch fast {
		case fastPaths{true, true}:
			return &struct {
				*conn
				execer
				queryer
				validator
			}{c, e, q, v}
		case fastPaths{true, false}:
			return &struct {
				*conn
				execer
				validator
			}{c, e, v}
		case fastPaths{false, true}:
			return &struct {
				*conn
				queryer
				validator
			}{c, q, v}
		}
		return &struct {
			*conn
			validator
		}{c, v}
	}
	switch fast {
	case fastPaths{true, true}:
		return &struct {
			*conn
			execer
			queryer
			resetter
		}{c, e, q, r}
	case fastPaths{true, false}:
		return &struct {
			*conn
			execer
			resetter
		}{c, e, r}
	case fastPaths{false, true}:
		return &struct {
			*conn
			queryer
			resetter
		}{c, q, r}
	}
	return &struct {
		*conn
		resetter
	}{c, r}
}

// fastPaths says which of ExecerContext and QueryerContext a parent has.
type fastPaths struct{ exec, query bool }

func (c *conn) unwrap() any { return c.parent }

func (c *conn) execContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	t := c.enter(query)
	sent := c.sent(ctx, t, query, args)
	if c.long(t) {
		return c.watchExec(ctx, t, args, func() (driver.Result, error) {
			return c.caps.exec.ExecContext(ctx, sent, args)
		})
	}
	start := c.begin(t)
	res, err := c.caps.exec.ExecContext(ctx, sent, args)
	c.end(ctx, t, start, err)
	return res, err
}

func (c *conn) queryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	t := c.enter(query)
	sent := c.sent(ctx, t, query, args)
	if c.long(t) {
		return c.watchQuery(ctx, t, args, func() (driver.Rows, error) {
			return c.caps.query.QueryContext(ctx, sent, args)
		})
	}
	start := c.begin(t)
	parent, err := c.caps.query.QueryContext(ctx, sent, args)
	took := c.end(ctx, t, start, err)
	if err != nil {
		return parent, err
	}
	return c.newRows(ctx, parent, t, start, took, nil), nil
}

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	parent, err := c.parent.Prepare(query)
	return c.prepared(query, parent, err)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	parent, err := c.caps.prepare.PrepareContext(ctx, query)
	return c.prepared(query, parent, err)
}

func (c *conn) prepared(query string, parent driver.Stmt, err error) (driver.Stmt, error) {
	if err != nil {
		c.prepareFailed(query, err)
		return parent, err
	}
	return newStmt(c, query, parent), nil
}

func (c *conn) Begin() (driver.Tx, error) {
	start := c.now()
	parent, err := c.parent.Begin() //nolint:staticcheck // the caller chose the old form
	return c.begun(context.Background(), driver.TxOptions{}, start, parent, err)
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.mayIdentify(ctx)
	start := c.now()
	parent, err := c.caps.begin.BeginTx(ctx, opts)
	return c.begun(ctx, opts, start, parent, err)
}

func (c *conn) Ping(ctx context.Context) error { return c.caps.ping.Ping(ctx) }

func (c *conn) CheckNamedValue(nv *driver.NamedValue) error { return c.caps.check.CheckNamedValue(nv) }

func (c *conn) resetSession(ctx context.Context) error {
	err := c.caps.reset.ResetSession(ctx)
	c.checkedOut(ctx, err)
	return err
}

func (c *conn) isValid() bool {
	valid := c.caps.valid.IsValid()
	c.publish()
	return valid
}

func (c *conn) Close() error {
	err := c.parent.Close()
	c.closed(err)
	return err
}

// tally is what a connection has counted, for others to read. It is written when
// the connection goes back to the pool and read by a scrape, so that counting
// costs a statement no atomic operation that others contend for.
type tally struct {
	calls, reused, read, resets atomic.Uint64
	collected                   counts // what the metrics have of it; guarded by connector.mu
}

type counts struct{ calls, reused, read, resets uint64 }

func (t *tally) load() counts {
	return counts{t.calls.Load(), t.reused.Load(), t.read.Load(), t.resets.Load()}
}

// publish brings the tally up to date. Most calls change one number or two.
func (c *conn) publish() {
	t := &c.tally
	if t.calls.Load() != c.calls {
		t.calls.Store(c.calls)
	}
	if t.reused.Load() != c.reused {
		t.reused.Store(c.reused)
	}
	if t.read.Load() != c.read {
		t.read.Store(c.read)
	}
	if t.resets.Load() != c.resets {
		t.resets.Store(c.resets)
	}
}
