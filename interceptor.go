package sqlwitness

import (
	"context"
	"database/sql/driver"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/metrics"
	"github.com/sqlwitness/sqlwitness/migrator"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// This file is where a statement meets those who watch it. There are two ways
// through it. The short one, for the great mass of statements: look the text up,
// read the clock, mark the statement as in flight, call the parent, read the
// clock, count. The long one (watch.go), for texts that a lock or a recogniser
// is interested in and for every statement while a migration runs.

// sampleEvery is how often a statement's own overhead is measured: a power of
// two. Measuring it takes two more looks at the clock.
const sampleEvery = 256

// now is the time since the witness was made, in nanoseconds, by the monotonic
// clock: one look at the clock, where time.Now takes two.
func (c *conn) now() int64 { return int64(time.Since(c.base)) }

// at turns a reading of now into a time.
func (c *conn) at(ns int64) time.Time { return c.base.Add(time.Duration(ns)) }

// enter finds what is known of the text of a statement that comes in.
func (c *conn) enter(query string) *text {
	c.sample()
	return c.texts.get(query, c.connector.texts)
}

// sample counts a statement and, now and then, notes when it came in.
func (c *conn) sample() {
	c.calls++
	if c.calls%sampleEvery == 0 {
		c.entered = c.now()
	}
}

// long reports whether a statement takes the long way.
func (c *conn) long(t *text) bool {
	return t.watched || c.connector.tracker.Active()
}

// begin is called right before the parent.
func (c *conn) begin(t *text) (start int64) {
	start = c.now()
	if c.failedText == t || c.connector.retries.expecting.Load() {
		c.again(t, start)
	}
	c.flight.takeOff(start, t)
	if !c.awake.Load() {
		c.connector.w.watcher.wake()
	}
	if c.calls%sampleEvery == 0 {
		c.before = start - c.entered
	}
	return start
}

// end is called right after the parent, and returns what the call took.
func (c *conn) end(ctx context.Context, t *text, start int64, err error) (took int64) {
	stop := c.now()
	c.flight.land()
	took = stop - start
	phase, latency := metrics.Steady, t.latency
	if i := c.connector.impact.Load(); i != nil {
		phase, latency = i.beside(c, t, took, err)
	}
	if err != nil {
		c.failed(ctx, t, phase, start, took, err)
	} else {
		latency.ObserveOn(c.id, took)
		if took >= t.slow {
			c.slow(ctx, t, phase, start, took)
		}
	}
	if c.calls%sampleEvery == 0 {
		c.connector.w.metrics.Overhead(c.before + c.now() - stop)
	}
	return took
}

// failed tells of a statement that the parent answered with an error. ErrSkip
// is no error: database/sql prepares the statement and comes again.
func (c *conn) failed(ctx context.Context, t *text, phase metrics.Phase, start, took int64, err error) {
	if err == driver.ErrSkip { //nolint:errorlint // database/sql compares it so
		return
	}
	defer c.connector.w.contain("interceptor")
	c.mayRetry(t, start, start+took, err)
	s := c.statement(ctx, t, phase, start, took)
	s.Err = err
	s.ErrorClass, s.SQLState = event.Classify(err)
	c.connector.metrics.Failed(s.Operation, phase, errorType(s), took)
	c.connector.w.each(func(sink event.Sink) { sink.Statement(s) })
}

// slow tells of a statement over its class's threshold.
func (c *conn) slow(ctx context.Context, t *text, phase metrics.Phase, start, took int64) {
	defer c.connector.w.contain("interceptor")
	s := c.statement(ctx, t, phase, start, took)
	s.Slow = true
	c.connector.w.each(func(sink event.Sink) { sink.Statement(s) })
}

// statement describes a statement for the sinks.
func (c *conn) statement(ctx context.Context, t *text, phase metrics.Phase, start, took int64) *event.Statement {
	s := &event.Statement{
		Trace:        c.connector.trace(ctx, c.id),
		Database:     c.connector.db,
		ConnID:       c.id,
		Operation:    t.Operation().String(),
		Class:        t.Class().String(),
		Summary:      t.Summary,
		Fingerprint:  t.FingerprintHex(),
		Text:         t.Redacted,
		Phase:        phase.String(),
		Start:        c.at(start),
		Duration:     time.Duration(took),
		RowsAffected: -1,
	}
	if t.slow != never {
		s.Threshold = time.Duration(t.slow)
	}
	s.Tables = t.tables()
	return s
}

// errorType is OpenTelemetry's error.type: the server's code, else the class.
func errorType(s *event.Statement) string {
	if s.SQLState != "" {
		return s.SQLState
	}
	return s.ErrorClass
}

func (c *conn) prepareFailed(query string, err error) {
	t := c.enter(query)
	c.failed(context.Background(), t, c.phase(), c.now(), 0, err)
}

func (c *conn) phase() metrics.Phase {
	if i := c.connector.impact.Load(); c.connector.tracker.Active() || i != nil && i.running.Load() {
		return metrics.Migrating
	}
	return metrics.Steady
}

// newRows wraps a result set in the connection's own rows value, or in a new
// one while that is in use.
func (c *conn) newRows(ctx context.Context, parent driver.Rows, t *text, start, took int64, w *watch) driver.Rows {
	if parent == nil {
		return nil
	}
	r := &c.rows
	if r.parent != nil {
		r = new(rows)
	}
	*r = rows{conn: c, parent: parent, ctx: ctx, text: t, start: start, took: took, watch: w}
	c.open++
	return r.public()
}

// rowsClosed ends a query.
func (c *conn) rowsClosed(r *rows) {
	c.open--
	c.read += uint64(r.count)
	stop := c.now()
	open := stop - r.start
	switch {
	case r.watch != nil:
		c.watchRowsClosed(r)
	case r.err != nil:
		c.failed(r.ctx, r.text, c.phase(), r.start, r.took, r.err)
	case open >= r.text.slow && r.took < r.text.slow:
		c.heldOpen(r, open)
	}
	r.ctx, r.watch = nil, nil
}

// heldOpen tells of a query whose call was quick but whose rows were open for
// longer than the threshold: a lock and a snapshot held all the while, be it the
// server that was slow to send or the caller that was slow to read.
func (c *conn) heldOpen(r *rows, open int64) {
	defer c.connector.w.contain("interceptor")
	s := c.statement(r.ctx, r.text, c.phase(), r.start, r.took)
	s.Slow, s.Open, s.Rows = true, time.Duration(open), r.count
	c.connector.w.each(func(sink event.Sink) { sink.Statement(s) })
}

// checkedOut is told that the pool has handed the connection out again.
func (c *conn) checkedOut(ctx context.Context, err error) {
	c.resets++
	c.publish() // a parent without Validator has no other occasion
	c.refuse = nil
	if c.connector.tracker.Active() {
		c.watchEvent(ctx, migrator.Reset, err)
	}
	c.tellLocks(c.connector.locks.checkedOut(c.id))
}

func (c *conn) closed(err error) {
	ctx := context.Background()
	c.publish()
	last := c.connector.remove(c)
	c.watchEvent(ctx, migrator.Close, err)
	c.tellLocks(c.connector.locks.closed(c.id, c.at(c.now())))
	if last {
		c.connector.ended()
	}
}

// remove forgets a connection, and reports whether it was the last one of a DB
// that is closed.
func (c *connector) remove(conn *conn) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.collect(conn)
	_, there := c.conns[conn]
	delete(c.conns, conn)
	c.metrics.Disconnected()
	return there && c.closing && len(c.conns) == 0
}

// collect adds to the metrics what a connection has counted since the last time.
// c.mu is held.
func (c *connector) collect(conn *conn) {
	now, before := conn.tally.load(), conn.tally.collected
	conn.tally.collected = now
	c.metrics.Counted(now.calls-before.calls, now.reused-before.reused, now.read-before.read, now.resets-before.resets)
}

// analyse works out what the connector knows of a text. Where that fails, by a
// defect of ours, nothing is known of it and nothing of it is shown.
func (c *connector) analyse(sql string) (t *text) {
	t = &text{Text: &sqltext.Text{SQL: sql, Dialect: c.dialect}, slow: never, latency: c.metrics.Operation("", metrics.Steady)}
	defer c.w.contain("sqltext")
	return c.know(c.analyzer(sql, c.dialect))
}

func (c *connector) know(analyzed *sqltext.Text) *text {
	t := &text{Text: analyzed}
	t.role = migrator.Classify(t.Text)
	t.notable.kind = notableKind(t.Text)
	t.watched = t.role != 0 || t.notable.kind != ""
	for i := range t.Statements {
		t.watched = t.watched || len(t.Statements[i].Locks) > 0
	}
	t.slow = threshold(c.w.cfg.Slow.Threshold(t.Class().String()))
	t.latency = c.metrics.Operation(t.Operation().String(), metrics.Steady)
	return t
}
