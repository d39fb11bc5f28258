package migrator

import (
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// Lock is an advisory or named lock that a tool holds while it migrates a
// database.
type Lock struct {
	Tool string
	Key  string // PostgreSQL: the key of 64 bits; MySQL and MariaDB: the name
}

// LocksOf are the locks by which a migration of the database by another process
// is known: those that are the same everywhere, and golang-migrate's where the
// database's name is known and the rest is at its defaults.
func LocksOf(db event.Database) []Lock {
	var list []Lock
	switch db.System {
	case "postgresql":
		for i := range known {
			for _, key := range known[i].locks {
				list = append(list, Lock{known[i].name, key})
			}
		}
		if db.Name != "" {
			list = append(list, Lock{"golang-migrate", golangMigrateKey("public", "schema_migrations", db.Name)})
		}
	case "mysql", "mariadb":
		if db.Name != "" {
			list = append(list, Lock{"golang-migrate", golangMigrateKey(db.Name + ":schema_migrations")})
		}
	}
	return list
}

// golangMigrateKey is the key that golang-migrate makes of what it locks
// (database/util.go).
func golangMigrateKey(parts ...string) string {
	const salt = 1486364155
	return strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(strings.Join(parts, "\x00")))*salt), 10)
}

// Locks reports whether an advisory or named lock that is asked for or held on a
// connection is a migration tool's, as far as that is known: the run that is open
// is on that connection or has taken a lock of that key, or the key is one that a
// tool makes for itself. What an application elects its leader by is none.
func (t *Tracker) Locks(conn uint64, key string) bool {
	if key == "" {
		return false
	}
	if slices.ContainsFunc(t.locks, func(l Lock) bool { return l.Key == key }) {
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

// OnVersionTable reports whether a text reads or writes what is in all
// likelihood a migration tool's version table.
func OnVersionTable(t *sqltext.Text) bool {
	to, ok := touchOf(t, nil)
	return ok && (byDefault(to.table) != 0 || plausible(to.table))
}
