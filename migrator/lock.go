package migrator

import (
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/sqltext"
)

// Locks bound a run: a tool takes its lock first and gives it back last. What a
// lock is and how it went is told elsewhere.

// lockCalled takes in a call of an advisory lock function.
func (t *Tracker) lockCalled(cn *conn, c *Call) {
	locks := c.Text.Statements[0].Locks
	if c.Kind == Query && c.Err == nil {
		cn.query = &query{call: *c, locks: locks}
		return
	}
	t.lockAnswered(cn, c, locks, nil)
}

// lockAnswered takes in the answer to a lock call; q is nil where it was thrown
// away.
func (t *Tracker) lockAnswered(cn *conn, c *Call, locks []sqltext.LockCall, q *query) {
	for i := range locks {
		l := &locks[i]
		if !sessionLock(l) {
			continue
		}
		key := lockKey(l, c)
		switch l.Action {
		case sqltext.LockRelease, sqltext.LockReleaseAll:
			t.released(cn, c, key, l.Action == sqltext.LockReleaseAll)
		default:
			t.acquired(cn, c, key, granted(l, c, q))
		}
	}
}

// granted reports whether a lock was given. A discarded answer counts as yes:
// the tool goes on as if it were.
func granted(l *sqltext.LockCall, c *Call, q *query) bool {
	if c.Err != nil {
		return false
	}
	if l.Result == sqltext.ReplyNone || q == nil || l.Column < 0 || l.Column >= len(q.first) {
		return true
	}
	if l.Result == sqltext.ReplyReturnCode {
		return !strings.HasPrefix(q.first[l.Column], "-")
	}
	return isTrue(q.first[l.Column])
}

// lockKey is a lock's key as the call gives it.
func lockKey(l *sqltext.LockCall, c *Call) string {
	parts := make([]string, 0, 2)
	for _, v := range l.Args {
		s, _ := textOf(v, c.Args)
		parts = append(parts, s)
	}
	return strings.Join(parts, ",")
}

// acquired takes in an attempt at a lock.
func (t *Tracker) acquired(cn *conn, c *Call, key string, granted bool) {
	w := &cn.lock
	if w.key != key || w.granted || w.attempts == 0 {
		before := time.Duration(0)
		if w.key == key && c.Start.Sub(w.end) < quietFor {
			before = w.before
		}
		*w = lockWait{key: key, start: c.Start, before: before}
	}
	w.attempts++
	w.end, w.granted = c.end(), granted
	r := t.run
	if r == nil || !cn.shown && byLock(key)&r.tools == 0 {
		return
	}
	r.own(c)
	r.refused = !granted
	if granted {
		t.adopt(r, cn)
	}
}

// released takes in a lock that is given back.
func (t *Tracker) released(cn *conn, c *Call, key string, all bool) {
	r := t.run
	if all || cn.lock.key == key {
		w := cn.lock
		cn.lock = lockWait{}
		if r == nil || !r.told {
			// The table was only made sure of: what that waited for, the run that
			// follows has waited for.
			if waited := w.wait(); waited >= contended {
				cn.lock = lockWait{key: key, start: c.end(), end: c.end(), before: waited}
			}
		}
	}
	if r == nil || r.lock == nil || r.lockRow || !all && r.lock.key != key {
		return
	}
	r.own(c)
	t.unlock(c)
}

// unlock ends the run whose lock was given back. Where the table was only made
// sure of under the lock, nothing was told of a run, and it is still to come.
func (t *Tracker) unlock(c *Call) {
	r := t.run
	r.lock = nil
	t.endRun(c.end(), unlocked)
}

// lockTableCalled takes in a statement on a table that serves as a lock.
func (t *Tracker) lockTableCalled(cn *conn, c *Call) {
	_, release, _ := lockTableOf(c.Text)
	if c.Kind == Query && c.Err == nil {
		cn.query = &query{call: *c, table: true, release: release}
		c.WantsRows = true
		return
	}
	t.lockTableAnswered(cn, c, release, c.Affected > 0)
}

// lockTableAnswered takes in how a statement on a lock table went.
func (t *Tracker) lockTableAnswered(cn *conn, c *Call, release, changed bool) {
	tools, _, _ := lockTableOf(c.Text)
	r := t.run
	if release {
		if r != nil && r.tools&tools != 0 {
			r.own(c)
			if r.lockRow {
				r.lockRow = false
				t.unlock(c)
			}
		}
		return
	}
	op := c.Text.Statements[0].Operation.String()
	if r == nil {
		if op != "INSERT" {
			return // whoever looks at the table or keeps a lease alive starts nothing
		}
		r = t.openRun(cn, c)
	}
	if r.tools == 0 || r.tools&tools != 0 {
		r.tools = tools
	}
	r.own(c)
	if !cn.shown {
		cn.mine(r)
	}
	takes := op == "UPDATE" && takesOver(tools.best().lock, c.Text)
	if op != "INSERT" && !takes || r.lockRow {
		return
	}
	t.tellRun(r)
	w := &cn.lock
	if w.key != rowLock || w.attempts == 0 {
		*w = lockWait{key: rowLock, start: c.Start}
	}
	if !takes || w.attempts == 0 { // an UPDATE after an INSERT is the same attempt
		w.attempts++
	}
	w.end = c.end()
	r.refused = c.Err != nil || !changed
	if r.refused {
		return
	}
	held := *w
	*w = lockWait{}
	r.lock, r.waited, r.lockRow = &held, &held, true
	r.ev.LockWait += held.wait()
	r.ev.LockAttempts += held.attempts
}

// takesOver reports whether an UPDATE takes a lock whose row is there already.
func takesOver(l *lockTable, text *sqltext.Text) bool {
	if l.held == "" {
		return false
	}
	v, ok := columnValue(&text.Statements[0], l.held)
	return ok && v.Kind == sqltext.Literal && isTrue(v.Literal)
}

// rowLock is the key under which the wait for a lock table's row is kept.
const rowLock = "\x00row"
