package sqlwitness

import (
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// Kinds of retries beside the error classes that bring a statement again.
const (
	retryLockPoll  = "lock_poll" // a try-lock asked for again
	retryMigration = "migration" // a migration started again after it failed
)

// failure is a statement that failed in a way that is worth another try.
type failure struct {
	kind  string
	start int64 // of the first attempt
	end   int64 // of the last
}

// maxRetryGap is how long after a failure the same statement is still a retry.
const maxRetryGap = int64(5 * time.Minute)

// retries counts what is done again on a connector's connections, and the time
// that was lost by it: from the start of the first attempt to that of the next.
//
// The same text on the same connection is a retry without a doubt. On another
// connection it may as well be another caller's, so it counts there only where
// nobody else would send it: DDL, and what database/sql sends again by itself
// because the connection was broken.
type retries struct {
	expecting atomic.Bool // elsewhere holds something; false spares every statement the mutex

	mu        sync.Mutex
	elsewhere map[*text]failure
	latest    int64                // end of the last failure in it
	migration map[string]time.Time // by tool and version: the start of the attempt that failed
	count     int
	lost      time.Duration

	atStart     int // of the run that is open
	lostAtStart time.Duration
}

// maxFailures bounds what is remembered of failures.
const maxFailures = 64

// retryable tells the kind of retry that an error may bring; "" for none.
func retryable(err error) string {
	if errors.Is(err, driver.ErrBadConn) {
		return event.ClassBadConn
	}
	switch class, _ := event.Classify(err); class {
	case event.ClassLockTimeout, event.ClassDeadlock, event.ClassSerialization:
		return class
	}
	return ""
}

// again is called before a statement is sent that may have failed before.
func (c *conn) again(t *text, start int64) {
	f, r := failure{}, &c.connector.retries
	if c.failedText == t {
		f = c.failure
	} else if r.expecting.Load() {
		f = r.failure(t, start)
	}
	if f.kind == "" {
		return
	}
	c.failedText = nil
	r.forget(t)
	if start-f.end <= maxRetryGap {
		c.connector.retried(f.kind, 1, time.Duration(start-f.start))
	}
}

// failure is that of a text which may come again on any connection. Those that
// nobody has tried again in time are forgotten together.
func (r *retries) failure(t *text, now int64) failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now-r.latest > maxRetryGap {
		clear(r.elsewhere)
		r.expecting.Store(false)
	}
	return r.elsewhere[t]
}

// mayRetry notes a statement that has failed.
func (c *conn) mayRetry(t *text, start, end int64, err error) {
	kind := retryable(err)
	if kind == "" {
		return
	}
	f := failure{kind: kind, start: start, end: end}
	c.failedText, c.failure = t, f
	if r := &c.connector.retries; kind == event.ClassBadConn || t.Operation().DDL() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.elsewhere) >= maxFailures {
			clear(r.elsewhere)
		}
		if r.elsewhere == nil {
			r.elsewhere = map[*text]failure{}
		}
		r.elsewhere[t], r.latest = f, end
		r.expecting.Store(true)
	}
}

func (r *retries) forget(t *text) {
	if !r.expecting.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.elsewhere, t)
	r.expecting.Store(len(r.elsewhere) > 0)
}

// retried counts n retries.
func (c *connector) retried(kind string, n int, lost time.Duration) {
	c.w.metrics.Retried(kind, n, lost)
	c.retries.mu.Lock()
	defer c.retries.mu.Unlock()
	c.retries.count += n
	c.retries.lost += lost
}

// polled counts the attempts at a lock beyond the first.
func (c *connector) polled(l *event.Lock) {
	if l.Attempts > 1 && (l.Stage == event.LockAcquired || l.Stage == event.LockFailed) {
		c.retried(retryLockPoll, l.Attempts-1, l.Wait)
	}
}

// attempted counts a migration that starts again after it has failed. The key is
// what is known of it before its first statement.
func (c *connector) attempted(m *event.Migration) {
	key := m.Tool + "\x00after\x00" + m.After
	if m.Version != nil {
		key = m.Tool + "\x00" + *m.Version
	}
	r := &c.retries
	r.mu.Lock()
	before, failed := r.migration[key]
	switch {
	case m.Outcome == event.Failed:
		if len(r.migration) >= maxFailures {
			clear(r.migration)
		}
		if r.migration == nil {
			r.migration = map[string]time.Time{}
		}
		r.migration[key] = m.Start
	case m.Outcome != "":
		delete(r.migration, key)
	}
	r.mu.Unlock()
	if m.Outcome == "" && failed {
		c.retried(retryMigration, 1, m.Start.Sub(before))
	}
}

// summed adds to a run what was done again during it.
func (c *connector) summed(run *event.Run) {
	r := &c.retries
	r.mu.Lock()
	defer r.mu.Unlock()
	if !run.Finished {
		r.atStart, r.lostAtStart = r.count, r.lost
		return
	}
	run.Retries, run.RetryLost = r.count-r.atStart, r.lost-r.lostAtStart
}
