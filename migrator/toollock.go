package migrator

import (
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/sqlwitness/sqlwitness/sqltext"
)

// Locks reports whether an advisory or named lock that is asked for or held on a
// connection is a migration tool's, as far as that is known: the run that is open
// is on that connection or has taken a lock of that key, or the key is one that a
// tool makes for itself. What an application elects its leader by is none.
func (t *Tracker) Locks(conn uint64, key string) bool {
	if key == "" {
		return false
	}
	if byLock(key) != 0 || key == defaultLock(t.cfg.Database.System, t.cfg.Database.Name) {
		return true
	}
	if !t.Active() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.run == nil {
		return false
	}
	cn := t.conns[conn]
	return cn != nil && cn.shown && !cn.reset || t.run.lock != nil && t.run.lock.key == key
}

// defaultLock is golang-migrate's, where it is left to name its table.
func defaultLock(system, database string) string {
	const salt = 1486364155
	parts := []string{"public", "schema_migrations", database}
	if system == "mysql" || system == "mariadb" {
		parts = []string{database + ":schema_migrations"}
	}
	return fmt.Sprint(crc32.ChecksumIEEE([]byte(strings.Join(parts, "\x00"))) * salt)
}

// OnVersionTable reports whether a text reads or writes what is in all
// likelihood a migration tool's version table.
func OnVersionTable(t *sqltext.Text) bool {
	to, ok := touchOf(t, nil)
	return ok && (byDefault(to.table) != 0 || plausible(to.table))
}
