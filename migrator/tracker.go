// Package migrator knows what is true of a sequence of driver calls: which
// migration tool makes them, which version it applies or rolls back, where each
// migration begins and ends, and how it went.
//
// It sees only what the driver sees. What never reaches the driver is left
// unknown (a nil version, "unknown" as direction), never guessed.
package migrator

import (
	"database/sql/driver"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// Kind of a driver call.
type Kind uint8

const (
	Exec   Kind = iota // Exec on a connection or a prepared statement
	Query              // Query on a connection or a prepared statement
	Row                // a row of a Query was read
	RowEnd             // its rows were read to the end, failed (Err), or were closed
	Begin
	Commit
	Rollback
	Reset // the connection was taken from the pool again
	Close // the connection was closed
)

// Call is one driver call. Calls of one connection come one at a time and in
// order; calls of several connections interleave.
type Call struct {
	Kind     Kind
	Conn     uint64
	InTx     bool          // a driver transaction was open on Conn when the call was made
	Text     *sqltext.Text // Exec, Query, Row, RowEnd
	Role     Role
	Args     []driver.NamedValue
	Columns  []string       // Row
	Values   []driver.Value // Row; not to be kept
	Affected int64          // Exec: rows affected, -1 where unknown
	Err      error          // never driver.ErrSkip
	Start    time.Time
	Duration time.Duration
	// CorrelationID of the caller's context; "" if it has none.
	CorrelationID string
	// WantsRows is set by After of a Query whose rows matter though its Role does
	// not say so: the table was learnt to be a version table.
	WantsRows bool
}

// end is when the call returned.
func (c *Call) end() time.Time { return c.Start.Add(c.Duration) }

// Change is something that has become known.
type Change struct {
	Run       *event.Run       // started, or Finished
	Migration *event.Migration // started (Outcome ""), or ended
}

// Config of a Tracker.
type Config struct {
	Database event.Database
	Files    *Files           // the migrations' own texts, to name one that failed; may be nil
	NewID    func() string    // unique ids for runs and migrations (UUIDv7)
	Now      func() time.Time // the clock where a call carries no time
}

// Tracker recognises migrations on the connections of one connector. It is safe
// for concurrent use; its methods do no I/O and call no one.
//
// It keeps one run at a time: what a connector's tools do side by side is told
// as one run, each migration still by itself.
type Tracker struct {
	cfg    Config
	locks  []Lock // that tools make for themselves
	active atomic.Bool

	mu     sync.Mutex
	run    *run
	conns  map[uint64]*conn
	tables map[string]toolSet // version tables by name, beyond one run
	made   map[string]*handmade
	out    []Change // what the call at hand has made known
}

// New makes a Tracker.
func New(cfg Config) *Tracker {
	return &Tracker{cfg: cfg, locks: LocksOf(cfg.Database), conns: map[uint64]*conn{}, tables: map[string]toolSet{}, made: map[string]*handmade{}}
}

// Active reports whether a run is open. While one is, every call of the
// connector is to be shown to Before and After; while none is, only those whose
// text has a role. It is one atomic load.
func (t *Tracker) Active() bool { return t.active.Load() }

// Before is told of a call that is about to be made (Kind, Conn, InTx, Text,
// Role, Args and Start are set). It returns what the call begins, if it is known
// already: the place to write down the intent.
func (t *Tracker) Before(c *Call) []Change {
	if c.Text == nil || c.Role == 0 && !t.Active() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	cn := t.conn(c.Conn)
	t.finishQuery(cn)
	t.quiet(c)
	cn.busy = true
	switch what, touch := t.look(cn, c); what {
	case isBody:
		t.beginBody(cn, c)
	case isTouch:
		t.beginMark(cn, c, touch)
	}
	return t.take()
}

// Pending lists the migrations that end, as far as is known, if the open
// transaction of conn commits now, with Outcome, Duration and Body as they will
// be. The place to write their outcome is just before that commit.
func (t *Tracker) Pending(conn uint64) []*event.Migration {
	t.mu.Lock()
	defer t.mu.Unlock()
	cn := t.conns[conn]
	if cn == nil || cn.tx == nil || t.run == nil {
		return nil
	}
	var pending []*event.Migration
	now := t.cfg.Now()
	for _, m := range t.completes(cn.tx) {
		t.fill(m, m.completed(), now)
		pending = append(pending, m.ev)
	}
	return pending
}

// After is told of a call that has returned, and returns what has become known
// by it. Migrations that Pending has listed come back as the same pointers.
func (t *Tracker) After(c *Call) []Change {
	if c.Role == 0 && !t.Active() && c.Kind != Close {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	cn := t.conn(c.Conn)
	if c.Kind != Row && c.Kind != RowEnd {
		cn.busy = false
		t.finishQuery(cn)
	}
	switch c.Kind {
	case Exec, Query:
		t.statement(cn, c)
	case Row:
		t.row(cn, c)
	case RowEnd:
		t.rowEnd(cn, c)
	case Begin:
		if c.Err == nil {
			t.abandon(cn, c.Start)
			cn.tx = &tx{}
		}
	case Commit:
		t.commit(cn, c)
	case Rollback:
		t.rollback(cn, c)
	case Reset:
		t.reset(cn, c)
	case Close:
		t.closed(cn, c)
	}
	t.quiet(c)
	return t.take()
}

// Flush ends what is open (the process is about to go): a migration in the
// middle is interrupted.
func (t *Tracker) Flush() []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.run != nil {
		t.endRun(t.cfg.Now(), flushed)
	}
	return t.take()
}

// Standing is what a connection is about.
type Standing struct {
	event.Trace         // empty while no run is open that the world knows of
	Tool        string  // "" outside runs
	Version     *string // of the migration that is under way there; nil where not known
	Own         bool    // the run's tool was the last to be seen there, or its lock is held there
}

// Trace ties what happens on a connection to the run that is open and to the
// migration that is under way there. It is empty while none is.
func (t *Tracker) Trace(conn uint64) event.Trace { return t.Standing(conn).Trace }

// Standing tells which run is open and which migration is under way on a
// connection.
func (t *Tracker) Standing(conn uint64) Standing {
	if !t.Active() {
		return Standing{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.run
	if r == nil {
		return Standing{}
	}
	cn := t.conns[conn]
	own := cn != nil && (cn.shown && !cn.reset || r.lock != nil && cn.lock.granted && cn.lock.key == r.lock.key)
	m := r.open
	if cn != nil && cn.tx != nil && cn.tx.body != nil {
		m = cn.tx.body
	} else if cn == nil || !cn.shown {
		m = nil
	}
	if m != nil && m.told {
		return Standing{Trace: m.ev.Trace, Tool: r.toolName(), Version: m.ev.Version, Own: own}
	}
	if !r.told {
		return Standing{Own: own}
	}
	return Standing{Trace: r.ev.Trace, Tool: r.toolName(), Own: own}
}

// take hands over what has become known, and forgets what need not be kept.
func (t *Tracker) take() []Change {
	if t.run == nil {
		for id, cn := range t.conns {
			if cn.idle() {
				delete(t.conns, id)
			}
		}
	}
	out := t.out
	t.out = nil
	return out
}

// conn is the state of a connection.
func (t *Tracker) conn(id uint64) *conn {
	cn := t.conns[id]
	if cn == nil {
		cn = &conn{id: id}
		t.conns[id] = cn
	}
	return cn
}
