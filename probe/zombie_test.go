package probe

import (
	"slices"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
)

// zombies are the systems with what takes a lock, what waits for it and the key.
var zombies = []struct {
	kit              kit
	take, wait, key  string
	kind, work, done string
}{
	{kitPQ, "SELECT pg_advisory_lock(-42)", "SELECT pg_advisory_lock(-42)", "-42", "advisory", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE", "ROLLBACK"},
	{kitPGX, "SELECT pg_advisory_lock(3, -4)", "SELECT pg_advisory_lock(3, -4)", "3,-4", "advisory", "INSERT INTO t VALUES (1)", "ROLLBACK"},
	{kitMariaDB, "SELECT GET_LOCK('probe''s', 0)", "SELECT GET_LOCK('probe''s', 60)", "probe's", "named", "INSERT INTO t VALUES (1)", "ROLLBACK"},
}

// lookAs looks at a session until a picture is as wanted.
func (b *bench) lookAs(what string, a Asked, wanted func(*event.Picture) bool) *event.Picture {
	b.t.Helper()
	var last *event.Picture
	poll(b.t, what, func() bool {
		seen, err := b.probe.Look(b.t.Context(), []Asked{a})
		if err != nil {
			b.t.Fatalf("look: %v", err)
		}
		last = seen[a.Session]
		return last != nil && wanted(last)
	}, func() any { return last })
	return last
}

// TestPolled: who polls for a lock waits for nothing on the server, and who holds
// the lock is seen all the same; on MariaDB without any privilege or plugin.
func TestPolled(t *testing.T) {
	for _, c := range zombies {
		t.Run(c.kit.name, func(t *testing.T) {
			b := newBench(t, c.kit)
			leader, poller := b.client().do(c.take), b.client()
			p := b.lookAs("the holder", Asked{Session: poller.id, Lock: c.key}, func(p *event.Picture) bool { return p.Session.Wait != nil })
			if w := p.Session.Wait; w.Kind != c.kind || w.Object != c.key || !slices.Equal(ids(p.Blockers), []int64{leader.id}) || p.Blockers[0].State != "idle" {
				t.Errorf("it waits for %+v, held by %+v", w, p.Blockers)
			}
			if p := b.lookAs("a free lock", Asked{Session: poller.id, Lock: "7"}, func(*event.Picture) bool { return true }); p.Session.Wait != nil {
				t.Errorf("a free lock: %+v", p.Session.Wait)
			}
			// Whoever holds it waits for nobody.
			if p := b.lookAs("its own", Asked{Session: leader.id, Lock: c.key}, func(*event.Picture) bool { return true }); p.Session.Wait != nil {
				t.Errorf("its own lock: %+v", p.Session.Wait)
			}
			b.quiet()
		})
	}
}

// TestZombieSeen: who waits or polls for a migration's lock whose holder does
// nothing is told so after a while; not while a second session of the holder's
// program works under the lock.
func TestZombieSeen(t *testing.T) {
	for _, c := range zombies {
		t.Run(c.kit.name, func(t *testing.T) {
			b := newBench(t, c.kit)
			b.do("CREATE TABLE t (n INT)")
			leader, waiter := b.client().do(c.take), b.client()
			waiter.start(c.wait)
			asked := Asked{Session: waiter.id, Lock: c.key, Migration: true}
			p := b.lookAs("a zombie", asked, func(p *event.Picture) bool { return p.Zombie })
			if h := p.Blockers[0]; len(p.Blockers) != 1 || h.PID != leader.id || h.StateAge < patience || c.kit.system == "postgresql" && h.Started.IsZero() {
				t.Errorf("the holder is %+v", p.Blockers)
			}
			if len(p.Missing) > 0 {
				t.Errorf("missing: %+v", p.Missing)
			}
			if p := b.lookAs("the leader", Asked{Session: leader.id, Lock: c.key, Migration: true}, func(*event.Picture) bool { return true }); !p.Zombie {
				t.Errorf("the leader's own picture: %+v", p)
			}
			elected := asked
			elected.Migration = false
			if p := b.lookAs("an election", elected, func(*event.Picture) bool { return true }); p.Zombie {
				t.Error("a leader that was elected is taken for a zombie")
			}
			worker := b.client().do("BEGIN", c.work)
			b.lookAs("a worker", asked, func(p *event.Picture) bool { return !p.Zombie })
			worker.do(c.done)
			b.lookAs("a zombie again", asked, func(p *event.Picture) bool { return p.Zombie })
			b.quiet()
		})
	}
}

// TestAdvisoryParts: a key is taken apart as the server does, and back.
func TestAdvisoryParts(t *testing.T) {
	for key, want := range map[string]bool{"42": true, "-5": true, "9223372036854775807": true, "-3,2000000000": true, "": false, "migrate": false, "1,": false, "1,2,3": false, "9223372036854775808": false} {
		class, obj, sub, ok := advisoryParts(key)
		if ok != want || ok && advisoryKey(int64(class), int64(obj), sub) != key {
			t.Errorf("%q is %d %d %d, %v", key, class, obj, sub, ok)
		}
	}
}
