package alert

import (
	"fmt"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
)

// maxBlockers bounds how many blockers are named and advised on.
const maxBlockers = 3

func mysqlLike(db event.Database) bool { return db.System == "mysql" || db.System == "mariadb" }

// pictureSteps say how to end what a picture shows: first our own statement,
// which frees the queue, then what blocks it, as its state asks for.
func pictureSteps(l event.Look) []event.Step {
	p := l.Picture
	if p == nil {
		return []event.Step{{Text: "See on the server what the statement does; there is no second connection to look from here."}}
	}
	var list []event.Step
	if victims(p) > 0 {
		list = append(list, event.Step{Text: "Free the queue now: cancel the migration. It fails, and can be run again later.", SQL: p.Session.End(l.Database, nil)})
	}
	for i, s := range roots(p.Blockers) {
		if i == maxBlockers {
			break
		}
		if p.Zombie && s.Idle() {
			list = append(list, zombieStep(l.Database, s, p.Session.Wait))
			continue
		}
		list = append(list, blockerStep(l.Database, s))
	}
	if len(list) == 0 && p.Session.PID != 0 {
		list = append(list, event.Step{Text: "Wait, if it may take this long. Else cancel it.", SQL: p.Session.End(l.Database, nil)})
	}
	if p.Session.Wait != nil && !p.Zombie {
		list = append(list, event.Step{Text: "Before the next try, let the migration give up early instead of making others wait.", SQL: shortLockTimeout(l.Database)})
	}
	for _, m := range p.Missing {
		list = append(list, event.Step{Text: "To see " + m.What + " next time, grant it.", SQL: m.Fix})
	}
	return list
}

// zombieStep is about the holder of a migration's lock that does nothing under it.
func zombieStep(db event.Database, s event.Session, lock *event.Wait) event.Step {
	return event.Step{Text: fmt.Sprintf("Nobody works under the migration lock: see that the program behind pid %d is gone, hangs, or has forgotten the lock on a pooled connection, then end its session. That frees the lock.", s.PID),
		SQL: s.End(db, lock)}
}

func blockerStep(db event.Database, s event.Session) event.Step {
	switch {
	case s.Prepared != "" && db.System == "postgresql":
		return event.Step{Text: "A prepared transaction blocks it. Ask its coordinator; if it is forgotten, roll it back.", SQL: "ROLLBACK PREPARED " + db.Literal(s.Prepared)}
	case strings.HasPrefix(s.Query, "autovacuum:"):
		return event.Step{Text: "Autovacuum blocks it. Let it finish if it prevents wraparound (it would start again); else cancel it.", SQL: s.End(db, nil)}
	case s.Idle():
		return event.Step{Text: fmt.Sprintf("The blocker, pid %d, does nothing and keeps its transaction: end its session. A cancel would change nothing.", s.PID), SQL: s.End(db, nil)}
	case s.State == "":
		return event.Step{Text: fmt.Sprintf("The state of the blocker, pid %d, is hidden from this role. Cancel its statement; if that changes nothing, it is idle and its session has to be ended.", s.PID), SQL: s.End(db, nil)}
	}
	return event.Step{Text: fmt.Sprintf("The blocker, pid %d, works: wait for it, or cancel its statement.", s.PID), SQL: s.End(db, nil)}
}

func shortLockTimeout(db event.Database) string {
	switch {
	case db.System == "postgresql":
		return "SET lock_timeout = '5s'"
	case mysqlLike(db):
		return "SET SESSION lock_wait_timeout = 5"
	}
	return ""
}

// raiseTimeout goes by the error's code where it can: a driver that serves both
// MySQL and MariaDB does not tell which it talks to.
func raiseTimeout(db event.Database, code string) string {
	switch {
	case db.System == "postgresql":
		return "SET statement_timeout = '30min'"
	case db.System == "mariadb" || code == "1969":
		return "SET SESSION max_statement_time = 0"
	case db.System == "mysql":
		return "SET SESSION max_execution_time = 0"
	}
	return ""
}

// whoHolds lists who holds what others wait for.
func whoHolds(db event.Database) string {
	switch {
	case db.System == "postgresql":
		return "SELECT a.pid, a.usename, a.application_name, a.state, a.state_change FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	case mysqlLike(db):
		return "SHOW FULL PROCESSLIST"
	}
	return ""
}

func lockTimeoutSteps(db event.Database) []event.Step {
	return []event.Step{
		{Text: "See who holds locks for long.", SQL: longTransactions(db)},
		{Text: "Run the migration again when they are gone or while it is quiet. It has made nobody wait for longer than its timeout."},
	}
}

func longTransactions(db event.Database) string {
	switch {
	case db.System == "postgresql":
		return "SELECT pid, usename, application_name, state, xact_start FROM pg_stat_activity WHERE xact_start < now() - interval '1 minute' ORDER BY xact_start"
	case mysqlLike(db):
		return "SELECT trx_mysql_thread_id, trx_started, trx_state FROM information_schema.innodb_trx ORDER BY trx_started"
	}
	return ""
}

// failureSteps say what to do about a migration that did not succeed.
func failureSteps(m event.Migration) []event.Step {
	var list []event.Step
	if partial(m) {
		list = append(list, dirtySteps(m)...)
	}
	text := "Correct the migration and run it again."
	switch m.ErrorClass {
	case event.ClassCancelled:
		text = "Run it again when it may run to its end."
	case event.ClassLockTimeout, event.ClassDeadlock, event.ClassSerialization, event.ClassTerminated, event.ClassBadConn, event.ClassConnections:
		text = "Run it again: the reason lies outside of it and may be gone."
	case event.ClassPermission:
		text = "Grant the migrating role what the statement needs, and run it again."
	case event.ClassConstraint:
		text = "The data break the constraint: find and correct the rows, and run it again."
	case event.ClassStatementTimeout:
		return append(list, event.Step{Text: "Give the migration's session more time, and run it again.", SQL: raiseTimeout(m.Database, m.SQLState)})
	}
	if m.Outcome == event.Interrupted {
		text = "See that no session of it is alive, and run it again."
	}
	return append(list, event.Step{Text: text})
}

// dirtySteps say how to get out of a half-done migration.
func dirtySteps(m event.Migration) []event.Step {
	list := []event.Step{{Text: "Compare the schema with the migration: complete what is missing, or undo what was done."}}
	if m.Tool == "golang-migrate" {
		version := "VERSION"
		if m.Version != nil {
			version = *m.Version
		}
		list = append(list, event.Step{Text: "Then say which version the schema has: migrate force " + clip(version, maxName) + ", or the one before it if it was undone."})
	}
	if f := m.Failing; f != nil && m.Database.System == "postgresql" && strings.Contains(strings.ToUpper(f.Text), "CONCURRENTLY") {
		list = append(list, event.Step{Text: "An index that was built concurrently is left behind invalid: drop it before the next try.",
			SQL: "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid"})
	}
	return list
}
