package event

import "time"

// Look is one look at a statement that is still in flight. The watcher sends it
// at growing intervals for a statement that has been running for a while, and a
// last time, Done, when such a statement has ended.
// A sink must not keep or change what the pointer leads to.
type Look struct {
	Trace
	Database Database
	ConnID   uint64

	Tool    string  // of the run that the statement belongs to; "" outside runs
	Version *string // of the migration that it belongs to; nil where not known

	Operation   string // as in Statement, and so on to Phase
	Class       string
	Tables      []string
	Summary     string
	Fingerprint string
	Text        string
	Phase       string

	Start  time.Time
	Age    time.Duration // of the statement, at this look
	Number int           // of the look at this statement, from 1
	Done   bool          // the statement has ended; Picture is the last one there was

	// Lock is the advisory or named lock that the statement asks for; nil for
	// any other statement.
	Lock *Lock

	// Picture is what the server says, seen from a second connection. It is nil
	// where there is none: no probe for this database, or the probe failed.
	Picture *Picture
}

// Picture is the server's view of one of our sessions and of those around it.
type Picture struct {
	At      time.Time // when the server was asked
	Session Session   // ours

	// Blockers are the sessions that ours waits for, directly (Depth 1) or through
	// others, up to the root blockers, which wait for nobody. Bounded.
	Blockers []Session

	// Victims are the sessions that wait for ours, directly (Depth 1) or through
	// others. Bounded; Queue counts them all.
	Victims       []Session
	Queue         int           // sessions behind ours, all depths
	QueueDirect   int           // of them, those that wait for ours directly
	QueueMigrator int           // of them, replicas that wait for an advisory lock, not for a table
	QueueTime     time.Duration // how long they have waited so far, added up

	Held     []HeldLock // the strongest lock of ours per relation, held or waited for
	Progress *Progress  // nil where the server reports none for this statement
	Rewrite  bool       // a table is suspected to be rewritten
	Zombie   bool       // nobody works under the migration's lock that our session waits for (one of Blockers holds it) or else holds
	Cycle    bool       // CREATE INDEX CONCURRENTLY waits for a session that waits for the advisory lock it runs under; ours is either

	// Missing are the privileges without which parts of the picture are blank.
	Missing []Missing
}

// Session is one session on the server.
type Session struct {
	PID       int64
	Started   time.Time // with PID names the session beyond doubt: PIDs are used again
	User      string    // "" where the server does not tell, as for the fields below
	App       string
	Client    string
	State     string // the server's word: "active", "idle in transaction", …
	TxAge     time.Duration
	StateAge  time.Duration // since State last changed
	Query     string        // redacted; the last one where State is idle
	Prepared  string        // PostgreSQL: the gid of a prepared transaction, which has no PID
	Depth     int           // steps from our session; 0 for ours
	BlockedBy []int64       // PIDs
	Wait      *Wait         // nil where it waits for no lock
}

// Wait is a lock that a session waits for.
type Wait struct {
	Kind   string        // "relation", "advisory", "transactionid", "virtualxid", "tuple", "metadata", "row", "named", …
	Object string        // schema-qualified relation, or the lock's key; "" where it has no name
	Mode   string        // the server's word
	For    time.Duration // 0 where the server does not tell
}

// HeldLock is a lock of ours on a relation.
type HeldLock struct {
	Object  string
	Mode    string
	Granted bool
	Stops   string // what it keeps others from: "reads and writes", "writes", "schema changes", "" for nothing that counts
}

// Progress is how far the server says that a statement has come. Done and Total
// belong to Phase alone: there is no percentage of the whole.
type Progress struct {
	Command string
	Phase   string
	Unit    string // "blocks", "tuples", "lockers", "bytes"; "" where Total is not known
	Done    int64
	Total   int64 // 0 where it is not known
}

// Missing is a privilege that the probe lacks.
type Missing struct {
	What string // what stays hidden without it
	Fix  string // the statement that gives it: "GRANT pg_monitor TO app"
}

// Finding is something that a run left behind or that happened outside of any
// run, and that somebody should look at.
type Finding struct {
	Trace
	Database Database
	At       time.Time

	// Kind is invalid_index, constraint_not_valid, lock_left, still_running,
	// zombie_lock, history_edited, schema_drift, ddl_out_of_band, guard_missing,
	// guard_off, guard_altered.
	Kind    string
	Object  string
	Message string // one sentence
	SQL     string // what to run; "" where there is nothing
}

// Trouble is a part of sqlwitness itself that cannot do its work.
type Trouble struct {
	Database Database // empty where it concerns all
	At       time.Time
	Part     string // "audit", "probe", "alert", "log", "metrics", "server", "configuration"
	Kind     string // of low cardinality
	Message  string // free of secrets
	Hint     string // what to do
	Fallback string // the file that took what could not be delivered; "" for none
	Over     bool   // the part works again

	ErrorClass, SQLState string // of the error behind it, if it was the database's
}
