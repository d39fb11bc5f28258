package probe

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// maxSessions bounds what one look reads: so many waiting sessions, and so many
// sessions of each kind in a picture.
const maxSessions = 200

// timeLimit bounds a look on our side, where the server's own limits do not
// reach: a network that is gone.
const timeLimit = 1500 * time.Millisecond

// Deps are what a probe does not make itself.
type Deps struct {
	// Now is the clock. Required.
	Now func() time.Time
	// Redact takes the literals out of a query of another session; "" where it
	// cannot. Required: no query is shown that did not go through it.
	Redact func(sql string) string
	// Migrates reports whether a query of another session is one that migration
	// tools send: one on a version table. Nil knows of none.
	Migrates func(sql string) bool
	// DDL reports whether a query of another session changes what tables there are
	// or how they look. Nil: no session is known to migrate by what it runs.
	DDL func(sql string) bool
	// Trouble is told, once, why the probe sees nothing, and that it is over.
	// Nil is told nothing.
	Trouble func(event.Trouble)
}

// Stats counts since the probe was opened.
type Stats struct {
	Looks  uint64 // answered by the server, looks for residue included
	Errors uint64 // not answered, or not in time
	Rested uint64 // not asked, because the last one failed
}

// Probe sees one database. It is safe for concurrent use; looks go one after the
// other. A nil Probe, which is that of a system without such a view, sees
// nothing.
type Probe struct {
	system  system
	own     *own
	deps    Deps
	rest    rest
	known   known
	asked   atomic.Uint64
	errors  atomic.Uint64
	skipped atomic.Uint64
}

// system is what the database systems differ in.
type system interface {
	// session is the query for the server's number of the session that asks.
	session() string
	// settings make a new connection fit for looking. They are a courtesy: one
	// that fails is left out.
	settings() []string
	// begin and end enclose each use of the connection; "" for nothing.
	begin() string
	end() string

	look(ctx context.Context, c *sql.Conn, asked []Asked) (*snapshot, error)
	leftovers(ctx context.Context, c *sql.Conn) ([]leftover, error)
	remains(ctx context.Context, c *sql.Conn, ids []int64) ([]remain, error)
	elsewhere(ctx context.Context, c *sql.Conn, locks []MigrationLock, ddl func(sql string) bool) (Signs, error)
}

// Open returns the probe of a database, nil where the system has no view to see
// it from. Nothing is connected before the first look. connect makes a
// connection of the parent driver's, to the same database as the same user.
func Open(db event.Database, connect func(context.Context) (driver.Conn, error), deps Deps) *Probe {
	s := systemOf(db.System)
	if s == nil {
		return nil
	}
	return &Probe{
		system: s,
		own:    newOwn(connect, s),
		deps:   deps,
		rest:   rest{database: db},
	}
}

func systemOf(name string) system {
	switch name {
	case "postgresql":
		return &postgres{}
	case "mysql", "mariadb":
		return &mysql{}
	}
	return nil
}

// Supported reports whether the probe can see anything.
func (p *Probe) Supported() bool { return p != nil }

// Session asks a connection of the parent's for the server's number of its
// session. It is one query on the caller's connection: ask outside a
// transaction, or in one that is sound, with no rows open.
// The probe remembers the session as one of ours.
func (p *Probe) Session(ctx context.Context, conn driver.Conn) (int64, error) {
	if p == nil {
		return 0, errors.New("probe: this database system has no numbers for its sessions")
	}
	id, err := number(ctx, conn, p.system.session())
	if err == nil {
		p.known.add(id)
	}
	return id, err
}

// Asked is a session of ours that a look is at.
type Asked struct {
	Session int64
	// Lock is the key of the advisory or named lock that the session asks for or
	// holds, as event.Lock has it; "" for none. Who polls for a lock waits for
	// nothing on the server: it is by the key that the holder is found.
	Lock string
	// Migration says that the lock that the session asks for, or holds, is known to
	// be a migration tool's.
	Migration bool
}

func sessionsOf(asked []Asked) []int64 {
	ids := make([]int64, len(asked))
	for i, a := range asked {
		ids[i] = a.Session
	}
	return ids
}

// Look sees these sessions of ours and those around them, all at one moment. A
// session that the server does not have is not in the answer. While the probe
// rests after an error there is no answer and no error.
func (p *Probe) Look(ctx context.Context, sessions []Asked) (map[int64]*event.Picture, error) {
	if p == nil || len(sessions) == 0 {
		return nil, nil
	}
	var seen *snapshot
	if asked, err := p.use(ctx, func(ctx context.Context, c *sql.Conn) (err error) {
		seen, err = p.system.look(ctx, c, sessions)
		return err
	}); !asked || err != nil {
		return nil, err
	}
	seen.prepare(p.deps, p.known.has)
	pictures := map[int64]*event.Picture{}
	for _, a := range sessions {
		if picture := seen.picture(a); picture != nil {
			picture.At = p.deps.Now()
			pictures[a.Session] = picture
		}
	}
	return pictures, nil
}

// use lends the connection, unless the probe rests.
func (p *Probe) use(ctx context.Context, f func(context.Context, *sql.Conn) error) (asked bool, err error) {
	if p.rest.resting(p.deps.Now()) {
		p.skipped.Add(1)
		return false, nil
	}
	limited, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	if err = p.own.do(limited, f); err == nil {
		p.asked.Add(1)
		p.tell(p.rest.worked(p.deps.Now()))
		return true, nil
	}
	if errors.Is(err, errClosed) || errors.Is(ctx.Err(), context.Canceled) {
		return true, err // the caller's doing
	}
	p.errors.Add(1)
	p.tell(p.rest.failed(p.deps.Now(), err))
	return true, err
}

func (p *Probe) tell(t *event.Trouble) {
	if t != nil && p.deps.Trouble != nil {
		p.deps.Trouble(*t)
	}
}

// Stats returns what was counted so far.
func (p *Probe) Stats() Stats {
	if p == nil {
		return Stats{}
	}
	return Stats{Looks: p.asked.Load(), Errors: p.errors.Load(), Rested: p.skipped.Load()}
}

// Close ends the connection, and a look that is under way. There are no looks
// after it.
func (p *Probe) Close() error {
	if p == nil {
		return nil
	}
	return p.own.close()
}
