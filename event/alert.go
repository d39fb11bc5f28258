package event

import "time"

// Severity of an alert.
type Severity string

const (
	Critical Severity = "critical" // somebody has to act now
	Warning  Severity = "warning"  // somebody has to act in working hours
	Info     Severity = "info"     // worth knowing
)

// AlertState is where an alert stands.
type AlertState string

const (
	Firing     AlertState = "firing"
	Resolved   AlertState = "resolved"
	Suppressed AlertState = "suppressed" // would fire, were it not a known issue
	Flapping   AlertState = "flapping"   // comes and goes: held until it settles
)

// Alert is a change of an alert's state.
type Alert struct {
	Trace
	Database Database

	Fingerprint string // of the alert: the same on every replica and in every episode
	Episode     int    // how many times it has fired, this one included
	Rule        string // migration_failed, lock_pileup, …
	Severity    Severity
	Before      Severity // as which it was told before, where that was another; else ""
	State       AlertState

	Tool    string
	Version *string
	Object  string // what it is about: a relation, a lock's key, a channel
	Service string // of the program that migrates; "" unless configured
	Env     string

	Title   string   // at most 150 characters: database, migration, state, impact
	Details []string // sentences: what, since when, whom it affects, who blocks
	Steps   []Step   // what to do, in order
	Runbook string   // URL

	AuditEntry   string // id of the migration's entry in the audit trail
	SuppressWith string // the command that makes it a known issue
	SuppressedBy string // id of the suppression, where State is Suppressed

	Since time.Time // the condition has held since
	At    time.Time // of this change
}

// Step is one thing to do about an alert.
type Step struct {
	Text string // a sentence
	SQL  string // to run; "" where there is none
}
