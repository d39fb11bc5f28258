package probe

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// drawn is the picture of session 1 in a snapshot.
func drawn(s *snapshot) *event.Picture { return drawnOf(s, Asked{Session: 1}) }

func drawnOf(s *snapshot, a Asked) *event.Picture {
	s.prepare(Deps{
		Redact:   func(q string) string { return q },
		Migrates: func(q string) bool { return strings.Contains(q, "goose_db_version") },
	}, func(int64) bool { return false })
	return s.picture(a)
}

func people(list ...int64) map[int64]*session {
	all := map[int64]*session{}
	for _, id := range list {
		all[id] = &session{Session: event.Session{PID: id, State: "active"}}
	}
	return all
}

func waiting(kind, lock string, by ...int64) *wait {
	return &wait{Wait: event.Wait{Kind: kind, For: time.Second}, lock: lock, by: by}
}

// TestDeadlock: sessions that wait for each other are counted once.
func TestDeadlock(t *testing.T) {
	p := drawn(&snapshot{sessions: people(1, 2, 3), waits: map[int64]*wait{
		1: waiting("relation", "a", 2, 2, 1), 2: waiting("relation", "b", 3), 3: waiting("relation", "c", 1)}})
	if !slices.Equal(ids(p.Blockers), []int64{2, 3}) || !slices.Equal(ids(p.Victims), []int64{2, 3}) || p.Queue != 2 || p.QueueTime != 2*time.Second {
		t.Errorf("the picture is %+v", p)
	}
}

// TestLongQueue: of a queue that is too long to ask about, those who wait for the
// same lock are counted, and not listed.
func TestLongQueue(t *testing.T) {
	s := &snapshot{sessions: people(1), waits: map[int64]*wait{1: waiting("relation", "t", 1000)}}
	for id := int64(2); id < 500; id++ {
		s.waits[id] = waiting("relation", "t", 1)
		if id > 300 {
			s.waits[id].by, s.waits[id].unasked = nil, true
		}
	}
	s.waits[600] = &wait{Wait: event.Wait{Kind: "relation"}, lock: "elsewhere", unasked: true}
	p := drawn(s)
	if p.Queue != 498 || p.QueueDirect != 299 || len(p.Victims) != maxSessions || p.QueueTime != 498*time.Second {
		t.Errorf("queue %d, direct %d, listed %d, time %v", p.Queue, p.QueueDirect, len(p.Victims), p.QueueTime)
	}
	if len(p.Blockers) != 1 || p.Blockers[0].PID != 1000 { // gone, but for its number
		t.Errorf("blockers: %+v", p.Blockers)
	}
}

// TestZombie: a migration's lock in the hands of a session that does nothing is
// strange after a while, be it one of ours or the one that ours waits for.
func TestZombie(t *testing.T) {
	const version = "INSERT INTO goose_db_version VALUES ($1)"
	for _, c := range []struct {
		name      string
		waits     string // the kind of lock that ours waits for; "" where it holds it itself
		migration bool
		holder    session
		want      bool
	}{
		{"held and nothing done", "", true, session{Session: event.Session{State: "idle", StateAge: patience}}, true},
		{"held by a leader that was elected", "", false, session{Session: event.Session{State: "idle", StateAge: time.Hour}}, false},
		{"held, and not for long", "", true, session{Session: event.Session{State: "idle", StateAge: patience - 1}}, false},
		{"held at work", "", true, session{Session: event.Session{State: "active", StateAge: time.Hour}}, false},
		{"held for another session's work", "", true, session{Session: event.Session{State: "idle", StateAge: time.Hour}, helped: true}, false},
		{"waited for", "advisory", true, session{Session: event.Session{State: "idle", StateAge: patience}}, true},
		{"waited for by name", "named", true, session{Session: event.Session{State: "idle", StateAge: patience}}, true},
		{"the holder's client died in its transaction", "advisory", true, session{Session: event.Session{State: "idle in transaction", StateAge: patience}}, true},
		{"waited for, and another session works under it", "advisory", true, session{Session: event.Session{State: "idle", StateAge: time.Hour}, helped: true}, false},
		{"waited for, held at work", "advisory", true, session{Session: event.Session{State: "active", StateAge: time.Hour}}, false},
		{"an election is waited for", "advisory", false, session{Session: event.Session{State: "idle", StateAge: time.Hour, Query: "SELECT pg_try_advisory_lock(7)"}}, false},
		{"the holder is known by what it did last", "advisory", false, session{Session: event.Session{State: "idle", StateAge: time.Hour, Query: version}}, true},
		{"a table is waited for", "relation", true, session{Session: event.Session{State: "idle in transaction", StateAge: time.Hour, Query: version}}, false},
		{"hidden", "advisory", true, session{Session: event.Session{}, hidden: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &snapshot{sessions: people(1), waits: map[int64]*wait{}, advisory: map[int64]bool{}}
			if c.waits == "" {
				s.sessions[1], s.advisory[1] = &c.holder, true
			} else {
				s.sessions[2], s.waits[1] = &c.holder, waiting(c.waits, "a", 2)
			}
			if got := drawnOf(s, Asked{Session: 1, Migration: c.migration}).Zombie; got != c.want {
				t.Errorf("zombie is %v", got)
			}
		})
	}
	// Of one without a lock nothing is strange.
	s := &snapshot{sessions: people(1), waits: map[int64]*wait{}}
	s.sessions[1].State, s.sessions[1].StateAge = "idle", time.Hour
	if drawnOf(s, Asked{Session: 1, Migration: true}).Zombie {
		t.Error("a session without a lock is a zombie")
	}
}

// TestStrongest: one lock for each relation.
func TestStrongest(t *testing.T) {
	got := strongest([]event.HeldLock{
		{Object: "a", Mode: "RowExclusiveLock", Granted: true},
		{Object: "b", Mode: "ShareLock", Granted: true, Stops: stops("ShareLock")},
		{Object: "a", Mode: "AccessExclusiveLock", Stops: stops("AccessExclusiveLock")},
		{Object: "a", Mode: "AccessShareLock", Granted: true},
	})
	if want := "[{a AccessExclusiveLock false reads and writes} {b ShareLock true writes}]"; fmt.Sprint(got) != want {
		t.Errorf("strongest = %v, want %v", got, want)
	}
}

// TestKnown: the oldest are forgotten.
func TestKnown(t *testing.T) {
	var k known
	for id := range int64(maxKnown + 1) {
		k.add(id)
		k.add(id)
	}
	if k.has(0) || !k.has(1) || !k.has(maxKnown) || len(k.order) != maxKnown {
		t.Errorf("%d are known", len(k.order))
	}
}
