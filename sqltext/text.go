// Package sqltext knows what is true of one SQL text alone: which operation it
// is, which tables it names, whether it takes a lock, what it looks like with
// its literals taken out. It knows nothing of connections, time or tools, and
// imports nothing else of sqlwitness.
package sqltext

// Dialect is the lexical family of a database: which quotes, comments and
// escapes a text may hold. The zero value is Generic, which accepts what all of
// them share and fails closed on the rest.
type Dialect uint8

const (
	Generic Dialect = iota
	PostgreSQL
	MySQL // and MariaDB
	SQLite
	SQLServer
)

// DialectOf maps an OpenTelemetry db.system.name to its dialect.
func DialectOf(system string) Dialect {
	switch system {
	case "postgresql", "cockroachdb":
		return PostgreSQL
	case "mysql", "mariadb":
		return MySQL
	case "sqlite":
		return SQLite
	case "microsoft.sql_server":
		return SQLServer
	}
	return Generic
}

// Text is one analysed SQL text. It is immutable and may be shared.
type Text struct {
	SQL         string // as sent
	Dialect     Dialect
	Statements  []Statement // in order; the first MaxStatements only
	Count       int         // how many statements the text holds in all
	Fingerprint uint64      // equal for texts that differ in literals, comments and white space only
	Redacted    string      // every literal replaced by "?"; "" unless Certain
	Summary     string      // OpenTelemetry db.query.summary
	Certain     bool        // lexed to the end without doubt; if false nothing of the text may be shown
	Truncated   bool        // longer than MaxText: only its head was read
	Comment     string      // leading comments, as written ("-- migrate:up"): evidence for a recogniser, never logged
}

const (
	MaxStatements = 64       // statements of one text that are kept
	MaxText       = 64 << 10 // bytes of one text that are lexed
)

// Statement is one statement of a text.
type Statement struct {
	Operation Operation
	Class     Class
	Offset    int      // of its first token in Text.SQL
	End       int      // one past its last token
	Tables    []Table  // those it names, the one it acts on first
	Columns   []string // INSERT (…), UPDATE SET …, CREATE TABLE (…): the column names; SELECT: its plain columns; lower case
	Values    []Value  // INSERT: the first row; UPDATE: the new values; same order as Columns where those are given
	Where     []Cond   // column = value conditions joined by AND at the top level
	Returning bool
	IfExists  bool // IF EXISTS or IF NOT EXISTS
	Locks     []LockCall

	Concurrently bool // CREATE INDEX CONCURRENTLY and its like
	Temporary    bool // of a temporary object
}

// Table is a table's name as the text gives it, unquoted.
type Table struct{ Schema, Name string }

func (t Table) String() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// Value is a value in a statement: a bound parameter or a literal.
type Value struct {
	Kind    ValueKind
	Param   int    // Param: its ordinal, from 1
	Literal string // Literal: unquoted and unescaped. Never log it.
}

type ValueKind uint8

const (
	Other   ValueKind = iota // an expression, DEFAULT, NULL, …
	Param                    // $1, ?, :name
	Literal                  // a number, string or boolean
)

// Cond is a condition column = value.
type Cond struct {
	Column string // lower case
	Value  Value
}

// Class is the coarse kind of a statement: thresholds and metrics go by it.
type Class uint8

const (
	ClassOther Class = iota
	ClassRead
	ClassWrite
	ClassDDL
	ClassLock    // takes or releases an advisory, named or table lock
	ClassTx      // BEGIN, COMMIT, ROLLBACK, SAVEPOINT, …
	ClassSession // SET, SHOW, PRAGMA, USE, …
	NumClasses   = iota
)

var classNames = [NumClasses]string{"other", "read", "write", "ddl", "lock", "tx", "session"}

func (c Class) String() string { return classNames[c] }

// weights of the classes: that of a whole text is its heaviest statement's.
var weights = [NumClasses]uint8{ClassOther: 1, ClassTx: 0, ClassSession: 0, ClassRead: 2, ClassWrite: 3, ClassLock: 4, ClassDDL: 5}

// Class of the whole text: that of its statement that weighs most (DDL over
// lock over write over read over the rest).
func (t *Text) Class() Class {
	if len(t.Statements) == 0 {
		return ClassOther
	}
	heaviest := t.Statements[0].Class
	for i := range t.Statements[1:] {
		if c := t.Statements[i+1].Class; weights[c] > weights[heaviest] {
			heaviest = c
		}
	}
	return heaviest
}

// Operation of the whole text: that of its first statement.
func (t *Text) Operation() Operation {
	if len(t.Statements) == 0 {
		return 0
	}
	return t.Statements[0].Operation
}

// LockCall is a call that takes or releases an advisory or named lock, or a
// LOCK TABLE statement.
type LockCall struct {
	Function string // "pg_advisory_lock", "get_lock", "lock table", …: lower case, without schema
	Kind     string // "advisory", "named", "table", "applock"
	Action   LockAction
	Shared   bool
	Xact     bool      // held until the transaction ends
	Args     []Value   // the lock's key: one or two values; GET_LOCK's timeout is not among them
	Timeout  Value     // GET_LOCK's second argument, sp_getapplock's @LockTimeout
	Result   LockReply // how its result reads
	Column   int       // its place in the select list, from 0; -1 where it is not there
}

type LockAction uint8

const (
	LockAcquire    LockAction = iota // waits
	LockTry                          // answers at once
	LockRelease                      // one
	LockReleaseAll                   // every one of the session
)

type LockReply uint8

const (
	ReplyNone       LockReply = iota // void, or a statement without rows: success is no error
	ReplyBool                        // PostgreSQL try and unlock: true or false
	ReplyOneNull                     // MySQL: 1, 0 or NULL
	ReplyCount                       // RELEASE_ALL_LOCKS
	ReplyReturnCode                  // sp_getapplock: >= 0 granted
)
