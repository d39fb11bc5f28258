package sqlwitness

import (
	"sync/atomic"

	"github.com/sqlwitness/sqlwitness/event"
)

// flight is what a connection has in flight, for the watcher and the gauges to
// read: a statement, or else an open transaction that holds what its statements
// have locked. The statement costs two atomic stores.
type flight struct {
	start atomic.Int64 // by the witness's clock; 0 while nothing runs
	text  atomic.Pointer[text]
	own   *text // what text holds, for the connection's own goroutine

	lock  atomic.Pointer[event.Lock] // the lock that the statement asks for; nil for most
	holds atomic.Pointer[idleTx]     // the open transaction that holds locks; nil for most
}

// idleTx is a transaction of a run between two of its statements.
type idleTx struct {
	text  *text // the last one
	since int64 // its end
}

func (f *flight) takeOff(start int64, t *text) {
	if f.own != t {
		f.own = t
		f.text.Store(t)
	}
	f.start.Store(start)
}

func (f *flight) land() { f.start.Store(0) }

// read returns the statement in flight and when it began; nil if there is none.
// The text is read between two looks at the start, since the statement may
// change meanwhile.
func (f *flight) read() (t *text, start int64) {
	start = f.start.Load()
	if start == 0 {
		return nil, 0
	}
	if t = f.text.Load(); f.start.Load() != start {
		return nil, 0
	}
	return t, start
}

// holding notes that a statement has ended in a transaction that may hold locks
// until it is over.
func (c *conn) holding(t *text, end int64) {
	held := c.flight.holds.Load() != nil
	switch {
	case !c.inTx || !c.connector.tracker.Active():
		if held {
			c.flight.holds.Store(nil)
		}
	case held || t.locksTables():
		c.flight.holds.Store(&idleTx{t, end})
	}
}

// session is the server's id of the connection's session, by which a second
// connection finds it.
type session struct {
	id    atomic.Int64 // 0 while it is not known
	asked bool
}
