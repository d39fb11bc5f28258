package probe

import (
	"errors"
	"sync"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// The pauses after looks that failed: each twice the one before. A server
// without connections or privileges to spare is left alone for the longest at
// once.
const (
	shortRest = time.Second
	longRest  = time.Minute
)

// rest keeps a probe from asking a server that does not answer it, and tells of
// each kind of trouble once.
type rest struct {
	database event.Database

	mu    sync.Mutex
	pause time.Duration
	until time.Time
	ever  bool           // what it asks for is not there: it never asks again
	told  *event.Trouble // and not over yet
}

func (r *rest) resting(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ever || now.Before(r.until)
}

// failed returns what to tell of an error, nil if that is told already.
func (r *rest) failed(now time.Time, err error) *event.Trouble {
	t := troubleOf(err)
	t.Database, t.At = r.database, now
	r.mu.Lock()
	defer r.mu.Unlock()
	switch t.Kind {
	case troubleUnsupported:
		r.ever = true
	case troubleConnections, troubleForbidden:
		r.pause = longRest
	default:
		r.pause = min(max(2*r.pause, shortRest), longRest)
	}
	r.until = now.Add(r.pause)
	if r.told != nil && r.told.Kind == t.Kind {
		return nil
	}
	r.told = &t
	return &t
}

// worked returns the end of the trouble that was told, if any.
func (r *rest) worked(now time.Time) *event.Trouble {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pause, r.until = 0, time.Time{}
	if r.told == nil {
		return nil
	}
	over := *r.told
	over.At, over.Over = now, true
	over.Message, over.Hint = "the view from a second connection is back", ""
	r.told = nil
	return &over
}

// Kinds of trouble.
const (
	troubleConnections = "connections"
	troubleUnreachable = "unreachable"
	troubleForbidden   = "forbidden"
	troubleUnsupported = "unsupported"
	troubleTimeout     = "timeout"
	troubleFailed      = "failed"
)

// troubleOf says what an error is to the user. The error's own text may hold a
// host or a value and stays here.
func troubleOf(err error) event.Trouble {
	t := event.Trouble{Part: "probe"}
	t.ErrorClass, t.SQLState = event.Classify(err)
	var connecting *connectError
	unconnected := errors.As(err, &connecting)
	switch {
	case t.ErrorClass == event.ClassConnections:
		t.Kind = troubleConnections
		t.Message = "the server has no connection left for a view from outside: who blocks a migration and whom it blocks is not seen"
		t.Hint = "leave one connection free for each process that migrates, in max_connections or the user's own limit"
	case t.ErrorClass == event.ClassPermission:
		t.Kind = troubleForbidden
		t.Message = "the role may not connect again or not read the server's activity: who blocks a migration and whom it blocks is not seen"
		t.Hint = "PostgreSQL: GRANT pg_read_all_stats; MySQL and MariaDB: GRANT PROCESS ON *.*"
	case !unconnected && (t.ErrorClass == event.ClassMissingObject || t.ErrorClass == event.ClassSyntax || t.SQLState == "0A000"):
		t.Kind = troubleUnsupported
		t.Message = "the server does not have the views that show locks, or is none of the versions known: who blocks a migration and whom it blocks is not seen"
		t.Hint = "PostgreSQL 12, MariaDB 10.5 and MySQL 8 have them, and later versions"
	case t.ErrorClass == event.ClassLockTimeout, t.ErrorClass == event.ClassStatementTimeout, t.ErrorClass == event.ClassCancelled:
		t.Kind = troubleTimeout
		t.Message = "the server did not answer in time: who blocks a migration and whom it blocks is not seen for now"
	case unconnected:
		t.Kind = troubleUnreachable
		t.Message = "a second connection to the database could not be opened: who blocks a migration and whom it blocks is not seen"
		t.Hint = "allow a second connection of the same user from the same host"
	default:
		t.Kind = troubleFailed
		t.Message = "the view from a second connection failed: who blocks a migration and whom it blocks is not seen for now"
	}
	return t
}
