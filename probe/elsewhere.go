package probe

import (
	"context"
	"database/sql"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// MigrationLock is an advisory or named lock that a tool holds while it migrates.
type MigrationLock struct {
	Tool string
	Key  string // PostgreSQL: the key of 64 bits; MySQL and MariaDB: the name
}

// Migrator is a session that was seen to migrate the database: of another
// process, if this one does not migrate at the time.
type Migrator struct {
	PID  int64
	Tool string // "" where the session was known by its statement alone
}

// Signs is what there is to see of migrations by other processes.
type Signs struct {
	At        time.Time  // when the server was asked; zero where it was not
	Migrators []Migrator // those that hold a known lock first
	Trail     bool       // the audit trail is there and this role may read it
}

// maxSigns bounds the locks and the sessions that one look for signs reads.
const maxSigns = 100

// Elsewhere looks for sessions that migrate: they hold one of the known locks, or
// run DDL on a table that others know, waiting for its lock or holding it. With a
// trail to read, read is lent the connection; where the server refuses that, there
// is no trail. It is one short query for views
// that every role may read; what of other roles' sessions is hidden is not seen.
// While the probe rests it sees nothing, and its At is zero.
//
// A holder that has been idle for 10 s, outside any transaction, does not
// migrate: it keeps a lock that it has forgotten.
func (p *Probe) Elsewhere(ctx context.Context, locks []MigrationLock, read func(context.Context, *sql.Conn) error) (Signs, error) {
	if p == nil {
		return Signs{}, nil
	}
	var s Signs
	asked, err := p.use(ctx, func(ctx context.Context, c *sql.Conn) (err error) {
		if s, err = p.system.elsewhere(ctx, c, locks, p.deps.DDL); err == nil && s.Trail {
			if err = read(ctx, c); unreadable(err) {
				s.Trail, err = false, nil
			}
		}
		return err
	})
	if !asked || err != nil {
		return Signs{}, err
	}
	s.At = p.deps.Now()
	return s, nil
}

// unreadable reports whether an error says that a trail is another version's, gone
// by now or not for this role. That is no trouble of the probe's, which would stop
// it from looking at all.
func unreadable(err error) bool {
	class, _ := event.Classify(err)
	return class == event.ClassMissingObject || class == event.ClassPermission
}

// add notes a session once.
func (s *Signs) add(m Migrator) {
	for _, other := range s.Migrators {
		if other.PID == m.PID {
			return
		}
	}
	s.Migrators = append(s.Migrators, m)
}
