package migrator

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// migration is a migration under way, or statements that may become one.
type migration struct {
	ev   *event.Migration
	told bool // its start is known to the world

	tx     *tx // the transaction that holds all of its body; nil where none does
	opened bool
	forced bool
	shares bool // its body is told with another version's
	orphan bool // its mark changed no row

	body    []event.BodyStatement
	count   int
	ddl     bool // of the statements that went through, one was DDL
	wrote   bool // one may have changed something
	called  bool // one was a query that may have done more than read
	end     time.Time
	err     error
	failed  *event.FailingStatement
	text    string   // that failed
	unsure  bool     // it was lost in its commit
	undone  bool     // the transaction of its body was rolled back
	several bool     // the text that failed holds several statements
	commits bool     // and ends a transaction among them
	parted  bool     // a part of it has been committed by its own text
	index   bool     // it makes or drops an index CONCURRENTLY
	target  string   // around, single: the version that is aimed at
	blame   bool     // the error is the migration's for certain
	alien   bool     // not the tool's
	early   bool     // its mark came before its body
	acted   []string // the tables that its DDL acts on; the first maxBody
}

// completed is the outcome of a migration that nothing has gone wrong with.
func (m *migration) completed() event.Outcome {
	switch {
	case m.forced:
		return event.Forced
	case m.count == 0 && !m.shares:
		return event.Baseline
	}
	return event.Applied
}

// newMigration prepares for a migration whose first statement is c.
func (t *Tracker) newMigration(cn *conn, c *Call) *migration {
	return &migration{
		ev: &event.Migration{
			Trace:     event.Trace{CorrelationID: c.CorrelationID},
			Database:  t.cfg.Database,
			ConnID:    cn.id,
			Direction: event.UnknownDirection,
			Start:     c.Start,
		},
		end: c.Start,
	}
}

// tell makes the start of a migration known.
func (t *Tracker) tell(m *migration) {
	if m.told {
		return
	}
	t.tellRun(t.run)
	m.told = true
	t.describe(m)
	t.out = append(t.out, Change{Migration: m.ev})
}

// describe fills in what is known of a migration at its start.
func (t *Tracker) describe(m *migration) {
	r, ev := t.run, m.ev
	ev.RunID, ev.MigrationID = r.ev.RunID, t.cfg.NewID()
	if ev.CorrelationID == "" {
		ev.CorrelationID = r.ev.CorrelationID
	}
	ev.Tool = r.toolName()
	if r.style() == around && !m.opened && !m.forced {
		m.alien, ev.Tool = true, unknownTool // golang-migrate runs nothing without its mark
	}
	ev.After = r.latest()
	if m.tx != nil {
		ev.After = m.tx.latest(ev.After)
	}
	if k := r.tool(); k != nil && k.probes && r.probe != nil && ev.Version == nil {
		ev.Version = r.probe
	}
	ev.Atomic = m.tx != nil && r.style() != first && t.rollsBack()
	if r.waited != nil {
		ev.LockWait, r.waited = r.waited.wait(), nil
	}
}

// add notes a statement of a migration's body.
func (m *migration) add(c *Call, ddl bool) {
	m.count++
	m.end = later(m.end, c.end())
	s := event.BodyStatement{
		Operation:    c.Text.Operation().String(),
		Fingerprint:  c.Text.FingerprintHex(),
		Text:         c.Text.Redacted,
		Start:        c.Start,
		Duration:     c.Duration,
		RowsAffected: -1,
		Failed:       c.Err != nil,
	}
	if c.Kind == Exec && c.Err == nil {
		s.RowsAffected = c.Affected
	}
	if len(m.body) < maxBody {
		m.body = append(m.body, s)
	}
	if ddl {
		m.acts(c.Text)
	}
	if c.Err == nil {
		m.ddl = m.ddl || ddl
		m.wrote = m.wrote || writes(c.Text)
		m.called = m.called || calls(c.Text)
		return
	}
	m.fail(c)
}

// acts notes the tables that DDL acts on.
func (m *migration) acts(t *sqltext.Text) {
	for i := range t.Statements {
		if tables := t.Statements[i].Tables; len(tables) > 0 && len(m.acted) < maxBody {
			m.acted = append(m.acted, strings.ToLower(tables[0].Name))
		}
	}
}

// fail notes the error of a statement. The first counts: what a server says
// once a transaction is aborted explains nothing.
func (m *migration) fail(c *Call) {
	if m.err != nil {
		return
	}
	m.err = c.Err
	m.several = c.Text.Count > 1
	for i := range c.Text.Statements {
		s := &c.Text.Statements[i]
		m.commits = m.commits || m.several && s.Operation.String() == "COMMIT"
		m.index = m.index || s.Concurrently && strings.HasSuffix(s.Operation.String(), "INDEX")
	}
	m.text = c.Text.SQL
	m.failed = &event.FailingStatement{
		Index:       m.count,
		Position:    event.Position(c.Err),
		Operation:   operationAt(c.Text, event.Position(c.Err)).String(),
		Fingerprint: c.Text.FingerprintHex(),
		Text:        c.Text.Redacted,
	}
	if n := len(m.body); n > 0 && m.count == n {
		m.body[n-1].Failed = true
	}
}

// operationAt is the operation of the statement at a position of a text, counted
// in characters from 1.
func operationAt(t *sqltext.Text, position int) sqltext.Operation {
	op, place := t.Operation(), len(t.SQL)
	for at := range t.SQL { // the bytes at which characters begin
		if position--; position == 0 {
			place = at
			break
		}
	}
	for i := range t.Statements {
		if position >= 0 && t.Statements[i].Offset <= place {
			op = t.Statements[i].Operation
		}
	}
	return op
}

// merge puts the statements of earlier before those of m.
func (m *migration) merge(earlier *migration) {
	if earlier == nil || earlier.count == 0 {
		return
	}
	m.body = append(slices.Clone(earlier.body), m.body...)
	m.body = m.body[:min(len(m.body), maxBody)]
	m.count += earlier.count
	m.ddl = m.ddl || earlier.ddl
	m.wrote = m.wrote || earlier.wrote
	m.called = m.called || earlier.called
	m.acted = append(m.acted, earlier.acted...)
	m.tx = nil
	if !m.told {
		m.ev.Start = earlier.ev.Start
	}
}

// fill writes into the event how the migration has gone, or will have gone.
func (t *Tracker) fill(m *migration, o event.Outcome, now time.Time) {
	ev := m.ev
	ev.Outcome = o
	ev.Duration = max(0, now.Sub(ev.Start))
	ev.Statements = m.count
	ev.Body = m.body
	if m.tx == nil {
		ev.Atomic = false
	}
	ev.Err, ev.ErrorClass, ev.SQLState, ev.Failing, ev.Verdict, ev.Undone = nil, "", "", nil, "", false
	if m.orphan {
		ev.Direction = event.UnknownDirection
		ev.Verdict = "the version table had no row to remove: the body was run, and the table does not tell; compare the schema with it by hand"
	}
	if o != event.Failed && o != event.Interrupted {
		return
	}
	ev.Err = m.err
	ev.ErrorClass, ev.SQLState = event.Classify(m.err)
	ev.Failing = m.failed
	t.name(m)
	ev.Verdict, ev.Undone = t.verdict(m)
}

// name finds the version of a migration that failed before it was told, in the
// migrations' own files.
func (t *Tracker) name(m *migration) {
	if m.ev.Version != nil || m.text == "" {
		return
	}
	o, ok := t.cfg.Files.find(m.text)
	if !ok {
		return
	}
	k := t.run.tool()
	if k == nil {
		k = &tool{}
	}
	version := k.versionOf(o.file)
	m.ev.Version = &version
	if m.ev.Direction == event.UnknownDirection {
		m.ev.Direction = o.direction
	}
}

// finish ends a migration.
func (t *Tracker) finish(m *migration, o event.Outcome, now time.Time) {
	r := t.run
	t.tell(m)
	for i, ch := range t.out {
		if ch.Migration == m.ev { // begun by the same call: its start must not look like an end
			start := *m.ev
			t.out[i].Migration = &start
		}
	}
	t.fill(m, o, now)
	r.last = later(r.last, m.end)
	t.record(m, o)
	t.out = append(t.out, Change{Migration: m.ev})
	if m.alien && r.tools != 0 {
		return // not the tool's
	}
	r.did = true
	r.ev.Statements += m.count
	switch o {
	case event.Failed, event.Interrupted:
		r.ev.Failures++
	case event.Applied:
		if m.ev.Direction == event.Down {
			r.ev.RolledBack++
		} else {
			r.ev.Applied++
		}
	}
	for i := range m.body {
		if s := &m.body[i]; r.ev.Slowest == nil || s.Duration > r.ev.Slowest.Duration {
			r.ev.Slowest = s
		}
	}
}

// record keeps up with what the version table says.
func (t *Tracker) record(m *migration, o event.Outcome) {
	if m.ev.Version == nil || o == event.Failed || o == event.Interrupted {
		return
	}
	switch m.ev.Direction {
	case event.Up:
		t.run.applied.add(*m.ev.Version)
	case event.Down:
		t.run.applied.drop(*m.ev.Version)
	}
}

// rollsBack reports whether the database undoes DDL with its transaction.
func (t *Tracker) rollsBack() bool {
	switch t.cfg.Database.System {
	case "postgresql", "sqlite", "microsoft.sql_server":
		return true
	}
	return false
}

// commitsDDL reports whether DDL commits the transaction that it is in.
func (t *Tracker) commitsDDL() bool {
	switch t.cfg.Database.System {
	case "mysql", "mariadb":
		return true
	}
	return false
}

// calls reports whether a query may do more than read: by a function that it
// calls (setval, create_hypertable), a CTE that writes, or INTO a new table.
func calls(t *sqltext.Text) bool {
	return t.Class() == sqltext.ClassRead && beyondReading.MatchString(t.SQL)
}

var beyondReading = regexp.MustCompile(`(?i)\(|\binto\b`)

// writes reports whether a text may have changed something.
func writes(t *sqltext.Text) bool {
	switch t.Class() {
	case sqltext.ClassWrite, sqltext.ClassDDL, sqltext.ClassOther:
		return true
	}
	return false
}
