package integration

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	osexec "os/exec"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/golang-migrate/migrate/v4"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/sqlwitness/sqlwitness/alert"
)

const (
	failed    = "migration_failed critical"
	calledOff = "migration_failed info"
)

var both = []string{"pq", "mariadb"}

// incidents are what somebody has to hear of.
var incidents = []staged{
	{name: "idle transaction blocks", on: []string{"pq", "pgx", mariaDBSchema}, play: idleBlocks, want: []string{"lock_wait warning"}},
	{name: "idle transaction blocks, unseen", on: []string{"mariadb"}, play: unseenBlocks, want: []string{"lock_wait warning", calledOff}},
	{name: "long query blocks", on: []string{"pq", mariaDBSchema}, play: queryBlocks, want: []string{"lock_wait warning"}},
	{name: "three queue behind ALTER TABLE that waits", on: both, play: pileUp, want: []string{"lock_pileup critical", calledOff}},
	{name: "three queue behind a migration that works", on: []string{"pq"}, play: pileUpBehindWork, want: []string{"lock_pileup critical", calledOff}},
	{name: "deadlock", on: both, play: deadlock, want: []string{failed}},
	{name: "lock timeout", on: both, play: lockTimeout, want: []string{failed}},
	{name: "migration lock not to be had", on: []string{"pq"}, play: lockNotHad, want: []string{"lock_timeout warning"}},
	{name: "statement timeout", on: both, play: statementTimeout, want: []string{failed}},
	{name: "process killed", on: both, play: killed, want: []string{"migration_interrupted critical"}},
	{name: "dirty", on: both, play: dirty, want: []string{"dirty_state warning", failed}},
	{name: "index left invalid", on: []string{"pq"}, play: invalidIndex, want: []string{"dirty_state warning", failed}},
	{name: "zombie lock", on: both, play: zombieLock, want: []string{"lock_wait warning"}},
	{name: "stalled", on: both, play: stalled, want: []string{calledOff, "stalled warning"},
		rules: map[string]alert.Rule{alert.Stalled: {After: 2 * time.Second, For: 500 * time.Millisecond, KeepFiring: 300 * time.Millisecond}}},
}

const addPaid = "ALTER TABLE orders ADD paid boolean"

// blocked has a session of the application keep ALTER TABLE waiting.
func (s *stage) blocked(rule string, statements ...string) (blocker *sql.Conn, migrated <-chan error) {
	s.must(s.app, "CREATE TABLE orders (id bigint)", "INSERT INTO orders VALUES (1)")
	blocker = s.session(statements...)
	s.began(rule)
	migrated = begin(func() error { return s.up([]string{addPaid}) })
	s.waits(1)
	return blocker, migrated
}

// goesOn wants that a migration ends well.
func (s *stage) goesOn(migrated <-chan error) {
	s.Helper()
	if err := <-migrated; err != nil {
		s.Errorf("the migration, once nothing is in its way: %v", err)
	}
}

// fails wants that it does not. What then has to go through runs in the next
// process.
func (s *stage) fails(migrated <-chan error, retry func() error) {
	s.Helper()
	if err := <-migrated; err == nil {
		s.Error("the migration did not fail")
	}
	s.began(alert.MigrationFailed)
	s.fired(alert.MigrationFailed)
	s.process()
	if err := retry(); err != nil {
		s.Errorf("the next run: %v", err)
	}
}

func idleBlocks(s *stage) {
	_, migrated := s.blocked(alert.LockWait, "BEGIN", "SELECT * FROM orders")
	s.obey(alert.LockWait, "keeps its transaction: end its session")
	s.goesOn(migrated)
}

func unseenBlocks(s *stage) {
	blocker, migrated := s.blocked(alert.LockWait, "BEGIN", "SELECT * FROM orders")
	s.obey(alert.LockWait, "Else cancel it")
	s.fails(migrated, func() error {
		s.must(blocker, "ROLLBACK")
		return s.up([]string{addPaid})
	})
}

func queryBlocks(s *stage) {
	s.must(s.app, "CREATE TABLE orders (id bigint)", "INSERT INTO orders VALUES (1)")
	sleep := "SELECT pg_sleep(600) FROM orders"
	if s.name == "mariadb" {
		sleep = "SELECT SLEEP(600) FROM orders"
	}
	c := s.session()
	queried := begin(func() error { _, err := c.ExecContext(s.Context(), sleep); return err })
	until(s.T, "the query runs", func() bool { return s.sleeps() })
	s.began(alert.LockWait)
	migrated := begin(func() error { return s.up([]string{addPaid}) })
	s.obey(alert.LockWait, "or cancel its statement")
	s.goesOn(migrated)
	<-queried
}

// sleeps reports whether a session of the database sleeps in a statement.
func (s *stage) sleeps() bool {
	text := "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
	if s.name == "mariadb" {
		text = "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND state = 'User sleep'"
	}
	return query(s.T, s.app, text)[0] != "0"
}

// readers are three that read the table.
func (s *stage) readers() []<-chan error {
	var list []<-chan error
	for range 3 {
		list = append(list, begin(func() error { _, err := s.app.ExecContext(s.Context(), "SELECT * FROM orders"); return err }))
	}
	return list
}

func (s *stage) freeTheQueue(readers []<-chan error) {
	s.Helper()
	s.must(s.app, s.suggested(alert.LockPileup, "Free the queue"))
	for _, r := range readers {
		if err := <-r; err != nil {
			s.Errorf("a reader: %v", err)
		}
	}
	s.waits(0)
}

func pileUp(s *stage) {
	blocker, migrated := s.blocked(alert.LockPileup, "BEGIN", "SELECT * FROM orders")
	s.began(alert.LockPileup)
	readers := s.readers()
	s.freeTheQueue(readers)
	s.fails(migrated, func() error {
		s.must(blocker, "ROLLBACK")
		return s.up([]string{addPaid})
	})
}

func pileUpBehindWork(s *stage) {
	s.must(s.app, "CREATE TABLE orders (id bigint)")
	migrated := begin(func() error {
		return s.up([]string{addPaid, "UPDATE orders SET paid = false FROM pg_sleep(600)", "SELECT pg_sleep(600)"})
	})
	until(s.T, "the migration works", s.sleeps)
	s.began(alert.LockPileup)
	s.freeTheQueue(s.readers())
	s.fails(migrated, func() error { return s.up([]string{addPaid}) })
}

// deadlock lets the migration be the victim: on PostgreSQL the application looks
// for deadlocks later, on MariaDB it has changed more.
func deadlock(s *stage) {
	s.must(s.app, "CREATE TABLE a (n int)", "CREATE TABLE b (n int)", "INSERT INTO a VALUES (1)", "INSERT INTO b VALUES (1)", "CREATE TABLE more (n int)")
	app := s.session()
	if s.name == "mariadb" {
		s.must(app, "BEGIN", "INSERT INTO more SELECT seq FROM seq_1_to_1000")
	} else {
		s.must(app, "SET deadlock_timeout = '1h'", "BEGIN")
	}
	s.must(app, "UPDATE b SET n = 2")
	var applied <-chan error
	up := func(between func() error) error {
		p, err := goose.NewProvider(s.dialect, s.db, nil, goose.WithGoMigrations(goose.NewGoMigration(1, &goose.GoFunc{
			RunTx: func(ctx context.Context, tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, "UPDATE a SET n = 3"); err != nil {
					return err
				}
				if err := between(); err != nil {
					return err
				}
				_, err := tx.ExecContext(ctx, "UPDATE b SET n = 3")
				return err
			}}, nil)))
		if err != nil {
			return err
		}
		_, err = p.Up(s.Context())
		return err
	}
	migrated := begin(func() error {
		return up(func() error {
			applied = begin(func() error { _, err := app.ExecContext(s.Context(), "UPDATE a SET n = 2"); return err })
			return s.waiting(1)
		})
	})
	s.fails(migrated, func() error {
		if err := <-applied; err != nil {
			s.Errorf("the application: %v", err)
		}
		s.must(app, "COMMIT")
		return up(func() error { return nil })
	})
}

func lockTimeout(s *stage) {
	s.must(s.app, "CREATE TABLE orders (id bigint)", "INSERT INTO orders VALUES (1)")
	blocker := s.session("BEGIN", "SELECT * FROM orders")
	patient := "SET LOCAL lock_timeout = '500ms'"
	if s.name == "mariadb" {
		patient = "SET SESSION lock_wait_timeout = 1"
	}
	up := func() error { return s.up([]string{patient, addPaid}) }
	s.fails(begin(up), func() error {
		s.must(blocker, "ROLLBACK")
		return up()
	})
}

// lockNotHad has another run work under the migration lock for longer than this
// one asks for it.
func lockNotHad(s *stage) {
	holder := s.session("SELECT pg_advisory_lock(4097083626)")
	working, stop := context.WithCancel(s.Context())
	worked := begin(func() error { _, err := holder.ExecContext(working, "SELECT pg_sleep(600)"); return err })
	locked := func(t target, db *sql.DB, ms []migration) (*goose.Provider, error) {
		l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 2))
		if err != nil {
			return nil, err
		}
		return goose.NewProvider(t.dialect, db, annotated(ms, "-- +goose Up", "-- +goose Down"), goose.WithSessionLocker(l))
	}
	users := []string{"CREATE TABLE users (id bigint)"}
	if err := s.upWith(locked, users); err == nil {
		s.Error("it got the lock")
	}
	s.process() // that the program has given up is seen by its end
	if holders := query(s.T, s.app, s.suggested(alert.LockTimeout, "See who holds the lock")); len(holders) != 1 || !strings.Contains(holders[0], "active") {
		s.Errorf("the holders are %q", holders)
	}
	stop()
	<-worked
	_ = holder.Close()
	s.must(s.app, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
	until(s.T, "the lock is free", func() bool {
		return query(s.T, s.app, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")[0] == "0"
	})
	if err := s.upWith(locked, users); err != nil {
		s.Error(err)
	}
}

func statementTimeout(s *stage) {
	body := "CREATE TABLE slow AS SELECT 1 AS n FROM pg_sleep(2)"
	if s.name == "mariadb" {
		cfg, err := mysql.ParseDSN(s.dsn)
		if err != nil {
			s.Fatal(err)
		}
		cfg.Params = map[string]string{"max_statement_time": "1"}
		s.dsn, body = cfg.FormatDSN(), "CREATE TABLE slow AS SELECT SLEEP(2) AS n"
	} else {
		u, err := url.Parse(s.dsn)
		if err != nil {
			s.Fatal("the DSN is no URL")
		}
		q := u.Query()
		q.Set("statement_timeout", "1000")
		u.RawQuery = q.Encode()
		s.dsn = u.String()
	}
	s.process()
	s.fails(begin(func() error { return s.up([]string{body}) }), func() error {
		return s.up([]string{s.suggested(alert.MigrationFailed, "more time"), body})
	})
}

// killed has the process die while its statement waits, and its session end. The
// next process tells of it.
func killed(s *stage) {
	s.must(s.app, "CREATE TABLE orders (id bigint)", "INSERT INTO orders VALUES (1)")
	blocker := s.session("BEGIN", "SELECT * FROM orders")
	cmd := osexec.CommandContext(s.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envJob+"=goose, witness", envJobDriver+"="+s.driver, envJobDSN+"="+s.dsn)
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.waits(1)
	if err := cmd.Process.Kill(); err != nil {
		s.Error(err)
	}
	_ = cmd.Wait()
	if s.name == "mariadb" {
		ids := query(s.T, s.app, "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for table%'")
		s.must(s.app, "KILL "+ids[0])
	} else {
		s.must(s.app, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
	}
	s.waits(0)
	s.must(blocker, "ROLLBACK")
	s.began(alert.MigrationInterrupted)
	p, err := goosePlain(s.target, s.db, []migration{{id: 1, name: "paid", up: []string{addPaid}, down: []string{"SELECT 1"}}})
	if err != nil {
		s.Fatal(err)
	}
	if _, err := p.Status(s.Context()); err != nil {
		s.Fatal(err)
	}
	s.fired(alert.MigrationInterrupted)
	if _, err := p.Up(s.Context()); err != nil {
		s.Error(err)
	}
}

func dirty(s *stage) {
	do := func(what func(*migrate.Migrate) error, second ...string) error {
		ms := []migration{users, {id: 2, name: "orders", up: second, down: []string{"DROP TABLE orders"}}}
		return migrateDriver(migrateInstance).act(what)(s.Context(), s.target, s.db, ms)
	}
	orders := "CREATE TABLE IF NOT EXISTS orders (id bigint)"
	s.fails(begin(func() error { return do((*migrate.Migrate).Up, orders, "CREATE TABEL oops (id bigint)") }), func() error {
		s.fired(alert.DirtyState)
		if err := do(func(m *migrate.Migrate) error { return m.Force(1) }, orders); err != nil {
			return err
		}
		s.process() // golang-migrate has closed its database
		return do((*migrate.Migrate).Up, orders)
	})
}

func invalidIndex(s *stage) {
	s.must(s.app, "CREATE TABLE orders (id bigint)", "INSERT INTO orders VALUES (1), (1)")
	up := func() error {
		return s.upWith(gooseOutsideTx, []string{"CREATE UNIQUE INDEX CONCURRENTLY by_id ON orders (id)"})
	}
	s.fails(begin(up), func() error {
		s.obey(alert.DirtyState, "Repair it")
		s.must(s.app, "DELETE FROM orders")
		return up()
	})
}

func zombieLock(s *stage) {
	c := s.session()
	s.must(c, takes(s.T, c, s.target, "golang-migrate")...)
	s.since[alert.LockWait] = time.Now().Add(2 * time.Second) // of the holder's 5 s beyond the waiter's 3 s
	migrated := begin(func() error {
		return migrateDriver(migrateInstance).act((*migrate.Migrate).Up)(s.Context(), s.target, s.db, three)
	})
	s.obey(alert.LockWait, "Nobody works under the migration lock")
	s.goesOn(migrated)
}

func stalled(s *stage) {
	body := "CREATE TABLE slow AS SELECT 1 AS n FROM pg_sleep(600)"
	if s.name == "mariadb" {
		body = "CREATE TABLE slow AS SELECT SLEEP(600) AS n"
	}
	s.began(alert.Stalled)
	migrated := begin(func() error { return s.up([]string{body}) })
	s.obey(alert.Stalled, "Else cancel it")
	s.fails(migrated, func() error { return s.up([]string{strings.ReplaceAll(body, "600", "0")}) })
}
