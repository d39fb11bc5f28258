package event

import (
	"fmt"
	"strings"
)

// Idle reports whether the session does nothing, in a transaction or not.
func (s Session) Idle() bool {
	return strings.HasPrefix(s.State, "idle") || strings.EqualFold(s.State, "sleep")
}

// End is the statement that ends what a session does: its statement if it runs
// one, the session if it does not; "" where there is none. It hits nobody who has
// the same number by then: on PostgreSQL it names the session's start, and on
// MySQL and MariaDB, whose numbers are used again after a restart alone, the lock
// by name that the session holds, where it is given one.
func (s Session) End(db Database, holds *Wait) string {
	switch {
	case s.PID == 0:
		return ""
	case db.mysqlLike() && s.Idle() && holds != nil && holds.Kind == "named" && holds.Object != "":
		return fmt.Sprintf("KILL IF(IS_USED_LOCK(%s) = %d, %[2]d, 0)", db.Literal(holds.Object), s.PID)
	case db.mysqlLike() && s.Idle():
		return fmt.Sprintf("KILL %d", s.PID)
	case db.mysqlLike():
		return fmt.Sprintf("KILL QUERY %d", s.PID)
	case db.System != "postgresql":
		return ""
	}
	call := "pg_cancel_backend"
	if s.Idle() {
		call = "pg_terminate_backend"
	}
	sql := fmt.Sprintf("SELECT %s(pid) FROM pg_stat_activity WHERE pid = %d", call, s.PID)
	if !s.Started.IsZero() {
		sql += " AND backend_start = " + db.Literal(s.Started.UTC().Format("2006-01-02 15:04:05.999999-07:00"))
	}
	return sql
}

// Literal quotes a text as a SQL string.
func (db Database) Literal(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\x00", ""), "'", "''")
	switch {
	case !strings.Contains(s, `\`):
	case db.mysqlLike():
		s = strings.ReplaceAll(s, `\`, `\\`)
	case db.System == "postgresql":
		return "E'" + strings.ReplaceAll(s, `\`, `\\`) + "'"
	}
	return "'" + s + "'"
}

func (db Database) mysqlLike() bool { return db.System == "mysql" || db.System == "mariadb" }
