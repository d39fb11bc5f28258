package audit

import "time"

// Trouble is something that keeps the record from being written where it
// belongs. Each kind is reported once, then that it is over, and again only after
// that. Every field is safe to log: none holds a DSN, a server's message or
// a part of a statement.
type Trouble struct {
	Kind     TroubleKind
	Message  string // one sentence: what happened, and where the record is instead
	Hint     string // what helps: SQL to run, a setting; "" if nothing is known
	Class    string // event.Classify of the error; "" if there was none
	SQLState string // the server's own code; "" if it gave none
	Spool    string // the file that has the entries; "" if none has
	Over     bool   // it works again
}

// TroubleKind is a closed set, fit for a metric label.
type TroubleKind string

const (
	// TroubleForbidden: the role may not create or write the tables.
	TroubleForbidden TroubleKind = "forbidden"
	// TroubleUnreachable: the store's own connection could not be had.
	TroubleUnreachable TroubleKind = "unreachable"
	// TroubleWrite: the database refused a row.
	TroubleWrite TroubleKind = "write"
	// TroubleTx: the database refused a row in the migration's transaction. The
	// row is written after it, with a lesser guarantee.
	TroubleTx TroubleKind = "tx"
	// TroubleSeal: entries are in the tables and could not be sealed, or no
	// checkpoint could be made. The next migration tries again. Class "tampered"
	// says that the tables contradict what was signed: nothing is sealed any
	// more until somebody has looked.
	TroubleSeal TroubleKind = "seal"
	// TroubleSpool: the spool could not be written. The entry is lost.
	TroubleSpool TroubleKind = "spool"
	// TroubleInMemory: there is no audit for in-memory databases.
	TroubleInMemory TroubleKind = "in_memory"
	// TroubleUnsupported: there are no tables for this database system.
	TroubleUnsupported TroubleKind = "unsupported"
)

// Error is what Strict refuses with. It does not wrap the driver's error, whose
// text may hold a host, a value or a part of a statement.
type Error struct {
	Doing    string // "record the intent", …
	Class    string // event.Classify of the driver's error
	SQLState string
	Hint     string // as in Trouble
}

func (e *Error) Error() string {
	s := "audit: could not " + e.Doing + ": " + e.Class
	if e.SQLState != "" {
		s += " (" + e.SQLState + ")"
	}
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// Stats counts entries since the store was opened.
type Stats struct {
	// SealLag is the age of the store's oldest entry that has no place in the
	// tree yet; 0 if all have one.
	SealLag time.Duration
	// AnchorLag is the age of the oldest checkpoint that some anchor has not
	// taken yet; 0 if all have all. Until then what it covers can be cut off
	// unseen.
	AnchorLag time.Duration

	Written uint64 // through the store's own connection
	InTx    uint64 // in a transaction of the migration's that then committed
	Spooled uint64 // to the spool instead
	Lost    uint64 // neither: the spool could not be written, or there is none
}
