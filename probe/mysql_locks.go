package probe

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// lock is a lock on a table's definition, which reads and writes take too, or a
// lock by name.
type lock struct {
	id      int64
	named   bool
	object  string // schema.table, or the name
	mode    string
	granted bool
}

// conflicts are the granted modes that a mode waits for (MySQL's sql/mdl.cc).
// EXCLUSIVE waits for all, and all wait for it.
var conflicts = map[string]string{
	"SHARED_READ":           "SHARED_NO_READ_WRITE",
	"SHARED_WRITE":          "SHARED_READ_ONLY SHARED_NO_WRITE SHARED_NO_READ_WRITE",
	"SHARED_WRITE_LOW_PRIO": "SHARED_READ_ONLY SHARED_NO_WRITE SHARED_NO_READ_WRITE",
	"SHARED_UPGRADABLE":     "SHARED_UPGRADABLE SHARED_NO_WRITE SHARED_NO_READ_WRITE",
	"SHARED_READ_ONLY":      "SHARED_WRITE SHARED_WRITE_LOW_PRIO SHARED_NO_READ_WRITE",
	"SHARED_NO_WRITE":       "SHARED_WRITE SHARED_WRITE_LOW_PRIO SHARED_UPGRADABLE SHARED_NO_WRITE SHARED_NO_READ_WRITE",
	"SHARED_NO_READ_WRITE":  "SHARED_READ SHARED_WRITE SHARED_WRITE_LOW_PRIO SHARED_UPGRADABLE SHARED_READ_ONLY SHARED_NO_WRITE SHARED_NO_READ_WRITE",
}

const exclusive = "EXCLUSIVE"

// waitsFor reports whether a waiting lock waits for another of the same object:
// for a granted one that it conflicts with, or, soft, for an exclusive one that
// waits too and goes first.
func (l lock) waitsFor(other lock) bool {
	switch {
	case l.id == other.id || l.named != other.named || l.object != other.object:
		return false
	case !other.granted:
		return other.mode == exclusive && l.mode != exclusive
	case l.mode == exclusive || other.mode == exclusive:
		return true
	}
	for _, m := range strings.Fields(conflicts[l.mode]) {
		if m == other.mode {
			return true
		}
	}
	return false
}

const (
	schemaLocks = `SELECT t.PROCESSLIST_ID, m.OBJECT_TYPE = 'USER LEVEL LOCK', COALESCE(m.OBJECT_SCHEMA, ''), COALESCE(m.OBJECT_NAME, ''), m.LOCK_TYPE, m.LOCK_STATUS = 'GRANTED'
FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID
WHERE m.OBJECT_TYPE IN ('TABLE', 'USER LEVEL LOCK') AND t.PROCESSLIST_ID <> CONNECTION_ID()
ORDER BY m.LOCK_STATUS = 'GRANTED'`
	pluginLocks = `SELECT THREAD_ID, LOCK_TYPE = 'User lock', COALESCE(TABLE_SCHEMA, ''), COALESCE(TABLE_NAME, ''), REPLACE(LOCK_MODE, 'MDL_', ''), 1
FROM information_schema.METADATA_LOCK_INFO
WHERE LOCK_TYPE IN ('Table metadata lock', 'User lock') AND THREAD_ID <> CONNECTION_ID()`
)

// readLocks reads the locks that the server shows; none where it shows none. The
// performance schema shows those that wait too, all of them, if it shows any: on
// MariaDB its instrument for them is off unless somebody has turned it on.
func readLocks(ctx context.Context, c *sql.Conn, f facts) (list []lock, all bool, err error) {
	if f.schema {
		if list, err = lockRows(ctx, c, schemaLocks); err != nil || len(list) > 0 {
			return list, err == nil, err
		}
	}
	if f.plugin {
		list, err = lockRows(ctx, c, pluginLocks)
	}
	return list, false, err
}

func lockRows(ctx context.Context, c *sql.Conn, query string) ([]lock, error) {
	var list []lock
	err := each(ctx, c, fmt.Sprintf("%s LIMIT %d", query, 10*maxSessions), func(rows *sql.Rows) error {
		var l lock
		var schema, name string
		if err := rows.Scan(&l.id, &l.named, &schema, &name, &l.mode, &l.granted); err != nil {
			return err
		}
		if l.object = schema + "." + name; l.named {
			l.object = schema + name // the plugin has the name in the schema's place
		}
		list = append(list, l)
		return nil
	})
	return list, err
}

// tableLocks takes in who holds and who waits for tables and names.
func (s *snapshot) tableLocks(ctx context.Context, c *sql.Conn, f facts, list []process) error {
	locks, all, err := readLocks(ctx, c, f)
	for _, l := range locks {
		if l.granted && l.named {
			s.advisory[l.id] = true
		}
		if l.granted && !l.named {
			s.held[l.id] = append(s.held[l.id], event.HeldLock{Object: l.object, Mode: l.mode, Granted: true, Stops: stops(l.mode)})
		}
	}
	if class, _ := event.Classify(err); err != nil && class != event.ClassPermission {
		return err
	}
	if !all {
		locks = inferred(list, locks)
	}
	if !all && !f.plugin && err == nil {
		s.missing = append(s.missing, event.Missing{What: tableHolders, Fix: f.showLocks()})
	}
	for _, l := range locks {
		if !l.granted {
			s.queue(l, locks)
		}
	}
	return err
}

// showLocks is what it takes to have the server show locks.
func (f facts) showLocks() string {
	switch {
	case f.schema:
		return "UPDATE performance_schema.setup_instruments SET ENABLED = 'YES' WHERE NAME = 'wait/lock/metadata/sql/mdl'"
	case f.mariaDB:
		return "INSTALL SONAME 'metadata_lock_info'"
	}
	return "performance_schema = ON in the server's configuration, which takes a restart"
}

// maxLockName is how long a lock's name may be: MySQL has no answer for a longer
// one.
const maxLockName = 64

// maxNames bounds how many names one look asks for.
const maxNames = 16

// namedLocks takes in who holds the names that ours ask for and of whom that is
// not known yet: because ours poll for them and wait for nothing on the server, or
// because the server shows no locks. Anybody may ask it for the holder of a name.
func (s *snapshot) namedLocks(ctx context.Context, c *sql.Conn, asked []Asked) error {
	holders := map[string]int64{}
	for _, a := range asked {
		w := s.waits[a.Session]
		if a.Lock == "" || len(a.Lock) > maxLockName || w != nil && (w.Kind != "named" || len(w.by) > 0) {
			continue
		}
		if _, known := holders[a.Lock]; !known {
			if len(holders) == maxNames {
				continue
			}
			var holder sql.NullInt64
			if err := c.QueryRowContext(ctx, "SELECT IS_USED_LOCK("+quoted(a.Lock)+")").Scan(&holder); err != nil {
				return err
			}
			holders[a.Lock] = holder.Int64
		}
		switch holder := holders[a.Lock]; holder {
		case 0:
		case a.Session:
			s.advisory[holder] = true
		default:
			if w == nil {
				w = &wait{Wait: event.Wait{Kind: "named"}}
				s.waits[a.Session] = w
			}
			w.Object, w.lock, w.by = a.Lock, "named "+a.Lock, []int64{holder}
		}
	}
	return nil
}

// helpers tells of the sessions that do nothing which have another of the same
// program at work. What that works on, the process list does not say.
func (s *snapshot) helpers(list []process) {
	type program struct{ user, client string }
	of := func(id int64) program { return program{s.sessions[id].User, s.sessions[id].Client} }
	working := map[program][]int64{}
	for _, p := range list {
		in, w := s.sessions[p.id], s.waits[p.id]
		if w != nil && w.migratorLock() {
			continue
		}
		if in.State == "active" && in.StateAge >= time.Second && p.sql != "" || in.State == "idle in transaction" && in.TxAge >= time.Second {
			working[of(p.id)] = append(working[of(p.id)], p.id)
		}
	}
	for id, in := range s.sessions {
		in.helped = slices.ContainsFunc(working[of(id)], func(other int64) bool { return other != id })
	}
}

// queue takes in a lock that is waited for.
func (s *snapshot) queue(l lock, locks []lock) {
	in := s.sessions[l.id]
	w := s.waits[l.id]
	if w == nil {
		w = &wait{}
		if in != nil {
			w.For = in.StateAge
		}
		s.waits[l.id] = w
	}
	w.Kind = "metadata"
	if l.named {
		w.Kind = "named"
	} else {
		s.held[l.id] = append(s.held[l.id], event.HeldLock{Object: l.object, Mode: l.mode, Stops: stops(l.mode)})
	}
	w.Object, w.Mode, w.lock = l.object, l.mode, w.Kind+" "+l.object
	for _, other := range locks {
		if l.waitsFor(other) {
			w.by = append(w.by, other.id)
		}
	}
}

// definition matches a statement that changes a table's definition, up to the
// table's name.
var definition = regexp.MustCompile("(?is)^\\s*(?:/\\*.*?\\*/\\s*)*(?:ALTER\\s+(?:ONLINE\\s+|IGNORE\\s+)*TABLE|DROP\\s+TABLE|TRUNCATE(?:\\s+TABLE)?|OPTIMIZE\\s+TABLE|RENAME\\s+TABLE" +
	"|CREATE\\s+(?:OR\\s+REPLACE\\s+)?(?:UNIQUE\\s+|FULLTEXT\\s+|SPATIAL\\s+)?INDEX\\s+(?:IF\\s+NOT\\s+EXISTS\\s+)?\\S+\\s+ON|DROP\\s+INDEX\\s+(?:IF\\s+EXISTS\\s+)?\\S+\\s+ON)" +
	"\\s+(?:IF\\s+EXISTS\\s+)?((?:`[^`]+`|[\\w$]+)(?:\\.(?:`[^`]+`|[\\w$]+))?)")

// inferred completes locks by those that the server does not show but that the
// sessions' states and texts tell of: who waits for a table, and, where no lock
// is shown at all, who changes one.
func inferred(list []process, locks []lock) []lock {
	shown := len(locks) > 0
	var objects []string // those that somebody changes first
	for _, p := range list {
		object := changes(p)
		if object == "" {
			continue
		}
		objects = append(objects, object)
		if waits := p.state == metadataState; waits || !shown {
			locks = append(locks, lock{id: p.id, object: object, mode: exclusive, granted: !waits})
		}
	}
	for _, l := range locks {
		if !l.named {
			objects = append(objects, l.object)
		}
	}
	for _, p := range list {
		if p.state != metadataState || changes(p) != "" {
			continue
		}
		if i := slices.IndexFunc(objects, func(object string) bool { return mentions(p, object) }); i >= 0 {
			locks = append(locks, lock{id: p.id, object: objects[i], mode: dataMode(p.sql)})
		}
	}
	return append(locks, namedWaits(list, locks)...)
}

// changes is the table whose definition a session changes, "" for none.
func changes(p process) string {
	m := definition.FindStringSubmatch(p.sql)
	if m == nil || p.command == "Sleep" {
		return ""
	}
	object := strings.ReplaceAll(m[1], "`", "")
	if !strings.Contains(object, ".") {
		object = p.db + "." + object
	}
	return object
}

// namedWaits are the waits for the names that are held.
func namedWaits(list []process, locks []lock) (waits []lock) {
	for _, p := range list {
		if waitingStates[p.state] != "named" {
			continue
		}
		for _, l := range locks {
			if l.named && l.granted && l.id != p.id && strings.Contains(p.sql, l.object) {
				waits = append(waits, lock{id: p.id, named: true, object: l.object, mode: exclusive})
				break
			}
		}
	}
	return waits
}

// dataMode is the lock that a statement takes on the tables that it uses.
func dataMode(text string) string {
	if strings.HasPrefix(firstWords(text), "SELECT") {
		return "SHARED_READ"
	}
	return "SHARED_WRITE"
}

// mentions reports whether a session's statement has a table's name in it, as a
// word of its own.
func mentions(p process, object string) bool {
	schema, table, _ := strings.Cut(object, ".")
	return (p.db == schema || word(p.sql, schema)) && word(p.sql, table)
}

func word(text, name string) bool {
	part := func(b byte) bool {
		return b == '_' || b == '$' || b >= 0x80 || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
	}
	for at := 0; ; {
		i := strings.Index(text[at:], name)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(name)
		if (start == 0 || !part(text[start-1])) && (end == len(text) || !part(text[end])) {
			return true
		}
		at = start + 1
	}
}
