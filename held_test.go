package sqlwitness

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
	"github.com/sqlwitness/sqlwitness/migrator"
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

// TestHeldLockOnServers: a tool's lock that goes back into the pool with its
// connection is found there, and what the finding says to run frees it.
func TestHeldLockOnServers(t *testing.T) {
	for _, c := range []struct {
		driver       string
		dsn          func(testing.TB) string
		take, isFree string
	}{
		{"postgres", testdb.PostgreSQL, "SELECT pg_advisory_lock(%s)",
			"SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"},
		{"mysql", testdb.MariaDB, "SELECT GET_LOCK('%s', 0)", "SELECT IS_FREE_LOCK('%s')"},
	} {
		t.Run(c.driver, func(t *testing.T) {
			t.Parallel()
			dsn := c.dsn(t)
			seen := &findings{}
			w, err := New(Config{LogOutput: &safeBuilder{}, Sinks: []event.Sink{seen}, Audit: audit.Config{Mode: audit.Off}})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close(context.Background())
			db, err := w.Open(c.driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var witnessed *connector
			for k := range w.connectors {
				witnessed = k
			}
			locks := migrator.LocksOf(witnessed.db)
			key := locks[len(locks)-1].Key // golang-migrate's, which is made of the database's name
			var got any
			if err := db.QueryRow(fmt.Sprintf(c.take, key)).Scan(&got); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(30 * time.Second); len(seen.kinds()) == 0 && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
				witnessed.lookAtHeld()
			}
			witnessed.lookAtHeld()
			_ = witnessed.observer.background.wait(t.Context())
			if len(seen.all) != 1 || seen.all[0].Kind != "zombie_lock" || seen.all[0].Object != key {
				t.Fatalf("found %+v", seen.all)
			}
			other, err := sql.Open(c.driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			for range 2 { // the second time it hits nobody
				_, err = other.Exec(seen.all[0].SQL)
			}
			if c.driver == "postgres" && err != nil {
				t.Errorf("%s: %v", seen.all[0].SQL, err)
			}
			free := false
			for end := time.Now().Add(20 * time.Second); !free && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				if err := other.QueryRow(fmt.Sprintf(c.isFree, key)).Scan(&free); err != nil {
					t.Fatal(err)
				}
			}
			if !free {
				t.Errorf("the lock is not free after %s", seen.all[0].SQL)
			}
		})
	}
}

// TestLockLeft: a lock that a session of a run's still has after it is told of,
// unless the next run has it: who ended the session would end that run.
func TestLockLeft(t *testing.T) {
	const take = "SELECT pg_advisory_lock(42)"
	for _, c := range []struct {
		name string
		next func(k *watched) (end func())
		told int
	}{
		{"nobody has taken it since", func(*watched) func() { return func() {} }, 1},
		{"the next run has it", func(k *watched) func() { _, _ = k.db.Exec(take); return func() {} }, 0},
		{"the next run had it", func(k *watched) func() {
			_, _ = k.db.Exec(take)
			_, _ = k.db.Exec("SELECT pg_advisory_unlock(42)")
			return func() {}
		}, 0},
		{"the next run is about to", func(k *watched) func() { return k.hang(take) }, 0},
		{"the next run has another", func(k *watched) func() { return k.hang("SELECT pg_advisory_lock(7)") }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newWatched(t, nil)
				seen := &findings{}
				k.w.sinks = append(k.w.sinks, seen)
				start := time.Now()
				if _, err := k.db.Exec(take); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				left := k.connector.left(&event.Run{Start: start, Duration: time.Since(start)})
				time.Sleep(time.Millisecond)
				end := c.next(k)
				left(event.Finding{Kind: "lock_left", Object: "42"})
				end()
				if len(seen.all) != c.told {
					t.Errorf("found %+v, want %d", seen.all, c.told)
				}
			})
		})
	}
}
