package sqlwitness

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestHeldLock: a migration's lock that a connection of ours holds is looked at
// every 30 s, and told of once if nobody works under it; that of an elected
// leader, and one that is given back, wake nobody.
func TestHeldLock(t *testing.T) {
	const goose = "4097083626"
	for _, c := range []struct {
		name   string
		key    string
		zombie bool
		freed  time.Duration // 0: never
		looks  int           // within two minutes
		told   int
	}{
		{"nobody works under it", goose, true, 0, 1, 1},
		{"somebody does", goose, false, 0, 4, 0},
		{"given back in time", goose, true, 20 * time.Second, 0, 0},
		{"given back after work", goose, false, 70 * time.Second, 2, 0},
		{"an elected leader's", "7", true, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				looks := 0
				k := newWatched(t, fakeView{session: 4711, look: func(context.Context) (*event.Picture, error) {
					looks++
					return &event.Picture{Zombie: c.zombie, Session: event.Session{PID: 4711, State: "idle", StateAge: 29 * time.Second, Query: "SELECT ?"}}, nil
				}})
				seen := &findings{}
				k.w.sinks = append(k.w.sinks, seen)
				conn, err := k.db.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				exec := func(f string) {
					if _, err := conn.ExecContext(t.Context(), fmt.Sprintf("SELECT %s(%s)", f, c.key)); err != nil {
						t.Error(err)
					}
				}
				exec("pg_advisory_lock")
				if c.freed > 0 {
					time.Sleep(c.freed)
					exec("pg_advisory_unlock")
				}
				time.Sleep(2*time.Minute + time.Second - c.freed)
				synctest.Wait()
				if looks != c.looks || len(seen.all) != c.told {
					t.Errorf("looked %d times, want %d; found %+v, want %d", looks, c.looks, seen.all, c.told)
				}
				for _, f := range seen.all {
					if f.Kind != "zombie_lock" || f.Object != goose || !strings.Contains(f.SQL, "pg_terminate_backend(pid)") || !strings.Contains(f.Message, "session 4711") || !strings.Contains(f.Message, "29s") {
						t.Errorf("found %+v", f)
					}
				}
				_ = conn.Close()
			})
		})
	}
}
