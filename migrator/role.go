package migrator

import (
	"strings"

	"github.com/sqlwitness/sqlwitness/sqltext"
)

// Role is what a text is to a recogniser: computed once for each distinct
// text, cached with it, and zero for the great mass of application statements.
type Role uint32

const (
	roleDDL    Role = 1 << iota // changes the schema
	roleTable                   // may touch a version table or a tool's lock table
	roleExists                  // asks the catalog whether a table is there
	roleLock                    // takes or gives back a session lock
	roleTx                      // opens or ends a transaction by SQL text
	roleRows                    // what it returns matters
)

// Classify tells the role of a text. It is a pure function of the text.
//
// It errs on the side of a role: a table that merely looks like a version table
// is refused by the Tracker, which knows what came before.
func Classify(t *sqltext.Text) Role {
	if t == nil {
		return 0
	}
	var r Role
	for i := range t.Statements {
		s := &t.Statements[i]
		if changesSchema(s) {
			r |= roleDDL
		}
		for j := range s.Locks {
			if sessionLock(&s.Locks[j]) {
				r |= roleLock | roleRows
			}
		}
	}
	if len(t.Statements) == 0 {
		return r
	}
	if first := &t.Statements[0]; t.Count == 1 && first.Class == sqltext.ClassTx {
		return r | roleTx
	}
	if touch, ok := touchOf(t, nil); ok {
		r |= roleTable
		switch touch.kind {
		case touchRead, touchProbe:
			r |= roleRows
		case touchInsert, touchDelete:
			if touch.stmt.Returning {
				r |= roleRows
			}
		}
	}
	if _, _, ok := lockTableOf(t); ok {
		r |= roleTable | roleRows
	}
	r |= handmadeRole(t)
	if asksCatalog(t) {
		r |= roleExists
	}
	return r
}

// WantsRows reports whether the rows that a text returns matter (a version
// table is read, a lock asked for).
func (r Role) WantsRows() bool { return r&roleRows != 0 }

// changesSchema reports whether a statement is DDL that a migration is made of.
// Roles and whole databases are not schema, and a temporary table is gone with
// its session.
func changesSchema(s *sqltext.Statement) bool {
	if s.Class != sqltext.ClassDDL {
		return false
	}
	verb, object, _ := strings.Cut(s.Operation.String(), " ")
	switch verb {
	case "CREATE", "ALTER", "DROP", "RENAME":
	default:
		return false
	}
	switch object {
	case "DATABASE", "ROLE", "USER", "SYSTEM":
		return false
	}
	return !s.Temporary
}

// sessionLock leaves out locks that a transaction holds: they come and go with
// it and bound nothing.
func sessionLock(l *sqltext.LockCall) bool {
	return !l.Xact && (l.Kind == "advisory" || l.Kind == "named" || l.Kind == "applock")
}

// catalogs are where tools look whether their version table is there.
var catalogs = [...]string{"information_schema", "pg_tables", "pg_class", "sqlite_master", "sqlite_schema", "to_regclass", "show tables", "pragma_table_info"}

// asksCatalog reports whether a text reads the database's catalog.
func asksCatalog(t *sqltext.Text) bool {
	if t.Count != 1 || len(t.SQL) > maxCatalogText {
		return false
	}
	switch t.Statements[0].Class {
	case sqltext.ClassRead, sqltext.ClassSession, sqltext.ClassOther:
	default:
		return false
	}
	sql := strings.ToLower(t.SQL)
	for _, c := range catalogs {
		if strings.Contains(sql, c) {
			return true
		}
	}
	return false
}

// maxCatalogText bounds what is searched; a tool's question is short.
const maxCatalogText = 1024

// asides are the questions that tools ask between the statements of a
// migration, which are none of its body.
var asides = [...]string{"current_schema", "current_database", "current_setting", "set_config", "quote_ident", "database()", "version()", "sqlite_version", "schema()"}

// aside reports whether a text is a question about the session.
func aside(t *sqltext.Text) bool {
	if t.Count != 1 || len(t.Statements) == 0 || t.Statements[0].Class != sqltext.ClassRead || len(t.SQL) > maxCatalogText {
		return false
	}
	if len(t.Statements[0].Tables) > 0 {
		return false
	}
	sql := strings.ToLower(t.SQL)
	for _, a := range asides {
		if strings.Contains(sql, a) {
			return true
		}
	}
	return false
}
