package metrics

import (
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestQueueBehindTwoOfOurs: who waits for one of our sessions that itself waits
// for another of ours is in both queues, and one session.
func TestQueueBehindTwoOfOurs(t *testing.T) {
	shop, till := event.Database{System: "postgresql", Name: "shop"}, event.Database{System: "postgresql", Name: "till"}
	look := func(db event.Database, conn uint64, pid int64, queue int, blockers ...int64) *event.Look {
		k := &event.Look{Database: db, ConnID: conn, Age: time.Second, Picture: &event.Picture{Session: event.Session{PID: pid}, Queue: queue}}
		for _, b := range blockers {
			k.Picture.Blockers = append(k.Picture.Blockers, event.Session{PID: b})
		}
		return k
	}
	for _, c := range []struct {
		name     string
		looks    []*event.Look
		sessions float64
	}{
		{"one", []*event.Look{look(shop, 1, 11, 5, 99)}, 5},
		{"a statement behind a transaction of the same run", []*event.Look{look(shop, 1, 11, 6), look(shop, 2, 12, 5, 11)}, 6},
		{"seen the other way round", []*event.Look{look(shop, 2, 12, 5, 11), look(shop, 1, 11, 6)}, 6},
		{"each behind somebody else's", []*event.Look{look(shop, 1, 11, 6, 99), look(shop, 2, 12, 5, 98)}, 11},
		{"another database's session of the same number", []*event.Look{look(shop, 1, 11, 6), look(till, 2, 12, 5, 11)}, 11},
		{"a deadlock", []*event.Look{look(shop, 1, 11, 3, 12), look(shop, 2, 12, 3, 11)}, 3},
		{"sessions without a number", []*event.Look{look(shop, 1, 0, 6), look(shop, 2, 0, 5, 0)}, 11},
	} {
		s := New(Config{})
		for _, k := range c.looks {
			s.Look(k)
		}
		if got := series(t, s, blockedSessions, nil).GetGauge().GetValue(); got != c.sessions {
			t.Errorf("%s: %v sessions, want %v", c.name, got, c.sessions)
		}
		for _, k := range c.looks { // a second later
			k.Age += time.Second
			s.Look(k)
		}
		if got := series(t, s, victimSeconds, nil).GetCounter().GetValue(); got != c.sessions {
			t.Errorf("%s: %v seconds, want %v", c.name, got, c.sessions)
		}
	}
}
