package migrator

import (
	"slices"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// sense is what a statement is at this point of the sequence.
type sense uint8

const (
	isNothing sense = iota
	isBody
	isTouch
	isLock
	isLockTable
	isQuestion
	isTx
)

// look tells what a statement is, given what came before.
func (t *Tracker) look(cn *conn, c *Call) (sense, touch) {
	text := c.Text
	if text == nil || len(text.Statements) == 0 && t.run == nil {
		return isNothing, touch{}
	}
	if len(text.Statements) > 0 {
		if c.Role&roleLock != 0 && text.Count == 1 {
			return isLock, touch{}
		}
		if text.Count == 1 && text.Statements[0].Class == sqltext.ClassTx {
			return isTx, touch{}
		}
		if c.Role&roleTable != 0 || t.hasLearnt(text, c) {
			if _, _, ok := lockTableOf(text); ok {
				return isLockTable, touch{}
			}
			to, known := touchOf(text, t.learnt())
			known = known && t.accepts(to, cn)
			if known && to.shown() != 0 {
				return isTouch, to
			}
			if to, ok := t.handmade(cn, c); ok {
				return isTouch, to
			}
			if known {
				return isTouch, to
			}
		}
		if c.Role&roleExists != 0 {
			return isQuestion, touch{}
		}
	}
	if t.run == nil && c.Role&roleDDL == 0 || c.Role == 0 && aside(text) {
		return isNothing, touch{}
	}
	return isBody, touch{}
}

// learnt are the names of version tables that do not go by their default.
func (t *Tracker) learnt() map[string]toolSet {
	if t.run != nil && len(t.run.tables) > 0 {
		return t.run.tables
	}
	return t.tables
}

// hasLearnt reports whether a text's table was learnt to be a version table,
// which its role cannot tell.
func (t *Tracker) hasLearnt(text *sqltext.Text, c *Call) bool {
	s := &text.Statements[0]
	if text.Count != 1 || len(s.Tables) == 0 {
		return false
	}
	table := strings.ToLower(s.Tables[0].Name)
	return t.learnt()[table] != 0 || t.made[table] != nil || t.run != nil && markerIn(s, c)
}

// accepts reports whether what looks like a touch of a version table is one. An
// application may have tables of the same shape.
func (t *Tracker) accepts(to touch, cn *conn) bool {
	r := t.run
	if r != nil && r.table != "" && r.table != to.table {
		// Another tool's table, or the application's. In the middle of a
		// migration it is part of the body.
		if r.open != nil || r.lock != nil || t.held() {
			return false
		}
	}
	if !to.kind.isMark() {
		return true
	}
	if t.tables[to.table]&to.tools != 0 || r != nil && r.tables[to.table]&to.tools != 0 {
		return true
	}
	if !to.sure || r == nil {
		return false
	}
	// Never read, never created: only DDL before it makes it a mark.
	return r.open != nil && r.open.ddl || cn.tx != nil && cn.tx.body != nil && cn.tx.body.ddl
}

// grade is how certain it is that a statement belongs to a migration.
type grade uint8

const (
	foreign grade = iota
	maybe         // if a mark or DDL follows
	certain
)

// grade tells whose a statement is.
//
// A tool that pins its connection is followed without a doubt. Through the pool,
// the application's statements look the same, and only what follows tells: a
// mark in the same transaction, or DDL, which a running application does not
// send. Elsewhere, statements outside a transaction are the application's.
func (t *Tracker) grade(cn *conn, c *Call) grade {
	r := t.run
	switch {
	case c.Role&roleDDL != 0:
		return certain
	case r == nil:
		return foreign
	case cn.shown && r.sure && (!cn.reset || r.open != nil && r.open.opened || r.about):
		return certain
	case cn.inTx(c):
		return maybe
	case cn.shown && !cn.loose:
		return maybe
	}
	return foreign
}

// inTx reports whether a call is made inside a transaction.
func (cn *conn) inTx(c *Call) bool { return c.InTx || cn.byText }

// opens reports whether a statement can be the first of a migration. What only
// reads or sets up the session can not.
func opens(t *sqltext.Text) bool {
	switch t.Class() {
	case sqltext.ClassDDL, sqltext.ClassWrite, sqltext.ClassOther:
		return true
	}
	return false
}

// beginBody starts a migration with the statement that is about to be made.
func (t *Tracker) beginBody(cn *conn, c *Call) {
	if t.grade(cn, c) != certain || !opens(c.Text) {
		return
	}
	t.openRun(cn, c)
	m := t.bodyOf(cn, c)
	if cn.inTx(c) && c.Text.Count > 1 && saysCommit(c.Text) {
		m.part()
	}
	t.hint(m, c)
	t.tell(m)
}

// bodyOf is the migration that a statement is part of.
func (t *Tracker) bodyOf(cn *conn, c *Call) *migration {
	r := t.run
	if r.open != nil && r.open.opened && (cn.shown || c.Role&roleDDL != 0) {
		if cn.inTx(c) {
			cn.transaction().joined = true
		}
		return r.open
	}
	if cn.inTx(c) {
		x := cn.transaction()
		if m := x.unfilled(r); m != nil && x.body == nil {
			return m
		}
		if x.body == nil {
			x.body = t.newMigration(cn, c)
			x.body.hold(x)
		}
		return x.body
	}
	if t.grade(cn, c) == certain {
		if r.open == nil {
			r.open, r.stray = r.stray, nil
		}
		if r.open == nil {
			r.open = t.newMigration(cn, c)
			r.open.called, r.called = r.called, false
		}
		return r.open
	}
	if r.open != nil {
		return r.open
	}
	if r.stray == nil {
		r.stray = t.newMigration(cn, c)
	}
	return r.stray
}

func (cn *conn) transaction() *tx {
	if cn.tx == nil {
		cn.tx = &tx{}
	}
	return cn.tx
}

// hint reads the direction from the comment that the body begins with.
func (t *Tracker) hint(m *migration, c *Call) {
	k := t.run.tool()
	if k == nil || m.ev.Direction != event.UnknownDirection {
		return
	}
	switch {
	case commented(c.Text, k.upComment):
		m.ev.Direction = event.Up
	case commented(c.Text, k.downComment):
		m.ev.Direction = event.Down
	}
}

// commented reports whether a text's leading comments begin with a word.
func commented(t *sqltext.Text, word string) bool {
	return word != "" && strings.HasPrefix(strings.TrimLeft(t.Comment, "-/*# \t\r\n"), word)
}

// statement takes in an Exec or Query that has returned.
func (t *Tracker) statement(cn *conn, c *Call) {
	if !cn.inTx(c) {
		t.abandon(cn, c.Start)
	}
	what, to := t.look(cn, c)
	switch what {
	case isTx:
		t.txText(cn, c)
	case isLock:
		t.lockCalled(cn, c)
	case isLockTable:
		t.lockTableCalled(cn, c)
	case isQuestion:
		t.asked(c)
	case isTouch:
		t.touched(cn, c, to)
	case isBody:
		t.body(cn, c)
	}
}

// asked learns the name of a version table from a question to the catalog.
func (t *Tracker) asked(c *Call) {
	for _, name := range literals(c.Text, c.Args) {
		name = tableName(name)
		tools := byDefault(name)
		if tools == 0 && plausible(name) {
			for i := range known {
				if !known[i].weak {
					tools |= 1 << i
				}
			}
		}
		t.learn(name, tools)
	}
}

// learn keeps the name of a version table beyond the run.
func (t *Tracker) learn(name string, tools toolSet) {
	if tools == 0 {
		return
	}
	if len(t.tables) < maxTables || t.tables[name] != 0 {
		t.tables[name] |= tools
	}
	if r := t.run; r != nil && (len(r.tables) < maxTables || r.tables[name] != 0) {
		r.tables[name] |= tools
	}
}

// body takes in a statement that may be of a migration's body.
func (t *Tracker) body(cn *conn, c *Call) {
	g, inTx := t.grade(cn, c), cn.inTx(c)
	if g == maybe && !inTx && t.run.open == nil && (c.Text.Class() != sqltext.ClassWrite && c.Err == nil || len(c.Args) > 0) {
		// Statements with arguments, and reads, are the application's own.
		cn.loose = true
		t.run.stray = nil
		g = foreign
	}
	if g == foreign {
		if t.run != nil {
			t.run.foreign++
		}
		return
	}
	r := t.openRun(cn, c)
	if g == certain && !inTx && r.open == nil && !opens(c.Text) {
		r.called = r.called || calls(c.Text)
		r.own(c)
		return
	}
	m := t.bodyOf(cn, c)
	m.add(c, c.Role&roleDDL != 0)
	if c.Role&roleDDL != 0 && r.tools == 0 {
		t.noticed(c)
	}
	if g == certain {
		t.hint(m, c)
		if opens(c.Text) {
			t.tell(m)
		}
		r.own(c)
		r.conns[cn.id] = struct{}{}
	} else {
		r.foreign++
	}
	if c.Err == nil && inTx && r.tool() != nil && r.tool().bodyCreates && drops(c.Text, r.table) {
		t.unmade(cn.transaction(), m)
	}
	switch {
	case inTx && t.commitsDDL() && commitsAtOnce(c):
		x := cn.transaction()
		x.implicit, x.durable = true, len(x.marked)
	case inTx && c.Text.Count > 1 && saysCommit(c.Text):
		x := cn.transaction()
		x.part(c.Err == nil)
		x.implicit = x.implicit && !beginsAgain(c.Text)
	}
	if c.Err == nil {
		if c.Kind == Query {
			cn.query = &query{call: *c, run: r, body: m}
		}
		return
	}
	t.bodyFailed(cn, c, m, g)
}

// commitsAtOnce reports whether a statement has committed what came before it on
// a database that commits at DDL: before it runs, hence even where it fails, as
// long as it was understood.
func commitsAtOnce(c *Call) bool {
	if !slices.ContainsFunc(c.Text.Statements, endsTransaction) {
		return false
	}
	class, _ := event.Classify(c.Err)
	return class != event.ClassSyntax
}

// endsTransaction reports whether a statement commits the transaction that it is
// in on MySQL and MariaDB ("Statements That Cause an Implicit Commit"): what
// defines or maintains a table that is not temporary, takes locks on tables, or
// begins the next transaction.
func endsTransaction(s sqltext.Statement) bool {
	switch s.Operation.String() {
	case "BEGIN", "COMMIT", "LOCK":
		return true
	}
	return s.Class == sqltext.ClassDDL && !s.Temporary
}

// beginsAgain reports whether the last transaction of a text is left open.
func beginsAgain(t *sqltext.Text) (open bool) {
	for i := range t.Statements {
		switch t.Statements[i].Operation.String() {
		case "BEGIN":
			open = true
		case "COMMIT", "ROLLBACK":
			open = false
		}
	}
	return open
}

// saysCommit reports whether a text says COMMIT.
func saysCommit(t *sqltext.Text) bool {
	return slices.ContainsFunc(t.Statements, func(s sqltext.Statement) bool { return s.Operation.String() == "COMMIT" })
}

// bodyFailed takes in the error of a body's statement. In a transaction, it is
// the end only once that is rolled back: a tool may know what to do about it.
func (t *Tracker) bodyFailed(cn *conn, c *Call, m *migration, g grade) {
	r := t.run
	m.blame = m.blame || g == certain || m.told || t.likelyFailure(cn, c)
	if cn.inTx(c) {
		if m.blame && m.tx != nil {
			t.tell(m)
		}
		return
	}
	switch {
	case r.open == m:
		r.open = nil
	case r.stray == m:
		r.stray = nil
		if !m.blame {
			cn.loose = true
			return
		}
	}
	t.finish(m, event.Failed, c.end())
	t.over(c)
}

// likelyFailure reports whether a failed statement, on a connection that went
// back to the pool after the tool's last call, is the tool's next one all the
// same: it follows at once, in a transaction or as no application would write
// it, is bound to no arguments, and has not met a constraint, which is what
// befalls applications.
func (t *Tracker) likelyFailure(cn *conn, c *Call) bool {
	if !cn.shown || cn.loose || len(c.Args) > 0 {
		return false
	}
	// An application asks for what it reads; a tool runs a SELECT like all else.
	ran := c.Kind == Exec && c.Text.Class() == sqltext.ClassRead
	if !ran && (!opens(c.Text) || !cn.inTx(c) && c.Text.Class() != sqltext.ClassOther) {
		return false
	}
	switch class, _ := event.Classify(c.Err); class {
	case event.ClassConstraint, event.ClassSerialization, event.ClassBadConn, event.ClassAbortedTx:
		return false
	}
	return true
}
