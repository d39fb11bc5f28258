// Package event holds the words that sqlwitness speaks: what was seen on a
// connection, as plain data. The driver fills them in, the sinks (eventlog,
// metrics, audit, alert and a user's own) read them.
//
// It imports nothing else of sqlwitness, so that every other package may
// import it.
package event

import "time"

// Database says which database an event concerns. Both fields are safe to log
// and to use as metric labels: neither ever holds a password or a host.
type Database struct {
	// System is the OpenTelemetry db.system.name: "postgresql", "mysql",
	// "mariadb", "sqlite", …, or "other_sql" where the parent driver is unknown.
	System string
	// Name is the database's name as the DSN gives it; "" where it is not known
	// without a query.
	Name string
}

// Trace ties events together. Every field may be empty.
type Trace struct {
	// CorrelationID is the caller's (WithCorrelationID), else the W3C trace id
	// in the caller's context, else the run's own UUIDv7.
	CorrelationID string
	RunID         string // the run of a migration tool that this belongs to
	MigrationID   string // the migration that this belongs to
}

// Outcome of a migration.
type Outcome string

const (
	Applied     Outcome = "applied"
	Failed      Outcome = "failed"
	Baseline    Outcome = "baseline"    // recorded as applied without a body being run
	Forced      Outcome = "forced"      // the version was set by hand (golang-migrate force)
	Interrupted Outcome = "interrupted" // the connection or the process went away in the middle
)

// Direction of a migration.
type Direction string

const (
	Up               Direction = "up"
	Down             Direction = "down"
	UnknownDirection Direction = "unknown"
)

// Guarantee says what the audit trail promises about a migration's record.
type Guarantee string

const (
	// InTx: the outcome row was written in the transaction that holds the whole
	// migration, so that the one exists exactly if the other does.
	InTx Guarantee = "tx"
	// Around: rows were written before and after; a crash in between leaves an
	// intent without an outcome, which is itself a finding.
	Around Guarantee = "around"
	// None: no row was written (audit off, or the store unreachable).
	None Guarantee = "none"
)

// Statement is one execution of a SQL text. Sinks get it only where there is
// something to say: it was slow or it failed.
// A sink must not keep the pointer after it returns.
type Statement struct {
	Trace
	Database Database
	ConnID   uint64 // the witness's own number for the connection, from 1

	Operation   string   // "SELECT", "CREATE TABLE", …: low cardinality
	Class       string   // "read", "write", "ddl", "lock", "tx", "session", "other"
	Tables      []string // as the text names them, unquoted
	Summary     string   // OpenTelemetry db.query.summary: "CREATE TABLE users"
	Fingerprint string   // 16 hex digits: equal for texts that differ in literals only
	Text        string   // redacted; "" where the text could not be redacted with certainty
	Phase       string   // "steady" or "migration"

	Start        time.Time
	Duration     time.Duration // the call, as the caller waited for it
	Open         time.Duration // from the call to the close of its rows; 0 for an Exec
	Rows         int64         // rows read by the caller; 0 for an Exec
	RowsAffected int64         // -1 where unknown
	Slow         bool          // over the threshold of its class
	Threshold    time.Duration // that threshold; 0 where there is none

	Err        error // the parent driver's own value; never log its text unredacted
	ErrorClass string
	SQLState   string // SQLSTATE, MySQL error number, or SQLite result code
}

// Lock is a stage in the life of an advisory, named or table lock.
type Lock struct {
	Trace
	Database Database
	ConnID   uint64

	Stage   LockStage
	Kind    string // "advisory", "named", "table", "row", "applock"
	Key     string // the lock's key or name; "" where it never reached the driver
	Shared  bool
	Scope   string // "session" or "transaction"
	Outcome string // acquired, refused, timeout, error, cancelled, unknown; for a release: released, refused, unknown

	Start    time.Time     // of the first attempt
	Wait     time.Duration // from the first attempt to the outcome: polls are one wait
	Attempts int           // calls that made up the wait; at least 1
	Hold     time.Duration // on release: since it was acquired; 0 where that is not known
	Tools    bool          // on LockFailed: it is a migration tool's, as far as that is known
	Anomaly  string        // on LockAnomaly: unlock_refused, unlock_other_session, held_at_close, outcome_unknown, …
	Err      error
}

// LockStage tells what happened to the lock.
type LockStage string

const (
	LockWaiting  LockStage = "waiting" // refused once and polled for again, or still waited for
	LockAcquired LockStage = "acquired"
	LockFailed   LockStage = "failed" // gave up: timeout, refusal, error
	LockReleased LockStage = "released"
	LockAnomaly  LockStage = "anomaly"
)

// Migration is one migration: one version applied, rolled back, or failed.
// It is sent twice, when it starts (Outcome is "") and when it has ended.
// The pointer is the same both times and belongs to the sender.
type Migration struct {
	Trace
	Database Database
	ConnID   uint64

	Tool      string  // "goose", …; "unknown" for DDL of no recognised tool
	Version   *string // nil where the version never reached the driver
	After     string  // the last version known to be applied before it; "" if none is known
	Direction Direction
	Outcome   Outcome // "" while it runs

	Start      time.Time
	Duration   time.Duration
	LockWait   time.Duration
	Statements int
	Body       []BodyStatement // bounded: the first 256
	Atomic     bool            // body and mark share one transaction of a database that rolls DDL back
	Guarantee  Guarantee

	Err        error
	ErrorClass string
	SQLState   string
	Failing    *FailingStatement // nil unless a statement failed
	Verdict    string            // on failure, what was left behind and what to do; one sentence, "" if nothing is known
	Undone     bool              // on failure, that nothing of it was left behind is certain
}

// BodyStatement is one statement of a migration's body.
type BodyStatement struct {
	Operation    string
	Fingerprint  string
	Text         string // redacted; "" where that was not possible
	Start        time.Time
	Duration     time.Duration
	RowsAffected int64 // -1 where unknown
	Failed       bool
}

// FailingStatement points at the statement that failed.
type FailingStatement struct {
	Index       int // in the migration, from 1
	Position    int // character of the text that the server named, from 1; 0 where it named none
	Operation   string
	Fingerprint string
	Text        string // redacted
}

// Run is one invocation of a migration tool: from its first lock or look at
// the version table to its last call. It is sent when it starts and when it
// has ended (Finished).
type Run struct {
	Trace
	Database Database

	Tool     string
	Finished bool
	Outcome  string // "ok", "failed", "noop"

	Start    time.Time
	Duration time.Duration

	Applied, RolledBack, Failures int
	Statements                    int
	LockWait                      time.Duration
	LockAttempts                  int
	Retries                       int           // of every kind: locks asked for again, statements and migrations sent again
	RetryLost                     time.Duration // lost by them
	Slowest                       *BodyStatement

	// Role is the run's part where several replicas race: "leader" (it migrated),
	// "waiter" (it waited for the lock and found nothing left to do), "noop" (there
	// was nothing to do and nobody to wait for).
	Role string
}

// Timeout is a timeout that is in force on a connection.
type Timeout struct {
	Name  string // the server's own name for it
	Value time.Duration
}

// Sink receives what was observed. A sink that wants some of it only embeds
// Ignore. Methods are called on the goroutine of the statement, or of the
// watcher, and must not block: a sink that does I/O queues. Several connections
// call at once. A panic is contained and counted.
type Sink interface {
	Statement(*Statement)
	Lock(*Lock)
	Migration(*Migration)
	Run(*Run)
	Look(*Look)
	Finding(*Finding)
	Trouble(*Trouble)
	Alert(*Alert)
	Impact(*Impact)
	ColdStart(*ColdStart)
	Resources(*Resources)
	Trend(*Trend)
}

// Ignore is a Sink that ignores everything.
type Ignore struct{}

func (Ignore) Statement(*Statement) {}
func (Ignore) Lock(*Lock)           {}
func (Ignore) Migration(*Migration) {}
func (Ignore) Run(*Run)             {}
func (Ignore) Look(*Look)           {}
func (Ignore) Finding(*Finding)     {}
func (Ignore) Trouble(*Trouble)     {}
func (Ignore) Alert(*Alert)         {}
func (Ignore) Impact(*Impact)       {}
func (Ignore) ColdStart(*ColdStart) {}
func (Ignore) Resources(*Resources) {}
func (Ignore) Trend(*Trend)         {}
