package metrics

import (
	"slices"
	"sync"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// queues holds how many sessions wait behind each of our connections, as the
// last look at the server has shown it.
type queues struct {
	mu   sync.Mutex
	open map[uint64]queueBehind
}

type queueBehind struct {
	sessions int
	at       time.Time
	of       serverSession   // ours that they wait for
	blockers []serverSession // whom that one waits for itself
}

// serverSession is a session of a server.
type serverSession struct {
	db  event.Database
	pid int64
}

// looked notes a queue and returns what its sessions have waited since the look
// before: as many as there were then, for as long as it is ago.
func (q *queues) looked(k *event.Look) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	before, known := q.open[k.ConnID]
	now := k.Start.Add(k.Age)
	var waited time.Duration
	if known && !q.inAnother(k.ConnID) {
		waited = time.Duration(before.sessions) * max(now.Sub(before.at), 0)
	}
	switch {
	case k.Done || k.Picture == nil:
		delete(q.open, k.ConnID)
	default:
		behind := queueBehind{k.Picture.Queue - k.Picture.QueueMigrator, now, serverSession{k.Database, k.Picture.Session.PID}, nil}
		for _, b := range k.Picture.Blockers {
			behind.blockers = append(behind.blockers, serverSession{k.Database, b.PID})
		}
		q.open[k.ConnID] = behind
	}
	return waited
}

// inAnother reports whether the session of a connection waits for another of
// ours: who waits for it is in that one's queue, too. Of two that wait for each
// other the second is in the first's.
func (q *queues) inAnother(conn uint64) bool {
	behind := q.open[conn]
	for id, o := range q.open {
		if o.of.pid != 0 && id != conn && slices.Contains(behind.blockers, o.of) && !(conn < id && slices.Contains(o.blockers, behind.of)) {
			return true
		}
	}
	return false
}

func (q *queues) length() float64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for conn, behind := range q.open {
		if behind.sessions > 0 && !q.inAnother(conn) {
			n += behind.sessions
		}
	}
	return float64(n)
}

// Look keeps count of the sessions that wait behind ours.
func (s *Set) Look(k *event.Look) {
	if waited := s.queues.looked(k); waited > 0 {
		s.family(victimSeconds).sum().Add(waited.Seconds())
	}
}

// Finding counts what was found.
func (s *Set) Finding(f *event.Finding) { s.family(findingsTotal).counter(f.Kind).Inc() }

// Alert counts a change of state.
func (s *Set) Alert(a *event.Alert) {
	s.family(alertsTotal).counter(a.Rule, string(a.Severity), string(a.State)).Inc()
}

// Trouble counts a part of sqlwitness that has failed.
func (s *Set) Trouble(t *event.Trouble) {
	if t.Over {
		return
	}
	if t.Part == "audit" {
		s.family(auditFailures).counter(t.Kind).Inc()
		return
	}
	s.Error(t.Part)
}

// ColdStart exposes what the process's start was spent on.
func (s *Set) ColdStart(c *event.ColdStart) {
	for stage, took := range map[string]time.Duration{"connect": c.Connect, "lock": c.Lock, "check": c.Check, "apply": c.Apply, "total": c.Total} {
		s.family(coldStart).callback(took.Seconds, stage)
	}
}
