package migrator

import (
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
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
