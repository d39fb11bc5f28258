// Package sqlwitness is a database/sql driver that wraps any other driver and
// watches database migrations.
//
// Swap one import and the name in sql.Open, and the migration tool (goose,
// golang-migrate, …) runs unchanged:
//
//	import _ "github.com/sqlwitness/sqlwitness/drivers/pq" // was: _ "github.com/lib/pq"
//
//	db, err := sql.Open("witness+postgres", dsn) // was: sql.Open("postgres", dsn)
//
// From then on each migration, statement and advisory lock is timed (Prometheus
// metrics), logged (JSON lines with correlation ids), alerted on while it still
// waits (who blocks it, whom it blocks, what to run) and audited (rows written in
// the migration's own transaction where there is one). Witness.Handler serves the
// metrics and a page that shows all of it.
//
// # What callers see
//
// Results and errors are the parent driver's own values, never wrapped. An
// optional interface that the parent lacks is lacked in effect: the same call
// has the same answer with and without the witness. The exceptions are values
// whose type a caller looks at: in [sql.Conn.Raw] and [sql.DB.Driver] a caller
// meets the witness's types, and [Unwrap] leads to the parent's.
//
// # What is never in the way
//
// Nothing of the witness fails a statement, unless audit.Strict was asked for.
// Queues are bounded and drops are counted, panics in its code are contained and
// counted, and Config.Disabled turns everything off.
//
// A statement outside a migration run waits for nothing but, once per connection and
// before a text that a tool might send (DDL, a lock call, a look at a version table),
// the question which session this is. In a run some wait,
// with a bound: that question and the one for the timeouts in force for 1 s each,
// the audit trail's look at the schema as the run begins, its intent before a
// migration's first statement and its outcome at the end for audit.Config.Timeout
// each, the log's line at the end of a migration and of the run for 10 ms, and
// what Config.FlushOnFailure asks for.
//
// # Caveats
//
// A rows value may serve several queries of its connection one after the other.
// database/sql lets go of it at its Close; code that drives a connection by hand
// inside sql.Conn.Raw must do so too.
package sqlwitness
