package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// What a run says of itself: its migrations, its statements that failed, its
// end.

// failedStatement is what is kept of an event.Statement: never its error's text.
type failedStatement struct {
	event.Trace
	db                                            event.Database
	class, phase, errorClass, code, summary, text string
	took                                          time.Duration
}

func (e *Engine) statement(now time.Time, s failedStatement) {
	if e.spares(guardInsideRun, s.phase != "migration" && s.RunID == "") {
		return
	}
	if s.class == "lock" {
		return // the lock tells of it
	}
	if e.spares(guardOvertaken, s.MigrationID != "" && e.seen.over[s.MigrationID]) {
		return
	}
	c := condition{Trace: s.Trace, db: s.db, class: s.errorClass}
	c.details = []string{fmt.Sprintf("%s failed after %s with %s%s.", orStatement(s.summary), brief(s.took), s.errorClass, code(s.code))}
	if s.text != "" {
		c.details = append(c.details, "The statement: "+clip(s.text, maxQuery))
	}
	switch s.errorClass {
	case event.ClassLockTimeout:
		c.rule, c.says = LockTimeout, "did not get a lock in time: "+orStatement(s.summary)
		c.steps = lockTimeoutSteps(s.db)
	case event.ClassDeadlock:
		c.rule, c.says = Deadlock, "was chosen as the victim of a deadlock: "+orStatement(s.summary)
		c.steps = []event.Step{{Text: "Run the migration again: the server has undone the statement, and the other side has gone on."},
			{Text: "If it comes back, take the locks in the order in which the application takes them, or migrate while it is quiet."}}
	case event.ClassStatementTimeout:
		c.rule = StatementTimeout
	default:
		// PostgreSQL has one code for a timeout and for a cancel; only the class,
		// which is told from the message, knows which it was.
		if s.code != "57014" || e.spares(guardCancelNoTimeout, true) {
			return
		}
		c.rule = StatementTimeout
	}
	if c.rule == StatementTimeout {
		c.says = "ran into the statement timeout: " + orStatement(s.summary)
		c.steps = []event.Step{{Text: "Find out what the statement waited for or how much it had to read; the slow log has its time."},
			{Text: "Give the migration's own session the time that it needs, and let the application keep its limit.", SQL: raiseTimeout(s.db, s.code)}}
	}
	e.raise(now, c)
}

func (e *Engine) lock(now time.Time, l event.Lock) {
	if e.spares(guardInsideRun, l.RunID == "" && !l.Tools) {
		return
	}
	e.raise(now, condition{Trace: l.Trace, db: l.Database, rule: LockTimeout, class: event.ClassLockTimeout, object: l.Key,
		says:    fmt.Sprintf("gave up waiting for the %s lock %s after %s", l.Kind, l.Key, brief(l.Wait)),
		details: []string{fmt.Sprintf("It asked %s in %s.", times(l.Attempts), brief(l.Wait)), "Another run holds the lock, or has left it behind."},
		steps:   []event.Step{{Text: "See who holds the lock.", SQL: whoHolds(l.Database)}, {Text: "If that run is alive, wait for it and run this one again. If its session is idle, end the session."}}})
}

// ofMigration are the rules whose alerts a success of the migration ends, with
// the guard that a success in time is.
var ofMigration = map[string]guard{
	MigrationFailed:      guardRetryWins,
	MigrationInterrupted: guardRetryWins,
	DirtyState:           guardRecheck,
	LockTimeout:          guardAttemptNotTry,
	Deadlock:             guardAttemptNotTry,
	StatementTimeout:     guardAttemptNotTry,
}

// overcome ends the alerts that a success has overcome.
func (e *Engine) overcome(now time.Time, which func(*instance) bool) {
	for _, in := range e.sorted() {
		if !which(in) || in.stage == pending && !e.spares(ofMigration[in.rule], true) {
			continue
		}
		e.clear(now, in.key())
	}
}

func (e *Engine) migration(now time.Time, m event.Migration) {
	version := appliedVersion{m.Database, ""}
	if m.Version != nil {
		version.version = *m.Version
	}
	switch m.Outcome {
	case event.Applied, event.Baseline, event.Forced:
		e.seen.over.put(m.MigrationID, true)
		if m.Version != nil {
			e.seen.applied.put(version, m.Start)
		}
		e.overcome(now, func(in *instance) bool {
			_, its := ofMigration[in.rule]
			if statement := ofMigration[in.rule] == guardAttemptNotTry; statement && m.RunID != "" && in.RunID == m.RunID {
				return true // its failure did not keep the run from going on
			}
			same := m.Version != nil && in.version != nil && *in.version == *m.Version || m.MigrationID != "" && in.MigrationID == m.MigrationID
			// One whose version was not told is known by what it comes after.
			same = same || in.version == nil && in.tool != "" && in.tool == m.Tool && in.after == m.After
			return its && in.db == m.Database && (same || m.Outcome == event.Forced)
		})
	case event.Failed, event.Interrupted:
		if began, ok := e.seen.applied[version]; e.spares(guardOvertaken, ok && m.Version != nil && m.Start.Before(began)) {
			return
		}
		e.unsuccessful(now, m)
	}
}

func (e *Engine) unsuccessful(now time.Time, m event.Migration) {
	c := condition{Trace: m.Trace, db: m.Database, rule: MigrationFailed, tool: m.Tool, version: m.Version, after: m.After, class: m.ErrorClass}
	if m.Outcome == event.Interrupted {
		if e.spares(guardBackendAlive, e.seen.alive[m.MigrationID] || e.seen.alive[m.RunID]) {
			return
		}
		c.rule = MigrationInterrupted
	}
	if e.spares(guardOperatorCancel, m.ErrorClass == event.ClassCancelled) {
		c.severity = event.Info
	}
	c.says, c.details, c.steps = failureWords(m)
	e.raise(now, c)

	if partial(m) {
		e.raise(now, condition{Trace: m.Trace, db: m.Database, rule: DirtyState, tool: m.Tool, version: m.Version, after: m.After, class: m.ErrorClass,
			says: halfDone(m), details: remains(m), steps: dirtySteps(m)})
	}
}

func halfDone(m event.Migration) string {
	if m.Tool == "golang-migrate" {
		return "is marked dirty: " + string(m.Outcome)
	}
	return "is half done: " + string(m.Outcome) + " outside a transaction"
}

// partial reports whether a migration that did not succeed has left something.
func partial(m event.Migration) bool {
	switch {
	case m.Atomic:
		return false
	case m.Tool == "golang-migrate": // marks a version as dirty before its body
		return true
	case m.Undone:
		return false
	case m.Outcome == event.Interrupted:
		return m.Statements > 0
	case m.Failing != nil:
		return m.Failing.Index > 1
	}
	return m.Statements > 1
}

// runEnded ends what a run that did its work has overcome. A run that found
// nothing to do proves less: a status command looks the same.
func (e *Engine) runEnded(now time.Time, r event.Run) {
	if !r.Finished {
		e.seen.begun.put(r.RunID, now)
		return
	}
	began, ok := e.seen.begun[r.RunID]
	if !ok {
		began = now.Add(-r.Duration)
	}
	delete(e.seen.begun, r.RunID)
	if r.Outcome == "failed" {
		return
	}
	e.adopt() // what other processes have left open
	worked := r.Outcome == "ok" && r.Applied+r.RolledBack > 0
	e.overcome(now, func(in *instance) bool {
		if in.db != r.Database {
			return false
		}
		if in.tool != "" && r.Tool != "" && in.tool != r.Tool {
			return false // what another tool has done says nothing of this one's
		}
		_, its := ofMigration[in.rule]
		switch {
		case in.rule == DirtyState || in.rule == OutOfBand:
			return worked && in.seen.Before(began)
		case in.rule == LockTimeout && in.version == nil:
			return true // this run got the lock, or needed none
		case its:
			return worked
		}
		return in.adopted
	})
}

// found are the kinds of findings, by rule.
var found = map[string]string{
	"invalid_index": DirtyState, "constraint_not_valid": DirtyState, "lock_left": DirtyState, "zombie_lock": DirtyState,
	"history_edited": OutOfBand, "schema_drift": OutOfBand, "ddl_out_of_band": OutOfBand,
	"guard_missing": OutOfBand, "guard_off": OutOfBand, "guard_altered": OutOfBand,
}

// maxObjects bounds how many objects an alert names.
const maxObjects = 10

func (e *Engine) finding(now time.Time, f event.Finding) {
	if f.Kind == "still_running" {
		e.stillRunning(now, f)
		return
	}
	rule := found[f.Kind]
	if rule == "" || e.spares(guardNotValid, f.Kind == "constraint_not_valid") {
		return
	}
	c := condition{Trace: f.Trace, db: f.Database, rule: rule, object: f.Object,
		says: "left behind: " + findingWords(f.Kind) + " " + f.Object, details: []string{f.Message}}
	if f.SQL != "" {
		c.steps = []event.Step{{Text: "Repair it.", SQL: f.SQL}}
	}
	if rule == OutOfBand {
		c.says = findingWords(f.Kind)
		if f.Object != "" {
			c.says += ": " + f.Object
		}
		if e.spares(guardOnePerRun, true) {
			e.group(&c, f)
		}
		c.steps = append(c.steps, event.Step{Text: askOf(f.Kind)})
	}
	e.raise(now, c)
}

// askOf is what to do about a change by hand, whatever else there is to run.
func askOf(kind string) string {
	if strings.HasPrefix(kind, "guard_") {
		return "Ask who did it and why, and run sqlwitness audit verify: rows could have been changed meanwhile."
	}
	return "Ask who did it and why; if it is to stay, put it into a migration, else undo it."
}

// group makes one alert of the findings of a kind.
func (e *Engine) group(c *condition, f event.Finding) {
	c.object = f.Kind
	k := c.key()
	of := findingsOf{f.Database, f.Kind}
	objects := e.seen.strange[of]
	in := e.open[k]
	if in == nil || objects == nil {
		objects = map[string]struct{}{}
		e.seen.strange.put(of, objects)
	}
	if len(objects) < maxRemembered {
		objects[f.Object] = struct{}{}
	}
	c.size = len(objects)
	if in == nil {
		return
	}
	if c.size > 1 {
		c.says = fmt.Sprintf("%s, %d times: %s and others", findingWords(f.Kind), c.size, f.Object)
	}
	c.details = in.details
	if len(c.details) < maxObjects && !slices.Contains(c.details, f.Message) {
		c.details = append(slices.Clone(c.details), f.Message)
	}
	repairs := slices.DeleteFunc(slices.Clone(in.steps), func(s event.Step) bool { return s.SQL == "" || s.SQL == f.SQL })
	c.steps = append(repairs[:min(len(repairs), maxObjects-1)], c.steps...)
}

func (e *Engine) stillRunning(now time.Time, f event.Finding) {
	if !e.spares(guardBackendAlive, true) {
		return
	}
	for _, id := range []string{f.MigrationID, f.RunID} {
		if id != "" {
			e.seen.alive.put(id, true)
		}
	}
	for _, in := range e.sorted() {
		same := f.MigrationID != "" && in.MigrationID == f.MigrationID || f.RunID != "" && in.RunID == f.RunID
		if in.rule == MigrationInterrupted && in.stage == pending && same {
			e.clear(now, in.key())
		}
	}
}
