package main

import (
	"cmp"
	"time"
)

// runReport is what a report tells of one run, whatever it was read from.
type runReport struct {
	ID, Correlation      string
	Tool, Outcome, Role  string
	System, Database     string
	Start, End           time.Time
	Applied, RolledBack  int
	Failures, Statements int
	LockWait             time.Duration
	Retries              int
	RetryLost            time.Duration
	Who                  []string
	Timeouts             []reportTimeout
	Migrations           []*reportMigration
	entries              int                // of the audit trail, that it was made of
	Slow                 []*reportStatement // slow, failed or seen running; of the audit trail: all
	Locks                []*reportLock
	Blockers             []*reportBlocker
	Findings             []reportFinding
	Alerts               []*reportAlert
	Impact               string           // on the application's own statements, in a sentence; "" where there were none
	Resources            *reportResources // nil where it is not known
	Trend                *reportTrend     // nil where there is nothing to compare with
	Notes                []string         // what the source does not tell
}

type reportTimeout struct {
	Name  string
	Value time.Duration // 0 is none
}

type reportMigration struct {
	ID, Version, After, Direction string
	Outcome                       string // "" where its end was not seen
	Guarantee                     string
	Start, End                    time.Time
	LockWait                      time.Duration
	Statements                    int
	Error, Verdict                string
	FailingIndex, FailingPosition int
	FailingText                   string
}

type reportStatement struct {
	conn                         uint64
	Migration                    string // id
	Summary, Text, Fingerprint   string
	Start, End                   time.Time
	Failed, Running, Approximate bool
	Error                        string
	WaitsFor, WaitMode           string
	WaitedFrom, WaitedTo         time.Time
	Queue                        int // most sessions seen waiting behind it
	Rewrite                      bool
}

type reportLock struct {
	conn                 uint64
	Kind, Key, Outcome   string
	Attempts             int
	WaitedFrom, WaitedTo time.Time // zero where it did not wait
	HeldFrom, HeldTo     time.Time
	Anomaly              string
}

type reportBlocker struct {
	PID               int64
	User, Application string
	State, Query      string
	On                string // what ours waited for
	From, To          time.Time
	Transaction       time.Duration
}

type reportFinding struct {
	Message, SQL string
}

type reportAlert struct {
	Rule, Severity, State, Title string
	Details                      []string
	Steps                        []reportStep
}

type reportStep struct{ Text, SQL string }

// good reports whether the run ended, and nothing in it failed as far as the
// source can tell.
func (r *runReport) good() bool {
	return r.Outcome == "ok" || r.Outcome == "noop" || r.Outcome == outcomeElsewhere
}

func (r *runReport) Took() time.Duration       { return r.End.Sub(r.Start) }
func (m *reportMigration) Took() time.Duration { return m.End.Sub(m.Start) }
func (s *reportStatement) Took() time.Duration { return s.End.Sub(s.Start) }
func (l *reportLock) Waited() time.Duration    { return l.WaitedTo.Sub(l.WaitedFrom) }
func (l *reportLock) Held() time.Duration      { return l.HeldTo.Sub(l.HeldFrom) }

// Name is the version, or as much of it as is known.
func (m *reportMigration) Name() string {
	switch {
	case m.Version != "":
		return m.Version
	case m.After != "":
		return "after " + m.After
	}
	return "unknown"
}

// Said is the outcome, or what is said of one whose end was not seen.
func (m *reportMigration) Said() string { return cmp.Or(m.Outcome, "not finished") }

// Who names a blocker.
func (b *reportBlocker) Who() string {
	who := b.User
	if b.Application != "" {
		who += " " + b.Application
	}
	return who
}

// extend makes the run's time cover a moment.
func (r *runReport) extend(times ...time.Time) {
	for _, t := range times {
		if t.IsZero() {
			continue
		}
		if r.Start.IsZero() || t.Before(r.Start) {
			r.Start = t
		}
		if t.After(r.End) {
			r.End = t
		}
	}
}

// count fills in the numbers that the end of the run would have told.
func (r *runReport) count() {
	for _, m := range r.Migrations {
		switch {
		case m.Outcome == "failed" || m.Outcome == "interrupted":
			r.Failures++
		case m.Outcome != "" && m.Direction == "down":
			r.RolledBack++
		case m.Outcome != "":
			r.Applied++
		}
		r.Statements += m.Statements
		r.LockWait += m.LockWait
	}
}
