package alert

import (
	"maps"
	"slices"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// The rules. docs/runbooks has a page for each.
const (
	MigrationFailed      = "migration_failed"
	MigrationInterrupted = "migration_interrupted"
	DirtyState           = "dirty_state"
	LockWait             = "lock_wait"
	LockPileup           = "lock_pileup"
	LockTimeout          = "lock_timeout"
	Deadlock             = "deadlock"
	StatementTimeout     = "statement_timeout"
	Stalled              = "stalled"
	AuditFailure         = "audit_failure"
	OutOfBand            = "out_of_band"
	CannotObserve        = "cannot_observe"
	DeliveryFailing      = "delivery_failing"
)

// Rule sets a rule. Zero fields have the rule's default; a negative duration
// stands for none.
type Rule struct {
	Off      bool           `yaml:"off"`
	Severity event.Severity `yaml:"severity"`
	// After is the threshold of rules that have one: how long a lock is waited
	// for (lock_wait), how long a statement runs (stalled).
	After time.Duration `yaml:"after"`
	// Count is how many sessions make a pile-up (lock_pileup).
	Count int `yaml:"count"`
	// For is how long the condition has to hold before the alert fires; for
	// stalled, how long there is no progress.
	For time.Duration `yaml:"for"`
	// KeepFiring is how long it has to be gone before the alert is resolved.
	KeepFiring time.Duration `yaml:"keep_firing"`
}

// builtin holds the defaults of every rule.
var builtin = map[string]Rule{
	MigrationFailed:      {Severity: event.Critical, For: 10 * time.Second},
	MigrationInterrupted: {Severity: event.Critical, For: 10 * time.Second},
	DirtyState:           {Severity: event.Warning, For: 10 * time.Second},
	LockWait:             {Severity: event.Warning, After: 10 * time.Second, KeepFiring: 10 * time.Second},
	LockPileup:           {Severity: event.Critical, Count: 5, For: time.Second, KeepFiring: 10 * time.Second},
	LockTimeout:          {Severity: event.Warning, For: 10 * time.Second},
	Deadlock:             {Severity: event.Warning, For: 10 * time.Second},
	StatementTimeout:     {Severity: event.Warning, For: 10 * time.Second},
	Stalled:              {Severity: event.Warning, After: 15 * time.Minute, For: 5 * time.Minute, KeepFiring: 30 * time.Second},
	AuditFailure:         {Severity: event.Warning, For: 10 * time.Second, KeepFiring: 30 * time.Second},
	OutOfBand:            {Severity: event.Warning, For: 5 * time.Second},
	CannotObserve:        {Severity: event.Warning, For: time.Minute, KeepFiring: time.Minute},
	DeliveryFailing:      {Severity: event.Warning, For: time.Minute, KeepFiring: time.Minute},
}

// Rules are the names of all rules, sorted.
func Rules() []string { return slices.Sorted(maps.Keys(builtin)) }

// over fills what is unset in r with the rule's defaults.
func (r Rule) over(d Rule) Rule {
	if r.Severity == "" {
		r.Severity = d.Severity
	}
	if r.Count == 0 {
		r.Count = d.Count
	}
	duration := func(v, d time.Duration) time.Duration {
		if v == 0 {
			return d
		}
		return max(v, 0)
	}
	r.After, r.For, r.KeepFiring = duration(r.After, d.After), duration(r.For, d.For), duration(r.KeepFiring, d.KeepFiring)
	return r
}

// inFlight reports whether a rule judges what is still running, from samples.
func inFlight(rule string) bool { return rule == LockWait || rule == LockPileup || rule == Stalled }

// rank orders severities, the least first.
func rank(s event.Severity) int {
	switch s {
	case event.Critical:
		return 2
	case event.Warning:
		return 1
	}
	return 0
}
