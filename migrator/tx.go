package migrator

import (
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// holds reports whether a transaction has anything of a migration in it.
func (x *tx) holds() bool {
	return len(x.marked) > 0 || x.joined || x.set != nil || x.cleared || x.body != nil && (x.body.told || x.body.ddl)
}

// completes are the migrations that end if the transaction commits.
func (t *Tracker) completes(x *tx) []*migration {
	r := t.run
	all := x.marked
	if k := r.tool(); k == nil || k.style != around && k.style != single {
		return all
	}
	if x.body != nil && x.body.opened {
		return append(all[:len(all):len(all)], x.body)
	}
	closes := x.set != nil && !x.set.dirty || x.set == nil && x.cleared
	if closes && r.open != nil && r.open.opened {
		return append(all[:len(all):len(all)], r.open)
	}
	return all
}

// commit takes in a commit, and its error.
func (t *Tracker) commit(cn *conn, c *Call) {
	x := cn.tx
	cn.tx, cn.byText = nil, false
	r := t.run
	if x == nil || r == nil {
		return
	}
	if c.Err != nil {
		t.undo(cn, x, c.Err, c.end(), c)
		t.over(c)
		return
	}
	if x.holds() {
		r.own(c)
	}
	for _, m := range x.marked {
		t.finish(m, m.completed(), c.end())
	}
	if m := x.body; m != nil {
		t.committed(cn, c, x, m)
	}
	if x.joined && r.open != nil {
		r.open.err, r.open.failed = nil, nil // the tool went on
	}
	if k := r.tool(); k != nil && k.style == around {
		t.replaced(cn, c, x)
	}
	t.over(c)
}

// committed takes in a body that was committed without a mark of its own.
func (t *Tracker) committed(cn *conn, c *Call, x *tx, m *migration) {
	r := t.run
	k := r.tool()
	switch {
	case m.opened: // its mark came first, in the same transaction
		m.err, m.failed = nil, nil
		t.finish(m, m.completed(), c.end())
		if x.set != nil {
			r.known, r.current = true, x.set.version
		}
	case k != nil && (k.elsewhere || k.style == first) && (m.told || cn.shown && !cn.loose):
		m.tx = nil
		switch {
		case m.told:
			if r.open != nil {
				t.unmarked(r.open, r.open.end)
			}
			r.open = m
		default:
			m.merge(r.stray)
			r.stray = m
		}
	case m.told:
		t.unmarked(m, c.end())
	default: // the application's
		cn.loose = true
		r.foreign++
	}
}

// rollback takes in a rollback. Its own error changes nothing: the connection
// is gone then, and the transaction with it.
func (t *Tracker) rollback(cn *conn, c *Call) {
	x := cn.tx
	cn.tx, cn.byText = nil, false
	if x == nil || t.run == nil {
		return
	}
	if x.holds() {
		t.run.own(c)
	}
	t.undo(cn, x, nil, c.end(), c)
	t.over(c)
}

// undo ends what a transaction that did not commit has held. What an implicit
// commit had made permanent stays applied.
func (t *Tracker) undo(cn *conn, x *tx, err error, now time.Time, c *Call) {
	r := t.run
	cause := err
	if x.body != nil && x.body.err != nil {
		cause = x.body.err
	}
	for i, m := range x.marked {
		if i < x.durable {
			t.finish(m, m.completed(), now)
			continue
		}
		m.blameFor(cause)
		m.unsure = m.unsure || lost(err)
		t.finish(m, m.failure(), now)
	}
	if m := x.body; m != nil {
		m.blameFor(err)
		m.unsure = m.unsure || lost(err)
		switch {
		case m.told, m.blame, m.wrote && cn.shown && !cn.reset:
			t.finish(m, m.failure(), now)
		default:
			cn.loose = true
			r.foreign++
		}
	}
	closing := x.set != nil && !x.set.dirty || x.set == nil && x.cleared
	if m := r.open; m != nil && m.opened && (x.joined || closing) {
		r.open = nil
		m.undone = x.joined && !x.parted
		m.blameFor(x.setErr, err)
		m.unsure = m.unsure || lost(err)
		t.finish(m, m.failure(), now)
		return
	}
	if x.set != nil && x.set.dirty {
		m := t.newMigration(cn, c)
		m.blameFor(x.setErr, err)
		t.aim(m, x.set.version)
		t.finish(m, m.failure(), now)
	}
}

// lost reports whether the error of what would be permanent leaves open what the
// server has done. An answer of the server's has a code; what has none is the
// driver's, the network's or the context's.
func lost(err error) bool {
	class, code := event.Classify(err)
	return class == event.ClassTerminated || class != "" && code == ""
}

// permanent reports whether a statement commits by itself, in a transaction too
// that an earlier one has ended.
func (cn *conn) permanent(c *Call) bool {
	return !cn.inTx(c) || cn.tx != nil && cn.tx.implicit
}

// failure is the outcome of a migration that has failed, or may have: where the
// answer to what makes it permanent never came.
func (m *migration) failure() event.Outcome {
	if m.unsure {
		return event.Interrupted
	}
	return event.Failed
}

// blameFor gives a migration its error, unless it has one.
func (m *migration) blameFor(errs ...error) {
	for _, err := range errs {
		if m.err == nil {
			m.err = err
		}
	}
}

// abandon ends what a transaction has held whose end will not be seen.
func (t *Tracker) abandon(cn *conn, now time.Time) {
	x := cn.tx
	cn.tx = nil
	if x == nil || t.run == nil {
		return
	}
	for i, m := range x.marked {
		if i < x.durable {
			t.finish(m, m.completed(), now)
			continue
		}
		if x.body != nil {
			m.blameFor(x.body.err)
		}
		t.finish(m, m.cutShort(), now)
	}
	if m := x.body; m != nil && m.told {
		t.finish(m, m.cutShort(), now)
	}
	if m := t.run.open; m != nil && x.joined {
		t.run.open = nil
		t.finish(m, m.cutShort(), now)
	}
}

// cutShort is the outcome of a migration whose end was not seen.
func (m *migration) cutShort() event.Outcome {
	if m.err != nil {
		return m.failure()
	}
	return event.Interrupted
}

// over ends a run that was only waiting for a transaction's end.
func (t *Tracker) over(c *Call) {
	r := t.run
	switch {
	case r.ending:
		t.endRun(c.end(), unlocked)
	case r.tools == 0 && r.open == nil && !t.held() && !r.hopeful:
		t.endRun(c.end(), silent)
	}
}

// held reports whether any transaction has something of a migration in it.
func (t *Tracker) held() bool {
	for _, cn := range t.conns {
		if cn.tx != nil && cn.tx.holds() {
			return true
		}
	}
	return false
}

// txText takes in a transaction that is opened or ended by SQL text.
func (t *Tracker) txText(cn *conn, c *Call) {
	op := c.Text.Statements[0].Operation.String()
	if c.InTx {
		t.withinTx(cn, c, op)
		return
	}
	if c.Err != nil && !cn.byText {
		return
	}
	switch op {
	case "BEGIN":
		if c.Err == nil {
			cn.byText = true
		}
	case "COMMIT":
		t.commit(cn, c)
	case "ROLLBACK":
		t.rollback(cn, c)
	}
}

// withinTx takes in a body that ends or begins a transaction by its own text,
// behind the back of the tool that has opened one.
func (t *Tracker) withinTx(cn *conn, c *Call, op string) {
	x := cn.tx
	switch {
	case x == nil || c.Err != nil:
	case op == "COMMIT":
		x.part(true)
	case op == "BEGIN":
		if t.commitsDDL() {
			x.part(true)
		}
		x.implicit = false
	}
}

// part notes that a text of a body commits by itself; done is that it has.
func (x *tx) part(done bool) {
	x.parted = true
	if x.body != nil {
		x.body.part()
	}
	if done {
		x.implicit, x.durable = true, len(x.marked)
	}
}

// part notes that a migration is not one transaction after all.
func (m *migration) part() { m.tx, m.parted = nil, true }

// hold makes a transaction that of a whole migration, if it can be.
func (m *migration) hold(x *tx) {
	if m.parted = x.parted; !m.parted {
		m.tx = x
	}
}

// reset is told that the pool has handed the connection out again.
func (t *Tracker) reset(cn *conn, c *Call) {
	t.abandon(cn, c.end())
	cn.byText = false
	cn.reset = cn.shown
	r := t.run
	if r == nil {
		return
	}
	// DDL of no known tool is grouped by checkout.
	if m := r.open; m != nil && r.tools == 0 && m.ev.ConnID == cn.id {
		r.open = nil
		t.unmarked(m, m.end)
		t.over(c)
	}
}

// closed is told that a connection is closed.
func (t *Tracker) closed(cn *conn, c *Call) {
	r := t.run
	delete(t.conns, cn.id)
	if r == nil {
		return
	}
	t.abandon(cn, c.end())
	if r.lock != nil && r.lock.key == cn.lock.key && cn.lock.granted && !r.lockRow {
		r.lock = nil // the server lets go of a session's locks
	}
	if m := r.open; m != nil && r.tools == 0 && m.ev.ConnID == cn.id {
		r.open = nil
		t.unmarked(m, m.end)
	}
	_, mine := r.conns[cn.id]
	delete(r.conns, cn.id)
	switch {
	case mine && len(r.conns) == 0:
		t.endRun(later(r.last, c.Start), gone)
	case r.ending || r.tools == 0 && r.open == nil:
		t.over(c)
	}
}
