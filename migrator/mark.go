package migrator

import (
	"database/sql/driver"
	"slices"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// openFor makes the run that a touch of a version table belongs to.
func (t *Tracker) openFor(cn *conn, c *Call, to touch) *run {
	if r := t.run; r != nil && r.table != "" && r.table != to.table {
		t.endRun(c.Start, silent)
	}
	r := t.openRun(cn, c)
	unknown := r.tools == 0
	if both := r.tools & to.tools; both != 0 {
		r.tools = both
	} else {
		r.tools = to.tools
	}
	if to.kind.isMark() && r.probe == nil {
		r.tools = r.tools.unasked()
	}
	if unknown {
		t.recognised()
	}
	r.table = to.table
	r.seen++
	r.called = false
	r.tables[to.table] |= to.shown()
	r.made = to.made
	r.sure = r.sure || to.sure || to.kind == touchCreate || to.kind.isMark()
	if to.sure {
		t.learn(to.table, to.tools)
	}
	t.adopt(r, cn)
	cn.mine(r)
	r.own(c)
	return r
}

// recognised puts the tool's name to what was begun before it was known.
func (t *Tracker) recognised() {
	name := t.run.toolName()
	if m := t.run.open; m != nil {
		m.ev.Tool = name
	}
	for _, cn := range t.conns {
		if cn.tx != nil && cn.tx.body != nil {
			cn.tx.body.ev.Tool = name
		}
	}
}

// beginMark tells of the migration that a mark is about to be put to, where it
// was not clear before that there is one.
func (t *Tracker) beginMark(cn *conn, c *Call, to touch) {
	if to.kind != touchInsert && to.kind != touchDelete || to.made != nil && !to.made.believed {
		return
	}
	r := t.openFor(cn, c, to)
	t.decideOrder(cn)
	if r.style() != after {
		return
	}
	versions := t.versionsOf(to, c.Args)
	if len(versions) == 1 && t.isSeed(to, versions[0]) {
		return
	}
	m := t.toMark(cn, c)
	t.inscribe(m, to, versions)
	t.tell(m)
}

// decideOrder settles, at the first mark of a run, whether a tool that can do
// either marks before the body or after it.
func (t *Tracker) decideOrder(cn *conn) {
	r := t.run
	if k := r.tool(); k == nil || k.style != first || r.mixed {
		return
	}
	r.mixed = true
	r.after = r.open != nil && !r.open.opened || r.stray != nil || cn.tx != nil && cn.tx.body != nil
}

// toMark is the migration whose body has just been run.
func (t *Tracker) toMark(cn *conn, c *Call) *migration {
	r := t.run
	outside := r.open
	if outside == nil {
		outside = r.stray
	}
	if !cn.inTx(c) {
		if outside == nil {
			outside = t.newMigration(cn, c)
		}
		r.open, r.stray = outside, nil
		return outside
	}
	x := cn.transaction()
	if x.body == nil && outside != nil && r.tool().elsewhere {
		x.body = outside
		r.open, r.stray = nil, nil
	}
	if x.body == nil {
		x.body = t.newMigration(cn, c)
		x.body.hold(x)
	}
	return x.body
}

// inscribe writes a mark's version and direction into the event.
func (t *Tracker) inscribe(m *migration, to touch, versions []string) {
	ev := m.ev
	ev.Tool = t.run.toolName()
	ev.Direction = event.Up
	if to.kind == touchDelete {
		ev.Direction = event.Down
	}
	if len(versions) > 0 {
		ev.Version = &versions[0]
	}
}

// touched takes in a statement on the version table.
func (t *Tracker) touched(cn *conn, c *Call, to touch) {
	r := t.openFor(cn, c, to)
	t.keep(to, c.Err)
	r.previous(to, c)
	if c.Kind == Query && c.Err == nil && (to.kind == touchRead || to.kind == touchProbe || to.stmt.Returning) {
		cn.query = &query{call: *c, run: r, touch: &to}
		c.WantsRows = true
		return
	}
	if !to.kind.isMark() {
		t.consulted(cn, c, to, nil)
		return
	}
	t.marked(cn, c, to, t.versionsOf(to, c.Args), c.Kind == Exec && c.Err == nil && c.Affected == 0)
}

// consulted takes in a version table that was made or read. It is no failure
// where it was not there yet.
func (t *Tracker) consulted(cn *conn, c *Call, to touch, q *query) {
	r := t.run
	r.stray = nil
	if to.kind == touchCreate {
		if c.Err != nil && to.sure {
			r.barred = true // another replica was faster, or it may not
			t.tellRun(r)
		}
		return
	}
	k := r.tool()
	if k == nil {
		return
	}
	if q != nil && q.call.Err == nil {
		r.barred = false
	}
	if to.kind == touchProbe {
		if v, ok := markValue(to.stmt, k); ok {
			if s, ok := textOf(v, c.Args); ok {
				r.probe, r.about = &s, q != nil && q.absent()
			}
		}
	} else if q != nil && q.call.Err == nil && q.rows == 0 {
		r.known, r.current = true, ""
		if k.style != around && k.style != single {
			r.applied = applied{}
		}
	}
	if !k.weak || t.tables[to.table] != 0 && r.seen > 1 {
		t.tellRun(r)
	}
}

// versionsOf reads the versions in a mark's text and arguments.
func (t *Tracker) versionsOf(to touch, args []driver.NamedValue) []string {
	r := t.run
	k := r.tool()
	v, ok := markValue(to.stmt, k)
	if to.kind == touchUpdate {
		v, ok = columnValue(to.stmt, k.version)
	}
	if !ok {
		return arrayArgument(k, args)
	}
	s, ok := textOf(v, args)
	if !ok {
		return arrayArgument(k, args)
	}
	if to.kind == touchDelete && k.row != "" && whereNames(to.stmt, k.row) {
		name, ok := r.keys[s]
		if !ok {
			return nil
		}
		return []string{name}
	}
	return list(s)
}

// arrayArgument is the version that is bound as an array, last of the arguments.
func arrayArgument(k *tool, args []driver.NamedValue) []string {
	if !k.bodyCreates || len(args) == 0 {
		return nil
	}
	s, ok := argument(args[len(args)-1].Value)
	if !ok {
		return nil
	}
	return list(s)
}

// isSeed reports whether an INSERT is the row that comes with the table.
func (t *Tracker) isSeed(to touch, version string) bool {
	k := t.run.tool()
	return to.kind == touchInsert && k.seed != "" && version == k.seed
}

// marked takes in a mark: what a tool writes into its version table.
func (t *Tracker) marked(cn *conn, c *Call, to touch, versions []string, missed bool) {
	r := t.run
	t.decideOrder(cn)
	t.tellRun(r)
	switch {
	case to.made != nil && to.kind == touchClear: // its row is put back next
	case to.kind == touchSeed, len(versions) == 1 && t.isSeed(to, versions[0]):
	case r.tool().style == around:
		t.setAround(cn, c, to, versions)
	case r.tool().style == single:
		t.setSingle(cn, c, versions)
	case r.style() == first:
		t.markFirst(cn, c, to, versions)
	default:
		t.markAfter(cn, c, to, versions, missed)
	}
}

// markAfter ends the body that came before.
func (t *Tracker) markAfter(cn *conn, c *Call, to touch, versions []string, missed bool) {
	r := t.run
	m := t.toMark(cn, c)
	t.inscribe(m, to, versions)
	t.tell(m)
	m.end = later(m.end, c.end())
	m.orphan = missed && to.kind == touchDelete
	r.probe, r.about = nil, false
	if c.Err != nil {
		m.blame = true
		t.markFailed(m, c)
		m.unsure = lost(c.Err) && cn.permanent(c)
		if !cn.inTx(c) {
			r.open = nil
			t.finish(m, m.failure(), c.end())
		}
		return
	}
	if !cn.inTx(c) {
		r.open = nil
		m.tx = nil
		m.err = nil
		t.finish(m, m.completed(), c.end())
		return
	}
	x := cn.transaction()
	x.body = nil
	m.err, m.failed = nil, nil // whatever it was, the tool went on
	x.marked = append(x.marked, m)
	for _, v := range versions[min(1, len(versions)):] {
		// One mark for several versions: the body is told with the first.
		more := t.newMigration(cn, c)
		more.tx, more.shares = m.tx, m.count > 0
		t.inscribe(more, to, []string{v})
		t.tell(more)
		x.marked = append(x.marked, more)
	}
	if x.implicit {
		x.durable = len(x.marked)
	}
}

// unmade takes in a body that drops the version table which the first migration
// has made: there is nothing left to put its mark to. It is the last one down.
func (t *Tracker) unmade(x *tx, m *migration) {
	r := t.run
	m.ev.Direction = event.Down
	if len(r.applied.versions) == 1 {
		last := r.applied.versions[0]
		m.ev.Version = &last
	}
	if x.body == m {
		x.body = nil
		x.marked = append(x.marked, m)
	}
}

// drops reports whether a text drops a table.
func drops(t *sqltext.Text, table string) bool {
	for i := range t.Statements {
		s := &t.Statements[i]
		if s.Operation.String() == "DROP TABLE" && slices.ContainsFunc(s.Tables, func(of sqltext.Table) bool { return strings.EqualFold(of.Name, table) }) {
			return true
		}
	}
	return false
}

// markFailed notes that not the body but its mark has failed.
func (t *Tracker) markFailed(m *migration, c *Call) {
	if m.err != nil {
		return
	}
	m.fail(c)
	m.failed.Index = m.count + 1
}

// markFirst opens a migration, and ends the one before.
func (t *Tracker) markFirst(cn *conn, c *Call, to touch, versions []string) {
	r := t.run
	if m := r.open; m != nil {
		r.open = nil
		if m.opened {
			t.finish(m, m.completed(), m.end)
		} else {
			t.unmarked(m, m.end)
		}
	}
	m := t.newMigration(cn, c)
	m.opened = true
	t.inscribe(m, to, versions)
	if c.Err != nil {
		t.markFailed(m, c)
		m.unsure = lost(c.Err) && cn.permanent(c)
		t.finish(m, m.failure(), c.end())
		return
	}
	r.open = m
	t.tell(m)
}

// setSingle takes in the version table's one row, set in the body's transaction.
func (t *Tracker) setSingle(cn *conn, c *Call, versions []string) {
	if len(versions) != 1 {
		return
	}
	if !cn.inTx(c) {
		t.setByHand(cn, c, versions[0])
		return
	}
	x := cn.transaction()
	m := x.body
	if m == nil {
		m = t.newMigration(cn, c)
		m.hold(x)
		x.body = m
	}
	t.aim(m, versions[0])
	m.opened = true
	t.tell(m)
	if c.Err != nil {
		m.blame = true
		t.markFailed(m, c)
		return
	}
	x.set = &setRow{version: versions[0]}
}

// setByHand takes in the one row where it is set outside any transaction, which
// a tool does after a body that was run outside, too, and else a person.
func (t *Tracker) setByHand(cn *conn, c *Call, version string) {
	r := t.run
	m := r.open
	r.open, r.stray = nil, nil
	if m == nil {
		m = t.newMigration(cn, c)
		m.forced = true
		m.ev.Version = &version
	} else {
		t.aim(m, version)
	}
	if c.Err != nil {
		t.markFailed(m, c)
		m.unsure = lost(c.Err) && cn.permanent(c)
		t.finish(m, m.failure(), c.end())
		return
	}
	t.finish(m, m.completed(), c.end())
	r.known, r.current = true, version
}

// aim derives version and direction from the target.
func (t *Tracker) aim(m *migration, target string) {
	r, ev := t.run, m.ev
	none := target == "" || target == "-1"
	if m.target = target; none {
		m.target = "-1"
	}
	switch {
	case none && r.current != "", !none && r.known && r.current != "" && compare(target, r.current) < 0:
		current := r.current
		ev.Version, ev.Direction = &current, event.Down
	case none:
		ev.Direction = event.Down
	case r.known && target != r.current:
		ev.Version, ev.Direction = &target, event.Up
	default:
		ev.Version = &target
	}
}

// setAround takes in one half of a row's replacement.
func (t *Tracker) setAround(cn *conn, c *Call, to touch, versions []string) {
	x := cn.transaction()
	if c.Err != nil {
		x.setErr = c.Err
	}
	switch {
	case to.kind == touchClear:
		x.cleared, x.set = true, nil
	case len(versions) == 1:
		dirty := false
		if v, ok := columnValue(to.stmt, t.run.tool().dirty); ok {
			s, _ := textOf(v, c.Args)
			dirty = isTrue(s)
		}
		x.set = &setRow{version: versions[0], dirty: dirty}
		if !dirty && t.run.open == nil {
			m := t.newMigration(cn, c)
			m.forced, m.tx = true, x
			m.ev.Version = &x.set.version
			x.marked = append(x.marked, m)
			t.tell(m)
		}
	}
	if !cn.inTx(c) && c.Err == nil && x.set != nil {
		cn.tx = nil
		for _, m := range x.marked {
			t.finish(m, m.completed(), c.end())
		}
		t.replaced(cn, c, x)
	}
}

// replaced takes in the version table's one row when its change is permanent.
func (t *Tracker) replaced(cn *conn, c *Call, x *tx) {
	r := t.run
	if x.set == nil && !x.cleared {
		return
	}
	if x.set != nil && x.set.dirty {
		if m := r.open; m != nil {
			r.open = nil
			t.finish(m, event.Failed, c.end())
		}
		m := t.newMigration(cn, c)
		m.opened = true
		m.ev.Start = c.end()
		t.aim(m, x.set.version)
		r.open = m
		t.tell(m)
		return
	}
	m := r.open
	if m == nil && x.set == nil { // emptied by hand
		m = t.newMigration(cn, c)
		m.forced = true
	}
	if m != nil && (m.opened || m.forced) {
		r.open = nil
		m.end = later(m.end, c.end())
		t.finish(m, m.completed(), c.end())
	}
	r.known, r.current = true, ""
	if x.set != nil {
		r.current = x.set.version
	}
}
