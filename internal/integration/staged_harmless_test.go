package integration

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/golang-migrate/migrate/v4"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/event"
)

// soon has waits told of early: what is spared has to be so for another reason.
var soon = map[string]alert.Rule{alert.LockWait: {After: time.Second}}

// harmless is what looks like an incident, and what nobody has to hear of.
var harmless = []staged{
	{name: "two replicas race for the lock", on: both, play: replicas, rules: soon},
	{name: "followers of an elected leader", on: both, play: leader, rules: soon},
	{name: "slow index build that moves", on: []string{"pq"}, play: slowIndex,
		rules: map[string]alert.Rule{alert.Stalled: {After: time.Second, For: 10 * time.Second}}},
	{name: "slow index build below the threshold", on: []string{"mariadb"}, play: slowIndex},
	{name: "a retry succeeds", on: both, play: retried, rules: map[string]alert.Rule{alert.MigrationFailed: {}, alert.LockTimeout: {}}},
	{name: "deadlock of the application", on: both, play: deadlockOutside},
	{name: "lock of the application not to be had", on: []string{"mariadb"}, play: lockOutside},
}

func replicas(s *stage) {
	wait := "SELECT pg_sleep(3)"
	if s.name == "mariadb" {
		wait = "DO SLEEP(3)"
	}
	ms := append(slices.Clone(three), migration{4, "wait", []string{wait}, []string{"SELECT 1"}})
	config := s.config
	config.Alert.Outbox = ""
	w, err := sqlwitness.New(config)
	if err != nil {
		s.Fatal(err)
	}
	defer w.Close(context.Background())
	up := migrateDriver(migrateInstance).act((*migrate.Migrate).Up)
	one := begin(func() error { return up(s.Context(), s.target, s.db, ms) })
	two := begin(func() error { return up(s.Context(), s.target, s.open(w), ms) })
	s.looked("one waits for the other", 1500*time.Millisecond)
	s.goesOn(one)
	s.goesOn(two)
}

// looked waits until one of ours was seen to wait for a lock for so long.
func (s *stage) looked(what string, long time.Duration) {
	s.Helper()
	until(s.T, what, func() bool {
		s.seen.mu.Lock()
		defer s.seen.mu.Unlock()
		for _, k := range s.seen.looks {
			if p := k.Picture; p != nil && p.Session.Wait != nil && p.Session.Wait.For > long && len(p.Blockers) > 0 {
				return true
			}
		}
		return false
	})
}

func leader(s *stage) {
	lock := "SELECT pg_advisory_lock(7)"
	if s.name == "mariadb" {
		lock = "SELECT GET_LOCK('leader of staged', 60)"
	}
	ctx, stop := context.WithCancel(s.Context())
	defer stop()
	c, err := s.db.Conn(ctx)
	if err != nil {
		s.Fatal(err)
	}
	s.must(c, lock)
	followed := begin(func() error { _, err := s.db.ExecContext(ctx, lock); return err })
	if err := s.up([]string{"CREATE TABLE orders (id bigint)"}); err != nil {
		s.Error(err)
	}
	s.looked("a follower waits while the leader is idle for long", 7*time.Second)
	stop()
	<-followed
	_ = c.Close()
}

func slowIndex(s *stage) {
	if s.name == "mariadb" {
		s.must(s.app, "CREATE TABLE orders (id bigint, note varchar(100))", "INSERT INTO orders SELECT seq, REPEAT('x', 100) FROM seq_1_to_100000")
		if err := s.up([]string{"CREATE INDEX by_note ON orders (note, id)"}); err != nil {
			s.Error(err)
		}
		return
	}
	s.must(s.app, "CREATE TABLE orders (id bigint, note text)", "INSERT INTO orders SELECT i, repeat('x', 1000) FROM generate_series(1, 400) i",
		"CREATE FUNCTION slowly(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM pg_sleep(0.01); RETURN n; END'")
	if err := s.up([]string{"CREATE INDEX slow ON orders (slowly(id))"}); err != nil {
		s.Error(err)
	}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	if !slices.ContainsFunc(s.seen.looks, func(k event.Look) bool { return k.Age > time.Second && k.Picture != nil && k.Picture.Progress != nil }) {
		s.Error("its progress was not seen")
	}
}

func retried(s *stage) {
	s.must(s.app, "CREATE TABLE orders (id bigint)", "INSERT INTO orders VALUES (1)")
	blocker := s.session("BEGIN", "SELECT * FROM orders")
	patient := "SET LOCAL lock_timeout = '500ms'"
	if s.name == "mariadb" {
		patient = "SET SESSION lock_wait_timeout = 1"
	}
	if err := s.up([]string{patient, addPaid}); err == nil {
		s.Error("it did not fail")
	}
	s.must(blocker, "ROLLBACK")
	if err := s.up([]string{patient, addPaid}); err != nil {
		s.Error(err)
	}
}

// deadlockOutside is one of two transactions of a program that has the witness,
// while nothing migrates.
func deadlockOutside(s *stage) {
	s.must(s.app, "CREATE TABLE a (n int)", "CREATE TABLE b (n int)", "INSERT INTO a VALUES (1)", "INSERT INTO b VALUES (1)")
	start := func(first string) *sql.Tx {
		tx, err := s.db.BeginTx(s.Context(), nil)
		if err != nil {
			s.Fatal(err)
		}
		s.must(tx, first)
		return tx
	}
	one, two := start("UPDATE a SET n = 2"), start("UPDATE b SET n = 2")
	defer one.Rollback()
	defer two.Rollback()
	other := begin(func() error { _, err := one.ExecContext(s.Context(), "UPDATE b SET n = 3"); return err })
	_, err := two.ExecContext(s.Context(), "UPDATE a SET n = 3")
	if err != nil {
		_ = two.Rollback()
	}
	if lost := <-other; (err == nil) == (lost == nil) {
		s.Errorf("one should be the victim: %v, %v", err, lost)
	}
}

// lockOutside is a job that another instance does already.
func lockOutside(s *stage) {
	s.session("SELECT GET_LOCK('job of staged', 0)")
	if got := query(s.T, s.db, "SELECT GET_LOCK('job of staged', 1)"); got[0] != "0" {
		s.Errorf("it got the lock: %q", got)
	}
}
