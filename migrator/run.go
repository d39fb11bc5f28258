package migrator

import (
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// run is one invocation of a migration tool, or DDL that may turn out to be of
// one.
type run struct {
	ev   *event.Run
	told bool // its start is known to the world

	tools  toolSet            // candidates; 0 while only DDL was seen
	made   *handmade          // instead of a known tool's
	sure   bool               // it is a migrator's run beyond doubt
	table  string             // its version table
	tables map[string]toolSet // names learnt in this run
	seen   int                // touches of the version table

	applied applied
	current string // the one row's version
	known   bool   // current is known, be it none
	keys    map[string]string
	probe   *string // the version that was asked for last
	about   bool    // and was not there: it is about to be applied

	open   *migration // outside any transaction, or opened by its mark
	stray  *migration // statements outside a transaction that may belong to what follows
	called bool       // since the last touch, a query did more than read, it may be
	after  bool       // the tool marks after the body, though it could do so before
	mixed  bool       // that has been decided

	lock    *lockWait // held, or being waited for
	waited  *lockWait // what a migration's LockWait is told by, once
	lockRow bool      // the lock is a row of a table
	ending  bool      // it is over once the open transaction is
	hopeful bool      // DDL that may turn out to be a hand-written migrator's
	conns   map[uint64]struct{}

	last    time.Time // end of the tool's last call
	foreign int       // calls of others since
	did     bool      // it recorded something
	refused bool      // its last attempt at the lock failed
	dirty   bool      // its table says so, read under its lock: it does nothing then
	barred  bool      // it could not make its version table
}

// Bounds on what a run may remember.
const (
	maxTables = 32
	maxBody   = 256
)

// A run whose tool never says goodbye is over when nothing of it has been seen
// for quietFor, or when so many calls were others'.
const (
	quietFor   = 5 * time.Second
	quietCalls = 64
)

// tool is the likeliest tool; nil while none is recognised.
func (r *run) tool() *tool {
	if k := r.tools.best(); k != nil || r.made == nil || r.tools != handmadeTool {
		return k
	}
	return &r.made.tool
}

func (r *run) toolName() string {
	if k := r.tool(); k != nil {
		return k.name
	}
	return unknownTool
}

func (r *run) style() style {
	k := r.tool()
	if k == nil || k.style == first && r.after {
		return after
	}
	return k.style
}

// latest is the last version known to be applied.
func (r *run) latest() string {
	if k := r.tool(); k != nil && (k.style == around || k.style == single) {
		return r.current
	}
	return r.applied.latest
}

// openRun makes sure that a run is open.
func (t *Tracker) openRun(cn *conn, c *Call) *run {
	r := t.run
	if r != nil {
		return r
	}
	id := t.cfg.NewID()
	correlation := c.CorrelationID
	if correlation == "" {
		correlation = id
	}
	r = &run{
		ev: &event.Run{
			Trace:    event.Trace{CorrelationID: correlation, RunID: id},
			Database: t.cfg.Database,
			Start:    c.Start,
		},
		tables: map[string]toolSet{},
		keys:   map[string]string{},
		conns:  map[uint64]struct{}{},
		last:   c.end(),
	}
	t.run = r
	t.active.Store(true)
	return r
}

// adopt makes a lock that was taken before the version table was touched the
// run's own.
func (t *Tracker) adopt(r *run, cn *conn) {
	if r.lock != nil {
		return
	}
	w := &cn.lock
	if !w.granted {
		w = nil
		for _, other := range t.conns {
			if other.lock.granted && byLock(other.lock.key)&r.tools != 0 {
				w = &other.lock
				break
			}
		}
	}
	if w == nil {
		return
	}
	held := *w
	r.lock, r.waited = &held, &held
	if held.start.Before(r.ev.Start) {
		r.ev.Start = held.start
	}
	r.ev.LockWait += held.wait()
	r.ev.LockAttempts += held.attempts
}

// tellRun makes the start of a run known.
func (t *Tracker) tellRun(r *run) {
	r.ev.Tool = r.toolName()
	if r.told || r.tools == 0 || r.made != nil && !r.made.believed {
		return
	}
	r.told = true
	begun := *r.ev
	t.out = append(t.out, Change{Run: &begun})
}

// ending is why a run ends.
type ending uint8

const (
	unlocked ending = iota // the tool has given its lock back
	gone                   // its connections are closed
	silent                 // nothing more was heard of it
	flushed                // the process is about to go
)

// endRun settles what is open and ends the run.
func (t *Tracker) endRun(now time.Time, why ending) {
	r := t.run
	if why == unlocked && t.held() {
		r.ending = true // the rollback is still to come
		return
	}
	for _, cn := range t.conns {
		t.abandon(cn, now)
	}
	t.settle(now, why)
	r.last = later(r.last, r.ev.Start)
	if r.told {
		end := *r.ev
		end.Tool = r.toolName()
		end.Finished = true
		end.Duration = r.last.Sub(r.ev.Start)
		switch {
		case end.Failures > 0 || !r.did && (r.refused || r.dirty || r.barred):
			end.Outcome = "failed"
		case r.did:
			end.Outcome = "ok"
		default:
			end.Outcome = "noop"
		}
		end.Role = r.role()
		t.out = append(t.out, Change{Run: &end})
	}
	t.run = nil
	t.active.Store(false)
	for _, cn := range t.conns {
		cn.shown, cn.reset, cn.loose = false, false, false
	}
}

// contended is how long a lock takes at least that somebody else had.
const contended = 50 * time.Millisecond

// role is the part of a run where several replicas race.
func (r *run) role() string {
	switch {
	case r.did || r.ev.Failures > 0:
		return "leader"
	case r.refused || r.ev.LockAttempts > 1 || r.ev.LockWait >= contended:
		return "waiter"
	}
	return "noop"
}

// settle ends the migration that is open outside any transaction, by what the
// end of the run says of it.
func (t *Tracker) settle(now time.Time, why ending) {
	r := t.run
	m, held := r.open, r.lock
	r.open, r.stray, r.lock = nil, nil, nil
	if m == nil {
		return
	}
	switch {
	case why == flushed:
		t.finish(m, m.cutShort(), now)
	case !m.opened:
		t.unmarked(m, m.end)
	case r.style() == first && (why == unlocked || held == nil):
		// Its end is told by nothing but what follows.
		t.finish(m, m.completed(), m.end)
	case why == unlocked:
		// The closing mark never came: the tool gave up, for a reason of its own
		// that never reached the driver.
		t.finish(m, event.Failed, now)
	default:
		t.finish(m, m.cutShort(), now)
	}
}

// unmarked ends DDL that no tool has put its mark to.
func (t *Tracker) unmarked(m *migration, now time.Time) {
	m.disown()
	t.finish(m, event.Applied, now)
}

// quiet ends a run that nothing is heard of any more.
func (t *Tracker) quiet(c *Call) {
	r := t.run
	if r == nil || r.foreign < quietCalls && c.Start.Sub(r.last) < quietFor {
		return
	}
	if r.lock != nil || t.held() || r.open != nil && r.open.opened && r.style() != first {
		return
	}
	for id := range r.conns {
		if cn := t.conns[id]; cn != nil && (cn.busy || cn.query != nil) {
			return
		}
	}
	t.endRun(r.last, silent)
}

// own notes a call of the run's tool.
func (r *run) own(c *Call) {
	r.foreign = 0
	r.last = later(r.last, c.end())
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
