package sqlwitness

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// locks follows the advisory, named and table locks of one connector's
// connections: what is waited for, what is held, and what does not add up. It
// knows what was sent and what the server answered, no more: an answer that was
// thrown away, as Exec throws away rows, stays unknown.
//
// A tool that polls a try-lock waits as truly as one that blocks in the server,
// so a run of refusals on one connection is one wait with as many attempts.
type locks struct {
	some atomic.Bool // there is a lock waited for or held; false spares every other call the mutex

	mu   sync.Mutex
	wait map[uint64]*lockWait // by connection: each waits for one lock at a time
	held []heldLock

	// taken are the last locks of the session's scope that were taken, released
	// meanwhile or not, in a ring.
	taken [64]struct {
		key string
		at  time.Time
	}
	next int // place in the ring
}

type lockID struct {
	kind, key string
	shared    bool
}

type lockWait struct {
	id       lockID
	start    time.Time
	attempts int
	trace    event.Trace
}

type heldLock struct {
	id    lockID
	conn  uint64
	xact  bool
	sure  bool // the server was heard to grant it
	since time.Time
	trace event.Trace
	told  bool // that nobody works under it
}

// lockAnswer is what is known of the result of a lock call.
type lockAnswer struct {
	known bool // the row was seen
	value driver.Value
	err   error
}

// lockCall is one call of a lock function, made and answered.
type lockCall struct {
	sqltext.LockCall
	conn   uint64
	inTx   bool // a transaction of the driver's is open
	args   []driver.NamedValue
	start  time.Time
	end    time.Time
	answer lockAnswer
	trace  event.Trace
}

// Words of event.Lock.Outcome.
const (
	lockAcquired  = "acquired"
	lockRefused   = "refused"
	lockTimeout   = "timeout"
	lockCancelled = "cancelled"
	lockError     = "error"
	lockReleased  = "released"
	lockUnknown   = "unknown"
)

// called takes note of a lock call and returns what there is to tell.
func (l *locks) called(c lockCall) []event.Lock {
	l.mu.Lock()
	defer l.unlock()
	id := lockID{kind: c.Kind, key: lockKey(c.Args, c.args), shared: c.Shared}
	switch c.Action {
	case sqltext.LockRelease:
		return l.release(c, id)
	case sqltext.LockReleaseAll:
		return l.releaseAll(c)
	default:
		return l.acquire(c, id)
	}
}

// polled are the locks that are polled for, by connection.
func (l *locks) polled() map[uint64]*event.Lock {
	if !l.some.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	polled := make(map[uint64]*event.Lock, len(l.wait))
	for conn, w := range l.wait {
		polled[conn] = &event.Lock{ConnID: conn, Stage: event.LockWaiting, Kind: w.id.kind, Key: w.id.key, Shared: w.id.shared,
			Start: w.start, Attempts: w.attempts}
	}
	return polled
}

// bySession are the locks of the session's scope that are held and not told of.
func (l *locks) bySession() (list []heldLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.held {
		if !h.xact && !h.told {
			list = append(list, h)
		}
	}
	return list
}

// tellOnce reports whether a lock is still held and not told of, and notes that
// it now is.
func (l *locks) tellOnce(held heldLock) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.held, held)
	if i >= 0 {
		l.held[i].told = true
	}
	return i >= 0
}

// takenSince reports whether a lock was taken after a moment.
func (l *locks) takenSince(key string, since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.taken {
		if t.key == key && t.at.After(since) {
			return true
		}
	}
	return false
}

func (l *locks) unlock() {
	l.some.Store(len(l.wait)+len(l.held) > 0)
	l.mu.Unlock()
}

func (l *locks) acquire(c lockCall, id lockID) []event.Lock {
	var told []event.Lock
	w := l.wait[c.conn]
	if w != nil && w.id != id {
		told = append(told, l.gaveUp(c.conn))
		w = nil
	}
	if w == nil {
		w = &lockWait{id: id, start: c.start, trace: c.trace}
	}
	w.attempts++

	outcome := acquireOutcome(c)
	e := event.Lock{Trace: c.trace, ConnID: c.conn, Kind: id.kind, Key: id.key, Shared: id.shared, Scope: scope(c.Xact),
		Outcome: outcome, Start: w.start, Wait: c.end.Sub(w.start), Attempts: w.attempts, Err: c.answer.err}
	switch outcome {
	case lockAcquired, lockUnknown:
		delete(l.wait, c.conn)
		if !c.Xact || c.inTx { // else it went with its statement, or its end is not seen
			l.held = append(l.held, heldLock{id: id, conn: c.conn, xact: c.Xact, sure: outcome == lockAcquired, since: c.end, trace: c.trace})
		}
		if !c.Xact {
			l.taken[l.next].key, l.taken[l.next].at = id.key, c.end
			l.next = (l.next + 1) % len(l.taken)
		}
		e.Stage = event.LockAcquired
		if outcome == lockUnknown {
			e.Stage, e.Anomaly = event.LockAnomaly, "outcome_unknown"
		}
	case lockRefused:
		if c.Action == sqltext.LockTry || isTry(c) {
			l.wait[c.conn] = w
			if w.attempts > 1 {
				return told // said at the first refusal; the next word is the outcome
			}
			e.Stage = event.LockWaiting
			break
		}
		fallthrough
	default:
		delete(l.wait, c.conn)
		e.Stage = event.LockFailed
	}
	return append(told, e)
}

func (l *locks) release(c lockCall, id lockID) []event.Lock {
	held, mine := l.take(func(h heldLock) bool { return h.conn == c.conn && h.id == id && !h.xact })
	e := event.Lock{Trace: c.trace, Stage: event.LockReleased, ConnID: c.conn, Kind: id.kind, Key: id.key, Shared: id.shared,
		Scope: scope(c.Xact), Outcome: releaseOutcome(c), Start: c.start, Attempts: 1, Err: c.answer.err}
	if mine {
		e.Start, e.Hold = held.since, c.end.Sub(held.since)
	}
	// An outcome that is unknown is no anomaly: golang-migrate throws the answer to
	// every unlock away, and what a run still holds at its end is looked for.
	if e.Outcome == lockRefused {
		e.Stage, e.Anomaly = event.LockAnomaly, "unlock_refused"
		if !mine && slices.ContainsFunc(l.held, func(h heldLock) bool { return h.id == id }) {
			e.Anomaly = "unlock_other_session"
		}
	}
	return []event.Lock{e}
}

func (l *locks) releaseAll(c lockCall) []event.Lock {
	if c.answer.err != nil {
		return nil
	}
	return l.drop(c.end, func(h heldLock) bool { return h.conn == c.conn && h.id.kind == c.Kind && !h.xact })
}

// txEnded is told that a connection's transaction has ended: locks of the
// transaction's scope are gone.
func (l *locks) txEnded(conn uint64, now time.Time) []event.Lock {
	if !l.some.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.unlock()
	return l.drop(now, func(h heldLock) bool { return h.conn == conn && h.xact })
}

// checkedOut is told that a connection has gone back to the pool and out again:
// whoever polled on it has given up.
func (l *locks) checkedOut(conn uint64) []event.Lock {
	if !l.some.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.unlock()
	if l.wait[conn] == nil {
		return nil
	}
	return []event.Lock{l.gaveUp(conn)}
}

// closed is told that a connection is closed, by which the server lets go of
// its locks. A session lock that is held until then was never given back.
func (l *locks) closed(conn uint64, now time.Time) []event.Lock {
	if !l.some.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.unlock()
	var told []event.Lock
	if l.wait[conn] != nil {
		told = append(told, l.gaveUp(conn))
	}
	for _, e := range l.drop(now, func(h heldLock) bool { return h.conn == conn }) {
		if e.Outcome == lockReleased && e.Scope == scope(false) {
			e.Stage, e.Anomaly = event.LockAnomaly, "held_at_close"
		}
		told = append(told, e)
	}
	return told
}

// drop forgets the locks that match and tells of their release.
func (l *locks) drop(now time.Time, match func(heldLock) bool) []event.Lock {
	var told []event.Lock
	l.held = slices.DeleteFunc(l.held, func(h heldLock) bool {
		if !match(h) {
			return false
		}
		e := event.Lock{Trace: h.trace, Stage: event.LockReleased, ConnID: h.conn, Kind: h.id.kind, Key: h.id.key, Shared: h.id.shared,
			Scope: scope(h.xact), Outcome: lockReleased, Start: h.since, Attempts: 1, Hold: now.Sub(h.since)}
		if !h.sure {
			e.Outcome = lockUnknown
		}
		told = append(told, e)
		return true
	})
	return told
}

// take removes the lock taken last that matches: PostgreSQL and MySQL stack
// locks of one key.
func (l *locks) take(match func(heldLock) bool) (heldLock, bool) {
	for i := len(l.held) - 1; i >= 0; i-- {
		if h := l.held[i]; match(h) {
			l.held = slices.Delete(l.held, i, i+1)
			return h, true
		}
	}
	return heldLock{}, false
}

func (l *locks) gaveUp(conn uint64) event.Lock {
	w := l.wait[conn]
	delete(l.wait, conn)
	return event.Lock{Trace: w.trace, Stage: event.LockFailed, ConnID: conn, Kind: w.id.kind, Key: w.id.key, Shared: w.id.shared,
		Scope: scope(false), Outcome: lockRefused, Start: w.start, Wait: time.Since(w.start), Attempts: w.attempts}
}

func acquireOutcome(c lockCall) string {
	if err := c.answer.err; err != nil {
		switch class, _ := event.Classify(err); class {
		case event.ClassLockTimeout, event.ClassStatementTimeout:
			return lockTimeout
		case event.ClassCancelled, event.ClassTerminated:
			return lockCancelled
		}
		return lockError
	}
	n, null := number(c.answer.value)
	switch c.Result {
	case sqltext.ReplyNone:
		return lockAcquired
	case sqltext.ReplyBool, sqltext.ReplyOneNull:
		switch {
		case !c.answer.known:
			return lockUnknown
		case null: // GET_LOCK: killed, or the server refuses the name
			return lockError
		case n == 1:
			return lockAcquired
		case c.Result == sqltext.ReplyOneNull && !isTry(c):
			return lockTimeout
		}
		return lockRefused
	case sqltext.ReplyReturnCode: // sp_getapplock
		switch {
		case !c.answer.known || null:
			return lockUnknown
		case n >= 0:
			return lockAcquired
		case n == -1:
			return lockTimeout
		case n == -2:
			return lockCancelled
		}
		return lockError
	}
	return lockUnknown
}

func releaseOutcome(c lockCall) string {
	if c.answer.err != nil {
		return lockError
	}
	n, null := number(c.answer.value)
	switch {
	case c.Result == sqltext.ReplyNone:
		return lockReleased
	case !c.answer.known:
		return lockUnknown
	case c.Result == sqltext.ReplyReturnCode && n >= 0 && !null:
		return lockReleased
	case n == 1 && !null:
		return lockReleased
	}
	return lockRefused
}

// isTry reports whether GET_LOCK was called with a timeout of zero.
func isTry(c lockCall) bool {
	if c.Action == sqltext.LockTry {
		return true
	}
	v := value(c.Timeout, c.args)
	return c.Result == sqltext.ReplyOneNull && (v == "0" || v == "0.0")
}

func scope(xact bool) string {
	if xact {
		return "transaction"
	}
	return "session"
}

// lockKey is a lock's key as the call gives it: "42", "1,2", "atlas_migrate";
// "" where it is computed in the server.
func lockKey(parts []sqltext.Value, args []driver.NamedValue) string {
	keys := make([]string, 0, len(parts))
	for _, p := range parts {
		if p.Kind == sqltext.Other {
			return ""
		}
		keys = append(keys, value(p, args))
	}
	return strings.Join(keys, ",")
}

// value is a literal, or the argument that a parameter stands for.
func value(v sqltext.Value, args []driver.NamedValue) string {
	switch v.Kind {
	case sqltext.Literal:
		return v.Literal
	case sqltext.Param:
		if v.Param < 1 || v.Param > len(args) {
			return ""
		}
		switch a := args[v.Param-1].Value.(type) {
		case string:
			return a
		case []byte:
			return string(a)
		case int64:
			return strconv.FormatInt(a, 10)
		default:
			return fmt.Sprint(a)
		}
	}
	return ""
}

// number reads a lock function's answer as drivers return it: a bool, an
// integer, or the text of one.
func number(v driver.Value) (n int64, null bool) {
	switch v := v.(type) {
	case nil:
		return 0, true
	case bool:
		if v {
			return 1, false
		}
		return 0, false
	case int64:
		return v, false
	case float64:
		return int64(v), false
	case []byte:
		return number(string(v))
	case string:
		switch v {
		case "t", "true":
			return 1, false
		case "f", "false":
			return 0, false
		}
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err != nil
	}
	return 0, true
}
