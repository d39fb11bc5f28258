package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// accountOfLog puts the lines of a run together.
type accountOfLog struct {
	report     *runReport
	ours       bool // the process whose log it is ran it
	ended      bool
	migrations map[string]*reportMigration
	running    map[uint64]*reportStatement // seen running and not yet ended, by connection
	waiting    map[uint64]*reportLock
	held       map[string]*reportLock // by connection and key
	blockers   map[string]*reportBlocker
	alerts     map[string]*reportAlert
	suppressed int
}

func newAccountOfLog(run string) *accountOfLog {
	return &accountOfLog{report: &runReport{ID: run}, migrations: map[string]*reportMigration{}, running: map[uint64]*reportStatement{},
		waiting: map[uint64]*reportLock{}, held: map[string]*reportLock{}, blockers: map[string]*reportBlocker{}, alerts: map[string]*reportAlert{}}
}

func (a *accountOfLog) add(l *logLine) {
	r := a.report
	if l.Run != "" {
		r.System, r.Database, r.Correlation = cmp.Or(l.System, r.System), cmp.Or(l.Database, r.Database), cmp.Or(l.Correlation, r.Correlation)
		if !a.ended { // what comes after is about the run and not in it
			r.extend(l.Time)
		}
	}
	a.suppressed += l.Suppressed
	switch l.Event {
	case "run.started":
		a.ours = true
		r.Tool = cmp.Or(l.Tool, r.Tool)
	case "run.finished":
		a.ours, a.ended = true, true
		r.Tool, r.Outcome, r.Role = cmp.Or(l.Tool, r.Tool), l.Outcome, l.Role
		r.Applied, r.RolledBack, r.Failures, r.Statements = l.Applied, l.RolledBack, l.Failures, l.Statements
		r.LockWait, r.Retries, r.RetryLost = l.LockWait.duration(), l.Retries, l.RetryLost.duration()
		r.extend(l.Time.Add(-l.Duration.duration()))
	case "run.timeouts":
		r.Timeouts = l.timeouts
		if l.Message != "" {
			r.Notes = append(r.Notes, upper(sentence(l.Message)))
		}
	case "run.impact":
		if l.Elsewhere != "" && !a.ours {
			a.ended = true
			r.Tool, r.Outcome, r.Start, r.End = l.Tool, outcomeElsewhere, l.Started, l.Started.Add(l.Duration.duration())
		}
		r.Impact = l.impact()
	case "run.resources":
		r.Resources = &reportResources{SizeAfter: l.SizeAfter, Growth: l.Growth, WAL: l.WAL, Temp: l.Temp, HitRate: l.HitRate, Deadlocks: l.Deadlocks, Missing: l.Missing}
		if l.Lag != nil {
			r.Resources.Lag = new(l.Lag.duration())
		}
	case "run.trend":
		r.Trend = &reportTrend{Applied: l.Applied, Median: l.Median.duration(), EarlierRuns: l.EarlierRuns, EarlierMedian: l.EarlierMedian.duration(), Compared: l.Compared}
		for _, s := range l.Slower {
			r.Trend.Slower = append(r.Trend.Slower, reportSlower{s.Migration, s.Version, s.Duration.duration(), s.Median.duration(), s.Earlier})
		}
	case "start.finished":
		r.Notes = append(r.Notes, fmt.Sprintf("The start of the process took %s: connecting %s, waiting for the lock %s, checking %s, applying %s.",
			short(l.Total.duration()), short(l.Connect.duration()), short(l.Lock.duration()), short(l.Check.duration()), short(l.Apply.duration())))
	case "migration.started", "migration.finished":
		a.migration(l)
	case "statement.running":
		a.statementRuns(l)
	case "statement.slow", "statement.failed":
		a.statement(l)
	case "lock.waiting", "lock.acquired", "lock.failed", "lock.released", "lock.anomaly":
		a.lock(l)
	case "finding":
		r.Findings = append(r.Findings, reportFinding{l.Message, l.SQL})
	case "audit.degraded", "witness.trouble":
		if !l.Over {
			r.Notes = append(r.Notes, strings.TrimSpace(upper(sentence(cmp.Or(l.Part, "sqlwitness")+": "+l.Message))+" "+sentence(l.Hint)))
		}
	default:
		if state, ok := strings.CutPrefix(l.Event, "alert."); ok {
			a.alert(l, state)
		}
	}
}

func (a *accountOfLog) migration(l *logLine) {
	m := a.migrations[l.Migration]
	if m == nil {
		m = &reportMigration{ID: l.Migration, Start: l.Time, End: l.Time}
		a.migrations[l.Migration] = m
		a.report.Migrations = append(a.report.Migrations, m)
	}
	a.report.Tool = cmp.Or(a.report.Tool, l.Tool)
	if l.Version != nil {
		m.Version = *l.Version
	}
	m.After, m.Direction = cmp.Or(l.After, m.After), cmp.Or(l.Direction, m.Direction)
	if l.Event == "migration.started" {
		return
	}
	m.Start, m.End = l.Time.Add(-l.Duration.duration()), l.Time
	m.Outcome, m.Guarantee, m.Statements, m.LockWait = l.Outcome, l.Guarantee, l.Statements, l.LockWait.duration()
	m.Error, m.Verdict = l.Error, l.Verdict
	if f := l.Failing; f != nil {
		m.FailingIndex, m.FailingPosition, m.FailingText = f.Index, f.Position, cmp.Or(f.Text, f.Operation)
	}
	a.report.extend(m.Start)
}

// statementRuns notes a sighting of a statement under way.
func (a *accountOfLog) statementRuns(l *logLine) {
	start := l.Time.Add(-l.Duration.duration())
	s := a.running[l.Conn]
	if s == nil || s.Fingerprint != l.Fingerprint || start.Sub(s.Start).Abs() > time.Second {
		s = a.newStatement(l, start)
		s.Running = true
		a.running[l.Conn] = s
	}
	s.End, s.Queue, s.Rewrite = l.Time, max(s.Queue, l.Queue), s.Rewrite || l.Rewrite
	if l.WaitsFor != "" {
		if s.WaitedFrom.IsZero() {
			s.WaitedFrom = start // it has been seen to do nothing else
		}
		s.WaitsFor, s.WaitMode, s.WaitedTo = l.WaitsFor, l.WaitMode, l.Time
	}
	a.blocked(l, start)
}

// statement notes the end of a slow or failed one. A tool that finds out by an
// error that its version table is missing has not failed.
func (a *accountOfLog) statement(l *logLine) {
	if l.Event == "statement.failed" && l.Migration == "" && l.Level != "error" {
		return
	}
	took := max(l.Duration, l.Open).duration()
	start := l.Time.Add(-took)
	s := a.running[l.Conn]
	if s == nil || s.Fingerprint != l.Fingerprint || start.Sub(s.Start).Abs() > time.Second {
		if s = a.same(l, start); s == nil {
			s = a.newStatement(l, start)
		}
	}
	delete(a.running, l.Conn)
	s.Running, s.Start, s.End = false, start, l.Time
	s.Failed = s.Failed || l.Event == "statement.failed"
	s.Error = cmp.Or(l.Error, s.Error)
}

// same finds the statement that a line tells of for the second time: one that
// was slow and failed has two lines.
func (a *accountOfLog) same(l *logLine, start time.Time) *reportStatement {
	for _, s := range slices.Backward(a.report.Slow) {
		if s.conn == l.Conn {
			if s.Fingerprint == l.Fingerprint && start.Sub(s.Start).Abs() < time.Millisecond {
				return s
			}
			return nil
		}
	}
	return nil
}

func (a *accountOfLog) newStatement(l *logLine, start time.Time) *reportStatement {
	s := &reportStatement{conn: l.Conn, Migration: l.Migration, Summary: cmp.Or(l.Summary, l.Operation), Text: l.Text, Fingerprint: l.Fingerprint, Start: start}
	a.report.Slow = append(a.report.Slow, s)
	a.report.extend(start)
	return s
}

func (a *accountOfLog) lock(l *logLine) {
	id := fmt.Sprintf("%d/%s/%s", l.Conn, l.Kind, l.Key)
	start := l.Time.Add(-l.Wait.duration())
	lock := a.waiting[l.Conn]
	if lock == nil || lock.Key != l.Key || l.Event == "lock.released" || l.Event == "lock.anomaly" {
		lock = a.held[id]
	}
	if lock == nil || l.Event == "lock.waiting" && !lock.HeldFrom.IsZero() {
		lock = &reportLock{conn: l.Conn, Kind: l.Kind, Key: l.Key}
		a.report.Locks = append(a.report.Locks, lock)
	}
	switch l.Event {
	case "lock.waiting":
		a.waiting[l.Conn] = lock
		lock.Outcome, lock.Attempts, lock.WaitedFrom, lock.WaitedTo = "waiting", l.Attempts, start, l.Time
		a.blocked(l, start)
	case "lock.acquired":
		delete(a.waiting, l.Conn)
		a.held[id] = lock
		lock.Outcome, lock.Attempts, lock.WaitedFrom, lock.WaitedTo, lock.HeldFrom = l.Outcome, l.Attempts, start, l.Time, l.Time
	case "lock.failed":
		delete(a.waiting, l.Conn)
		lock.Outcome, lock.Attempts, lock.WaitedFrom, lock.WaitedTo = l.Outcome, l.Attempts, start, l.Time
	case "lock.released":
		delete(a.held, id)
		if lock.HeldTo = l.Time; l.Hold != nil {
			lock.HeldFrom = l.Time.Add(-l.Hold.duration())
		}
		lock.Outcome = l.Outcome
	case "lock.anomaly":
		lock.Anomaly = l.Anomaly
	}
	a.report.extend(lock.WaitedFrom, lock.HeldFrom)
}

// blocked notes who was in the way of what has waited since start.
func (a *accountOfLog) blocked(l *logLine, start time.Time) {
	on := cmp.Or(l.WaitsFor, l.Key)
	for _, b := range l.BlockedBy {
		id := fmt.Sprintf("%d/%d/%s", l.Conn, b.PID, on)
		have := a.blockers[id]
		if have == nil {
			have = &reportBlocker{PID: b.PID, On: on, From: start}
			if b.Transaction > 0 {
				if began := l.Time.Add(-b.Transaction.duration()); began.After(start) {
					have.From = began
				}
			}
			a.blockers[id] = have
			a.report.Blockers = append(a.report.Blockers, have)
		}
		have.User, have.Application, have.State, have.Query = b.User, b.Application, b.State, b.Query
		have.Transaction, have.To = b.Transaction.duration(), l.Time
	}
}

func (a *accountOfLog) alert(l *logLine, state string) {
	id := l.Rule + "/" + l.Object
	have := a.alerts[id]
	if have == nil {
		have = &reportAlert{Rule: l.Rule}
		a.alerts[id] = have
		a.report.Alerts = append(a.report.Alerts, have)
	}
	have.Severity, have.State, have.Title = l.Severity, state, l.Title
	if len(l.Details)+len(l.Steps) == 0 {
		return // it is over, and was told of before
	}
	have.Details, have.Steps = l.Details, nil
	for _, s := range l.Steps {
		have.Steps = append(have.Steps, reportStep(s))
	}
}

// finish says what the lines leave open.
func (a *accountOfLog) finish() {
	r := a.report
	for _, l := range a.held {
		l.HeldTo = r.End // as far as is known
	}
	if !a.ended {
		r.Outcome = "not finished"
		for _, m := range r.Migrations {
			if m.Outcome == "" {
				m.End = r.End
			}
		}
		r.count()
		r.Notes = append(r.Notes, "The end of the run is not in the log: it is still running, or its process died.")
	}
	if a.suppressed > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("The log's rate limit left out %s about statements.", plural(a.suppressed, "line")))
	}
	slices.SortStableFunc(r.Migrations, func(a, b *reportMigration) int { return a.Start.Compare(b.Start) })
	slices.SortStableFunc(r.Slow, func(a, b *reportStatement) int { return a.Start.Compare(b.Start) })
}

// sentence ends a text as one.
func sentence(s string) string {
	if s = strings.TrimSpace(s); s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
