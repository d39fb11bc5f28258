package probe

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// drawn is the picture of session 1 in a snapshot.
func drawn(s *snapshot, ours ...int64) *event.Picture {
	s.prepare(func(q string) string { return q }, func(id int64) bool { return slices.Contains(ours, id) })
	return s.picture(1, ours)
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

// TestZombie: a lock held while nothing goes on is strange after a while, unless
// another session of ours is at work under it.
func TestZombie(t *testing.T) {
	for _, c := range []struct {
		name, state, other string
		age                time.Duration
		lock, want         bool
	}{
		{"idle with a lock", "idle", "idle", patience, true, true},
		{"not for long", "idle", "idle", patience - 1, true, false},
		{"without a lock", "idle", "idle", patience, false, false},
		{"at work", "active", "idle", patience, true, false},
		{"another is at work", "idle", "active", patience, true, false},
		{"another is between two statements", "idle", "idle in transaction", patience, true, false},
	} {
		s := &snapshot{sessions: people(1, 2), advisory: map[int64]bool{1: c.lock}}
		s.sessions[1].State, s.sessions[1].StateAge, s.sessions[2].State = c.state, c.age, c.other
		if got := drawn(s, 1, 2).Zombie; got != c.want {
			t.Errorf("%s: zombie is %v", c.name, got)
		}
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
