package migrator

import (
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// conn is what is known of a connection.
type conn struct {
	id    uint64
	tx    *tx    // the open transaction, if anything was seen of it
	query *query // whose rows are being read
	lock  lockWait
	busy  bool // a call is under way

	// Whose connection it is. A tool that pins its connection is told by the
	// lack of a reset; one that works through the pool shares it with the
	// application, and its statements are only known by what follows.
	shown  bool // the run's tool has been seen on it
	reset  bool // it was handed out again since
	loose  bool // and has been used for something else
	byText bool // a transaction was opened by SQL text
}

// mine notes a statement of the run's tool.
func (cn *conn) mine(r *run) {
	cn.shown, cn.reset, cn.loose = true, false, false
	r.conns[cn.id] = struct{}{}
}

// idle reports whether nothing is known that must be remembered.
func (cn *conn) idle() bool {
	return cn.tx == nil && cn.query == nil && cn.lock == (lockWait{}) && !cn.byText && !cn.busy
}

// tx is an open transaction.
type tx struct {
	body   *migration   // collected and not marked yet
	marked []*migration // complete if it commits

	// durable is how many of marked a commit on the way has made permanent
	// already: a text that says COMMIT, and on MySQL every DDL statement.
	durable  int
	implicit bool // there was one, and what follows commits by itself
	parted   bool // it was a text's: no transaction holds all of a body here
	joined   bool // statements of it belong to the run's open migration

	// A table of one row is emptied and filled again.
	cleared bool
	set     *setRow
	setErr  error
}

// latest is the last version that the transaction has marked as applied; before,
// if it has marked none.
func (x *tx) latest(before string) string {
	for _, m := range x.marked {
		if m.ev.Direction == event.Up && m.ev.Version != nil {
			before = *m.ev.Version
		}
	}
	return before
}

// setRow is the one row of a version table as it was written last.
type setRow struct {
	version string
	dirty   bool
}

// lockWait is the wait for a lock on one connection, polls taken together.
type lockWait struct {
	key      string
	start    time.Time
	end      time.Time
	attempts int
	granted  bool
	before   time.Duration // waited for it when the version table was made sure of
}

func (w *lockWait) wait() time.Duration { return w.before + w.end.Sub(w.start) }
