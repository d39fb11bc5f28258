package sqlwitness

import (
	"context"
	"errors"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/metrics"
	"github.com/sqlwitness/sqlwitness/migrator"
)

// This file carries what the recogniser has made out to the audit trail and to
// the sinks. The audit comes first, so that a line in the log that says
// "guarantee":"tx" is never ahead of the row that it speaks of.

// tell passes changes on. ran says that a statement has run in the connection's
// open transaction. The error, which only audit.Strict makes, is the reason why
// the migration must not go on.
func (c *connector) tell(ctx context.Context, changes []migrator.Change, ran bool) (refuse error) {
	ctx = context.WithoutCancel(ctx)
	for _, ch := range changes {
		if run := ch.Run; run != nil {
			c.summed(run)
			c.w.each(func(s event.Sink) { s.Run(run) })
			c.impactOf(run)
			c.mindHeld()
			if run.Finished {
				c.observer.ran(run, c.left(run), c.used)
				c.compare(run)
				c.runEnded(run)
			}
			if cold := c.start.ran(run, c.w.base); cold != nil {
				c.w.each(func(s event.Sink) { s.ColdStart(cold) })
			}
		}
		m := ch.Migration
		if m == nil {
			continue
		}
		c.attempted(m)
		c.start.migrated(m)
		switch {
		case m.Outcome == "":
			c.observer.migrates()
			if err := c.audit.Intent(ctx, m, ran); err != nil {
				refuse = &Error{Op: "audit", Err: err, Hint: "the migration was not started: audit.Strict refuses what it cannot record"}
			}
		case m.Guarantee == "":
			// An error is audit.Strict's. It has been reported, and it is too late to
			// refuse this migration; the next one is refused at its intent.
			_ = c.audit.Outcome(ctx, m)
		}
		if m.Outcome == event.Forced {
			c.forced(m)
		}
		c.w.each(func(s event.Sink) { s.Migration(m) })
		if m.Outcome == event.Failed || m.Outcome == event.Interrupted {
			c.w.flushOnFailure()
		}
	}
	return refuse
}

// tellAfter is tell for what is learnt after a call, when it is too late to
// refuse that one: the next is. The end of a migration whose transaction is
// still open is kept until that is over, because only then may a row about it be
// written through another connection (SQLite has one writer) and only then is
// it the end.
func (c *conn) tellAfter(ctx context.Context, changes []migrator.Change) {
	now := changes[:0:0]
	for _, ch := range changes {
		if c.inTx && hasEnded(ch) {
			c.late = append(c.late, ch)
		} else {
			now = append(now, ch)
		}
	}
	if err := c.connector.tell(ctx, now, c.inTx); err != nil {
		c.refuse = err
	}
	for _, ch := range now {
		c.askTimeouts = c.askTimeouts || ch.Run != nil && !ch.Run.Finished
	}
}

// found passes on a finding.
func (c *connector) found(f event.Finding) {
	defer c.w.contain("probe")
	c.w.each(func(s event.Sink) { s.Finding(&f) })
}

// left passes on what a run has left behind, but for a lock that the next run has
// taken since.
func (c *connector) left(r *event.Run) func(event.Finding) {
	ended := r.Start.Add(r.Duration)
	return func(f event.Finding) {
		if f.Kind != "lock_left" || !c.takenSince(f.Object, ended) {
			c.found(f)
		}
	}
}

func hasEnded(ch migrator.Change) bool {
	return ch.Migration != nil && ch.Migration.Outcome != "" || ch.Run != nil && ch.Run.Finished
}

func (c *conn) tellLocks(locks []event.Lock) {
	if len(locks) == 0 {
		return
	}
	defer c.connector.w.contain("lock")
	for i := range locks {
		l := &locks[i]
		l.Database = c.connector.db
		l.Tools = l.Stage == event.LockFailed && c.connector.tracker.Locks(l.ConnID, l.Key)
		c.connector.polled(l)
		c.connector.w.each(func(s event.Sink) { s.Lock(l) })
	}
	c.connector.mindHeld()
}

// txBegan notes the start of a transaction.
func (c *conn) txBegan(ctx context.Context, start int64, err error) {
	c.connector.metrics.Began(c.id, c.phase(), c.now()-start, err)
	if c.connector.tracker.Active() {
		c.watchEvent(ctx, migrator.Begin, err)
	}
}

// beforeCommit writes the outcome of the migrations that the open transaction
// completes, on the transaction's own connection. An error (see
// audit.Store.Commit) is the answer in the parent's place.
func (c *conn) beforeCommit(ctx context.Context) (pending []*event.Migration, err error) {
	if !c.connector.tracker.Active() {
		return nil, nil
	}
	defer c.connector.w.contain("audit")
	pending = c.connector.tracker.Pending(c.id)
	// A connection with rows open takes no further statement, and a read-only
	// transaction no INSERT: the row is then written after the commit.
	if len(pending) == 0 || c.open > 0 || c.readOnly {
		return pending, nil
	}
	err = c.connector.audit.Commit(context.WithoutCancel(ctx), c.parent, pending)
	if refusal := (*audit.Error)(nil); errors.As(err, &refusal) {
		err = &Error{Op: "audit", Err: err, Hint: "the transaction was rolled back: audit.Strict commits nothing that it cannot record"}
	}
	return pending, err
}

// committed is told that the parent has answered a commit.
func (c *conn) committed(t *tx, pending []*event.Migration, err error, start int64) {
	c.txOver(t, migrator.Commit, pending, err, start)
}

// txEnded is told that the parent has answered a rollback.
func (c *conn) rolledBack(t *tx, err error, start int64) {
	c.txOver(t, migrator.Rollback, nil, err, start)
}

func (c *conn) txOver(t *tx, kind migrator.Kind, pending []*event.Migration, err error, start int64) {
	stop := c.now()
	ctx := t.ctx
	t.over, t.ctx = true, nil
	outcome := metrics.Committed
	if kind == migrator.Rollback {
		outcome = metrics.RolledBack
	}
	c.connector.metrics.Ended(c.id, c.phase(), outcome, stop-start, stop-t.start, err)
	if c.connector.tracker.Active() || len(c.late) > 0 {
		c.txWatched(ctx, kind, pending, err, start, stop)
	}
	c.inTx, c.readOnly = false, false
	if c.flight.holds.Load() != nil {
		c.flight.holds.Store(nil)
	}
	c.tellLocks(c.connector.locks.txEnded(c.id, c.at(stop)))
}

func (c *conn) txWatched(ctx context.Context, kind migrator.Kind, pending []*event.Migration, err error, start, stop int64) {
	defer c.connector.w.contain("migrator")
	changes := c.connector.tracker.After(&migrator.Call{Kind: kind, Conn: c.id, InTx: true, Affected: -1, Err: err,
		Start: c.at(start), Duration: time.Duration(stop - start), CorrelationID: correlationID(ctx)})
	c.inTx = false
	c.recorded(ctx, pending, err)
	c.tellLate(ctx)
	c.tellAfter(ctx, changes)
}

// recorded tells the audit how a commit went whose migrations it has written.
func (c *conn) recorded(ctx context.Context, pending []*event.Migration, err error) {
	if len(pending) > 0 {
		c.connector.audit.Committed(context.WithoutCancel(ctx), pending, err)
	}
}

// tellLate passes on what waited for the end of the transaction.
func (c *conn) tellLate(ctx context.Context) {
	late := c.late
	c.late = nil
	c.tellAfter(ctx, late)
}
