package migrator

import (
	"database/sql/driver"
	"testing"
	"time"
)

// TestRole runs the second of two replicas, which had to wait for the first or
// had not, and finds something left to do or does not.
func TestRole(t *testing.T) {
	const key = "7"
	lock := func(s *script, wait time.Duration) {
		text, role := s.text("SELECT pg_advisory_lock($1)")
		c := Call{Kind: Exec, Conn: 1, Text: text, Role: role, Args: named([]any{key}), Start: s.now, Duration: wait}
		s.told(s.tracker.Before(&c))
		s.now = s.now.Add(wait)
		s.told(s.tracker.After(&c))
	}
	unlock := func(s *script) { s.exec(1, "SELECT pg_advisory_unlock($1)", key) }
	poll := func(s *script, granted ...bool) {
		for _, ok := range granted {
			s.query(1, []string{"ok"}, rows(ok), "SELECT pg_try_advisory_lock($1)", int64(4097083626))
			s.now = s.now.Add(time.Second)
		}
	}
	read := func(s *script) { s.query(1, migrateColumns, [][]driver.Value{{int64(3), false}}, migrateRead) }
	migrate := func(s *script) {
		s.sets(1, int64(4), true)
		s.exec(1, "CREATE TABLE a (id int)")
		s.sets(1, int64(4), false)
	}
	makeSure := func(s *script) {
		s.query(1, count, rows(int64(1)), "SELECT COUNT(1) FROM information_schema.tables WHERE table_schema = $1 AND table_name = $2 LIMIT 1", "public", "schema_migrations")
	}
	for name, test := range map[string]struct {
		calls         func(s *script)
		role, outcome string
	}{
		"migrates":                   {func(s *script) { lock(s, 0); read(s); migrate(s); unlock(s) }, "leader", "ok"},
		"waits, then migrates":       {func(s *script) { lock(s, time.Second); read(s); migrate(s); unlock(s) }, "leader", "ok"},
		"waits, and nothing is left": {func(s *script) { lock(s, time.Second); read(s); unlock(s) }, "waiter", "noop"},
		"waits where the table is made sure of": {func(s *script) {
			lock(s, time.Second)
			makeSure(s)
			unlock(s)
			lock(s, 0)
			read(s)
			unlock(s)
		}, "waiter", "noop"},
		"nobody to wait for": {func(s *script) {
			lock(s, 0)
			makeSure(s)
			unlock(s)
			lock(s, 0)
			read(s)
			unlock(s)
		}, "noop", "noop"},
		"no lock": {func(s *script) { s.reads(1, 3); s.close(1) }, "noop", "noop"},
		"polls, and nothing is left": {func(s *script) {
			s.reads(1, 2)
			poll(s, false, false, true)
			s.reads(1, 3)
			s.query(1, []string{"ok"}, rows(true), "SELECT pg_advisory_unlock($1)", int64(4097083626))
		}, "waiter", "noop"},
		"polls, and gives up": {func(s *script) { s.reads(1, 2); poll(s, false, false); s.close(1) }, "waiter", "failed"},
		"refused, since the table says dirty": {func(s *script) {
			lock(s, 0)
			s.query(1, migrateColumns, [][]driver.Value{{int64(3), true}}, migrateRead)
			unlock(s)
		}, "noop", "failed"},
		"reads dirty without a lock": {func(s *script) {
			s.query(1, migrateColumns, [][]driver.Value{{int64(3), true}}, migrateRead)
			s.close(1)
		}, "noop", "noop"},
		"cannot make its table": {func(s *script) { s.fails(1, uniqueViolated, gooseCreate); s.close(1) }, "noop", "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, "postgresql")
			test.calls(s)
			s.over()
			if len(s.runs) != 1 || s.runs[0].Role != test.role || s.runs[0].Outcome != test.outcome {
				t.Errorf("want %s %s, runs: %+v", test.outcome, test.role, s.runs)
			}
		})
	}
}

// The wait for a lock that was given back long ago is not the next run's.
func TestWaitOfLongAgo(t *testing.T) {
	s := newScript(t, "postgresql")
	text, role := s.text("SELECT pg_advisory_lock($1)")
	c := Call{Kind: Exec, Conn: 1, Text: text, Role: role, Args: named([]any{"7"}), Start: s.now, Duration: time.Minute}
	s.now = s.now.Add(time.Minute)
	s.told(s.tracker.After(&c))
	s.exec(1, "SELECT pg_advisory_unlock($1)", "7")
	s.now = s.now.Add(time.Hour)
	s.exec(1, "SELECT pg_advisory_lock($1)", "7")
	s.query(1, migrateColumns, none, migrateRead)
	s.exec(1, "SELECT pg_advisory_unlock($1)", "7")
	s.over()
	if len(s.runs) != 1 || s.runs[0].Role != "noop" || s.runs[0].LockWait > time.Second {
		t.Errorf("runs: %+v", s.runs)
	}
}
