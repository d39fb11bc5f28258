package sqlwitness

import (
	"bytes"
	"context"
	"database/sql/driver"
	"slices"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/metrics"
	"github.com/sqlwitness/sqlwitness/migrator"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// watch is one statement on the long way: shown to the recogniser before and
// after, its lock calls followed, its rows read along.
type watch struct {
	conn   *conn
	ctx    context.Context
	text   *text
	phase  metrics.Phase
	call   migrator.Call
	locks  []sqltext.LockCall
	first  []driver.Value // the first row, for a lock's answer
	rows   int
	start  int64
	commit bool // the text is a lone COMMIT
	audit  []*event.Migration
}

// maxWatchedRows bounds how many rows of one query the recogniser is shown.
const maxWatchedRows = 10_000

func (c *conn) watchExec(ctx context.Context, t *text, args []driver.NamedValue, exec func() (driver.Result, error)) (driver.Result, error) {
	w, err := c.watchBegin(ctx, migrator.Exec, t, args)
	if err != nil {
		return nil, err
	}
	w.takeOff()
	res, err := exec()
	took := w.land()
	c.watchEnd(w, res, took, err)
	return res, err
}

func (c *conn) watchQuery(ctx context.Context, t *text, args []driver.NamedValue, query func() (driver.Rows, error)) (driver.Rows, error) {
	w, err := c.watchBegin(ctx, migrator.Query, t, args)
	if err != nil {
		return nil, err
	}
	w.takeOff()
	parent, err := query()
	took := w.land()
	c.watchEnd(w, nil, took, err)
	if err != nil || parent == nil {
		return parent, err
	}
	return c.newRows(ctx, parent, t, w.start, took, w), nil
}

// takeOff marks the statement as in flight, right before the parent is called.
func (w *watch) takeOff() {
	if len(w.locks) > 0 {
		w.conn.flight.lock.Store(w.asked())
	}
	w.start = w.conn.begin(w.text)
}

// land ends that, and returns what the call took.
func (w *watch) land() (took int64) {
	took = w.conn.now() - w.start
	w.conn.flight.land()
	w.conn.flight.lock.Store(nil)
	return took
}

// watchBegin shows a statement to the recogniser before it is sent. An error,
// which only audit.Strict makes, is the answer in the parent's place.
func (c *conn) watchBegin(ctx context.Context, kind migrator.Kind, t *text, args []driver.NamedValue) (w *watch, err error) {
	w = &watch{conn: c, ctx: ctx, text: t, phase: c.phase()}
	defer c.connector.w.contain("migrator")
	w.call = migrator.Call{Kind: kind, Conn: c.id, InTx: c.inTx, Text: t.Text, Role: t.role, Args: args, Affected: -1,
		Start: c.at(c.now()), CorrelationID: correlationID(ctx)}
	c.again(t, c.now())
	if c.askTimeouts && !c.inTx && !c.byText && c.open == 0 && !t.tx() {
		c.readTimeouts(ctx)
	}
	c.identify(ctx, t)
	for i := range t.Statements {
		w.locks = append(w.locks, t.Statements[i].Locks...)
	}
	if c.refuse != nil {
		err, c.refuse = c.refuse, nil
		return w, err
	}
	ran := c.inTx && c.calls > c.txCalls+1
	changes := c.connector.tracker.Before(&w.call)
	c.runBegins(ctx, changes, t, false)
	if err = c.connector.tell(ctx, changes, ran); err != nil {
		return w, err
	}
	if t.isCommit() {
		w.audit, err = c.beforeCommit(ctx)
		w.commit = true
	}
	return w, err
}

// watchEnd tells what has become known when the parent has answered.
func (c *conn) watchEnd(w *watch, res driver.Result, took int64, err error) {
	if err == driver.ErrSkip { //nolint:errorlint // database/sql compares it so
		return
	}
	defer c.connector.w.contain("migrator")
	c.transacted(w.text, err)
	c.holding(w.text, w.start+took)
	w.call.Err, w.call.Duration = err, time.Duration(took)
	if err == nil && res != nil {
		if n, err := res.RowsAffected(); err == nil {
			w.call.Affected = n
		}
	}
	begun, ended := parted(c.connector.tracker.After(&w.call))
	c.runBegins(w.ctx, begun, w.text, true)
	c.ofRun()
	c.tellAfter(w.ctx, begun)
	if w.commit {
		c.recorded(w.ctx, w.audit, err)
	}
	if w.call.Kind == migrator.Exec || err != nil {
		c.lockAnswered(w, lockAnswer{err: err})
	}
	c.flight.lock.Store(nil) // not before it is known to be held, see takenSince
	if err != nil {
		c.failed(w.ctx, w.text, w.phase, w.start, took, err)
	} else {
		trace := c.connector.trace(w.ctx, c.id)
		c.noted(w.text, trace)
		if w.text.Class() == sqltext.ClassDDL && trace.MigrationID == "" {
			c.connector.made(w.text)
		}
		c.connector.metrics.Operation(w.text.Operation().String(), w.phase).ObserveOn(c.id, took)
		if took >= w.text.slow {
			c.slow(w.ctx, w.text, w.phase, w.start, took)
		}
	}
	c.ofApplication(w.text, took, err)
	c.tellAfter(w.ctx, ended)
}

// transacted follows the transactions that are begun and ended by their texts, in
// which we ask nothing either: after a query of ours SET TRANSACTION would fail.
func (c *conn) transacted(t *text, err error) {
	if err != nil {
		return
	}
	for i := range t.Statements {
		switch t.Statements[i].Operation.String() {
		case "BEGIN":
			c.byText = true
		case "COMMIT", "ROLLBACK":
			c.byText = false
		}
	}
}

// parted tells what began from what ended, between which the statement itself is
// told of.
func parted(changes []migrator.Change) (begun, ended []migrator.Change) {
	for _, ch := range changes {
		if hasEnded(ch) {
			ended = append(ended, ch)
		} else {
			begun = append(begun, ch)
		}
	}
	return begun, ended
}

// row is shown each row that the caller reads.
func (w *watch) row(columns []string, values []driver.Value) {
	c := w.conn
	defer c.connector.w.contain("migrator")
	if w.rows++; w.rows == 1 && len(w.locks) > 0 {
		w.first = keep(values)
	}
	if !w.text.role.WantsRows() && !w.call.WantsRows || w.rows > maxWatchedRows {
		return
	}
	call := w.call
	call.Kind, call.Columns, call.Values = migrator.Row, columns, values
	changes := c.connector.tracker.After(&call)
	c.runBegins(w.ctx, changes, w.text, true)
	c.tellAfter(w.ctx, changes)
}

// watchRowsClosed ends a query on the long way.
func (c *conn) watchRowsClosed(r *rows) {
	w := r.watch
	defer c.connector.w.contain("migrator")
	call := w.call
	call.Kind, call.Err = migrator.RowEnd, r.err
	changes := c.connector.tracker.After(&call)
	c.runBegins(w.ctx, changes, w.text, true)
	c.lockAnswered(w, lockAnswer{err: r.err})
	if r.err != nil {
		c.failed(w.ctx, w.text, w.phase, r.start, r.took, r.err)
	}
	c.tellAfter(w.ctx, changes)
}

// watchEvent shows the recogniser a call that has no text.
func (c *conn) watchEvent(ctx context.Context, kind migrator.Kind, err error) {
	defer c.connector.w.contain("migrator")
	c.tellAfter(ctx, c.connector.tracker.After(&migrator.Call{Kind: kind, Conn: c.id, InTx: c.inTx, Err: err,
		Affected: -1, Start: c.at(c.now()), CorrelationID: correlationID(ctx)}))
}

// lockAnswered follows the lock calls of a statement that has been answered.
func (c *conn) lockAnswered(w *watch, a lockAnswer) {
	if len(w.locks) == 0 {
		return
	}
	end := c.at(c.now())
	for _, l := range w.locks {
		answer := a
		if a.err == nil && l.Column >= 0 && l.Column < len(w.first) {
			answer.known, answer.value = true, w.first[l.Column]
		}
		c.tellLocks(c.connector.locks.called(lockCall{LockCall: l, conn: c.id, inTx: w.call.InTx, args: w.call.Args,
			start: w.call.Start, end: end, answer: answer, trace: c.connector.trace(w.ctx, c.id)}))
	}
	w.locks = nil
}

// asked describes the lock that the statement asks for.
func (w *watch) asked() *event.Lock {
	l := w.locks[0]
	return &event.Lock{ConnID: w.conn.id, Stage: event.LockWaiting, Kind: l.Kind, Key: lockKey(l.Args, w.call.Args), Shared: l.Shared,
		Scope: scope(l.Xact), Start: w.call.Start, Attempts: 1}
}

// keep copies a row: its byte slices are the driver's, valid until the next Next.
func keep(values []driver.Value) []driver.Value {
	row := slices.Clone(values)
	for i, v := range row {
		if b, ok := v.([]byte); ok {
			row[i] = bytes.Clone(b)
		}
	}
	return row
}
