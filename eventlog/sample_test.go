package eventlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// output is a writer that tests look into.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// sampleTime has trailing zeros, which must stay, and a zone, which must not.
var sampleTime = time.Date(2026, 3, 4, 7, 6, 7, 89_000_000, time.FixedZone("", 2*3600))

// written is what a log at a level writes while f uses it.
func written(t testing.TB, level string, f func(*Log)) string {
	t.Helper()
	var out output
	l := New(Config{Output: &out, Level: level, Now: func() time.Time { return sampleTime }})
	f(l)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := l.Dropped() + l.Failed(); n != 0 {
		t.Fatalf("%d lines lost", n)
	}
	return out.String()
}

// parsed reads lines back.
func parsed(t testing.TB, lines string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(lines) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, m)
	}
	return all
}

// pgError carries a code as lib/pq's and pgx's errors do.
type pgError struct{ message, code string }

func (e *pgError) Error() string    { return e.message }
func (e *pgError) SQLState() string { return e.code }

var (
	sampleTrace = event.Trace{CorrelationID: "4bf92f3577b34da6a3ce929d0e0e4736", RunID: "0190a1b2-run", MigrationID: "0190a1b2-migration"}
	sampleDB    = event.Database{System: "postgresql", Name: "shop"}
	sampleErr   = &pgError{`pq: relation "customers" already exists (42P07)`, "42P07"}
)

func sampleStatement() *event.Statement {
	return &event.Statement{
		Trace: sampleTrace, Database: sampleDB, ConnID: 3,
		Operation: "CREATE TABLE", Class: "ddl", Tables: []string{"customers", "audit.log"}, Summary: "CREATE TABLE customers",
		Fingerprint: "00c0ffee00c0ffee", Text: "CREATE TABLE customers (id int DEFAULT ?)", Phase: "migration",
		Start: sampleTime, Duration: 6*time.Second + 1500*time.Microsecond, Open: 7 * time.Second, Rows: 12, RowsAffected: 5,
		Slow: true, Threshold: 5 * time.Second,
	}
}

func failedStatement() *event.Statement {
	s := sampleStatement()
	s.Slow, s.Err, s.ErrorClass, s.SQLState = false, sampleErr, event.ClassDuplicateObject, "42P07"
	return s
}

func sampleLock(stage event.LockStage) *event.Lock {
	return &event.Lock{
		Trace: sampleTrace, Database: sampleDB, ConnID: 3,
		Stage: stage, Kind: "advisory", Key: "4097083626", Shared: false, Scope: "session", Outcome: "acquired",
		Start: sampleTime, Wait: 1250 * time.Millisecond, Attempts: 4, Hold: 3 * time.Second, Anomaly: "unlock_refused",
	}
}

func failedLock(stage event.LockStage) *event.Lock {
	k := sampleLock(stage)
	k.Outcome, k.Err = "timeout", &pgError{"pq: canceling statement due to lock timeout", "55P03"}
	return k
}

func sampleMigration(outcome event.Outcome) *event.Migration {
	version := "20260304050607"
	return &event.Migration{
		Trace: sampleTrace, Database: sampleDB, ConnID: 3,
		Tool: "goose", Version: &version, After: "20260101000000", Direction: event.Up, Outcome: outcome,
		Start: sampleTime, Duration: 90 * time.Second, LockWait: 2 * time.Second, Statements: 2, Atomic: true, Guarantee: event.InTx,
	}
}

func failedMigration() *event.Migration {
	m := sampleMigration(event.Failed)
	m.Guarantee, m.Err, m.ErrorClass, m.SQLState = event.Around, sampleErr, event.ClassDuplicateObject, "42P07"
	m.Failing = &event.FailingStatement{Index: 2, Position: 14, Operation: "CREATE TABLE", Fingerprint: "00c0ffee00c0ffee", Text: "CREATE TABLE customers (id int DEFAULT ?)"}
	m.Verdict = "The transaction was rolled back: nothing is left behind."
	return m
}

func sampleRun(outcome string) *event.Run {
	return &event.Run{
		Trace: sampleTrace, Database: sampleDB, Tool: "goose", Finished: outcome != "", Outcome: outcome,
		Start: sampleTime, Duration: 95 * time.Second, Applied: 3, RolledBack: 1, Failures: 1, Statements: 9,
		LockWait: 1250 * time.Millisecond, LockAttempts: 4,
		Slowest: &event.BodyStatement{Operation: "CREATE INDEX", Fingerprint: "0badcafe0badcafe", Text: "CREATE INDEX ON customers (name)", Duration: time.Minute},
	}
}

func sampleLook() *event.Look {
	return &event.Look{
		Trace: sampleTrace, Database: sampleDB, ConnID: 3, Tool: "goose",
		Operation: "ALTER TABLE", Class: "ddl", Tables: []string{"customers"}, Summary: "ALTER TABLE customers",
		Fingerprint: "00c0ffee00c0ffee", Text: "ALTER TABLE customers ADD note text", Phase: "migration",
		Start: sampleTime, Age: 7 * time.Second, Number: 5, Picture: samplePicture(),
	}
}

func samplePicture() *event.Picture {
	return &event.Picture{
		At:      sampleTime,
		Session: event.Session{PID: 4711, Wait: &event.Wait{Kind: "relation", Object: "public.customers", Mode: "AccessExclusiveLock"}},
		Blockers: []event.Session{{PID: 815, User: "app", App: "report", State: "idle in transaction", TxAge: time.Hour, StateAge: time.Minute, Depth: 1,
			Query: "SELECT * FROM customers WHERE id = ?"}},
		Queue: 12, QueueDirect: 10, QueueTime: 30 * time.Second, Rewrite: true, Cycle: true, Zombie: true,
		Held:     []event.HeldLock{{Object: "public.orders", Mode: "AccessExclusiveLock"}, {Object: "public.items", Mode: "ShareLock", Granted: true, Stops: "writes"}},
		Missing:  []event.Missing{{What: "queries", Fix: "GRANT pg_read_all_stats TO app"}},
		Progress: &event.Progress{Phase: "building index", Done: 5, Total: 10},
	}
}

func sampleLockLook() *event.Look {
	return &event.Look{Trace: sampleTrace, Database: sampleDB, ConnID: 4, Start: sampleTime, Age: 2 * time.Second,
		Lock: sampleLock(event.LockWaiting), Picture: samplePicture()}
}

func sampleAlert(state event.AlertState) *event.Alert {
	version := "20260304050607"
	return &event.Alert{
		Trace: sampleTrace, Database: sampleDB, Fingerprint: "5eed5eed5eed5eed", Episode: 2, Rule: "lock_pileup", Severity: event.Critical, State: state,
		Tool: "goose", Version: &version, Object: "public.customers",
		Title:   "[CRITICAL] shop: 20260304050607 waits for AccessExclusiveLock on public.customers; 12 sessions queued",
		Details: []string{"12 sessions wait behind the migration."},
		Steps:   []event.Step{{Text: "End the blocker.", SQL: "SELECT pg_terminate_backend(815)"}},
		Runbook: "https://example.org/lock_pileup.md", AuditEntry: "0190a1b2-entry", SuppressWith: "sqlwitness alerts suppress", SuppressedBy: "1",
		Since: sampleTime.Add(-time.Second), At: sampleTime,
	}
}

// samples makes every kind of line: for each event one line with all its keys
// and one with as few as it can have.
func samples(l *Log) {
	l.Statement(sampleStatement())
	l.Statement(&event.Statement{Slow: true, RowsAffected: -1})
	for range limitBurst + limitEvery - 1 {
		l.Statement(&event.Statement{Slow: true, RowsAffected: -1, Fingerprint: "again"})
	}
	l.Statement(&event.Statement{Slow: true, RowsAffected: -1, Fingerprint: "again", Threshold: time.Second})
	l.Look(sampleLook())
	l.Look(&event.Look{Class: "ddl", Age: time.Hour})
	l.Look(&event.Look{ConnID: 7, Class: "ddl", Age: time.Hour, Picture: &event.Picture{Blockers: make([]event.Session, 1)}})
	l.Look(sampleLockLook())
	l.Statement(failedStatement())
	l.Statement(&event.Statement{Err: errors.New("x"), ErrorClass: event.ClassOther, RowsAffected: -1})
	for range limitBurst + limitEvery {
		l.Statement(&event.Statement{Err: sampleErr, ErrorClass: event.ClassOther, RowsAffected: -1, Fingerprint: "again", Trace: event.Trace{RunID: "r"}})
	}
	for _, stage := range []event.LockStage{event.LockWaiting, event.LockAcquired, event.LockFailed, event.LockReleased, event.LockAnomaly} {
		l.Lock(failedLock(stage))
		l.Lock(&event.Lock{Stage: stage})
	}
	l.Migration(sampleMigration(""))
	l.Migration(&event.Migration{})
	l.Migration(sampleMigration(event.Applied))
	l.Migration(failedMigration())
	l.Migration(&event.Migration{Outcome: event.Interrupted})
	l.Run(sampleRun(""))
	l.Run(&event.Run{})
	l.Run(sampleRun("ok"))
	l.Run(&event.Run{Finished: true})
	for range limitBurst + limitEvery {
		l.Panic("sink", errors.New("runtime error: index out of range [5] with length 3"), []byte("goroutine 1 [running]:\n"))
	}
	l.Timeouts(sampleTrace, sampleDB, []event.Timeout{{Name: "lock_timeout"}, {Name: "statement_timeout", Value: time.Minute},
		{Name: "idle_in_transaction_session_timeout"}}, "lock_timeout", false)
	l.Timeouts(sampleTrace, sampleDB, []event.Timeout{{Name: "lock_wait_timeout", Value: time.Minute}, {Name: "innodb_lock_wait_timeout", Value: time.Minute},
		{Name: "max_statement_time"}, {Name: "max_execution_time"}}, "lock_wait_timeout", true)
	l.Timeouts(sampleTrace, sampleDB, []event.Timeout{{Name: "busy_timeout", Value: 5 * time.Second}}, "busy_timeout", true)
	for _, part := range []string{"audit", "probe"} {
		l.Trouble(&event.Trouble{Database: sampleDB, Part: part, Kind: "forbidden", Message: "the role may not make the audit tables",
			Hint: "GRANT CREATE ON DATABASE shop TO app", ErrorClass: "permission", SQLState: "42501", Fallback: "/var/spool/audit.jsonl"})
		l.Trouble(&event.Trouble{Part: part, Over: true})
	}
	l.Finding(&event.Finding{Trace: sampleTrace, Database: sampleDB, Kind: "invalid_index", Object: "public.customers_name",
		Message: "The index is invalid: its build was cut off.", SQL: "DROP INDEX CONCURRENTLY public.customers_name"})
	for _, state := range []event.AlertState{event.Firing, event.Resolved, event.Suppressed, event.Flapping} {
		l.Alert(sampleAlert(state))
		l.Alert(&event.Alert{State: state})
	}
	l.Impact(&event.Impact{Trace: sampleTrace, Database: sampleDB, Tool: "goose", Start: sampleTime, Duration: time.Minute,
		Before:  event.Latency{Count: 9000, Failed: 1, P50: 2 * time.Millisecond, P99: 20 * time.Millisecond, Rate: 150},
		During:  event.Latency{Count: 300, Failed: 30, P50: 3 * time.Millisecond, P99: 4 * time.Second, Rate: 5.5},
		After:   event.Latency{Count: 3000, P50: 2 * time.Millisecond, P99: 20 * time.Millisecond, Rate: 100},
		Slowest: &event.BodyStatement{Operation: "SELECT", Fingerprint: "0badcafe0badcafe", Text: "SELECT * FROM customers WHERE id = ?", Duration: 4 * time.Second},
		Worst:   &event.BodyStatement{Operation: "ALTER TABLE", Fingerprint: "00c0ffee00c0ffee", Text: "ALTER TABLE customers ADD note text", Duration: 7 * time.Second},
		Queue:   12, Unanswered: 11, Evidence: event.ByTrail, Blocker: &event.Session{PID: 815, User: "app", App: "report", State: "idle in transaction", TxAge: time.Hour, Query: "SELECT ?"}})
	l.Impact(&event.Impact{})
	l.ColdStart(&event.ColdStart{Trace: sampleTrace, Database: sampleDB, Tool: "goose", Total: 10 * time.Second, Connect: 20 * time.Millisecond,
		Lock: 2 * time.Second, Check: 100 * time.Millisecond, Apply: 6 * time.Second})
	l.ColdStart(&event.ColdStart{})
	l.Resources(&event.Resources{Trace: sampleTrace, Database: sampleDB, Tool: "goose", Start: sampleTime, Duration: time.Minute,
		SizeBefore: new(int64(7_000_000_000)), SizeAfter: new(int64(7_200_000_000)), WALBytes: new(int64(450_000_000)),
		BlocksHit: new(int64(99_000)), BlocksRead: new(int64(1_000)), TempBytes: new(int64(16 << 20)), Deadlocks: new(int64(1)),
		ReplicationLag: new(1500 * time.Millisecond), Missing: []event.Missing{{What: "the size of the database", Fix: "GRANT PROCESS ON *.* TO 'app'@'%'"}}})
	l.Resources(&event.Resources{})
	l.Trend(&event.Trend{Trace: sampleTrace, Database: sampleDB, Tool: "goose", Applied: 2, Median: 3 * time.Second, EarlierRuns: 20, EarlierMedian: 400 * time.Millisecond,
		Compared: 1, Slower: []event.Slower{{MigrationID: sampleTrace.MigrationID, Version: "20260304", Duration: 5 * time.Second, Median: time.Second, Earlier: 12}}})
	l.Trend(&event.Trend{})
	l.Recovered(sampleTrace, sampleDB, "rolled_back")
	l.Checkpoint(sampleDB, "shop/01932b3c-7a00-7000-8000-000000000001", 7, []byte("shop/01932b3c-7a00-7000-8000-000000000001\n7\nXA00uw7oPyUCJf+HbfZSpomC3P4pr59qxdaJ+nRiBCw=\n\n— shop 4nbVx5\n"))
	l.Suppression(sampleTrace, sampleDB, Suppression{Kind: "hit", ID: "1f2e", Reason: "nightly export", Creator: "ann", Until: sampleTime, UntilVersion: "0050", Hits: 3})
	l.ConfigChanged(sampleDB, "9c1185a5c5e9fc54612808977ee8f548", "5eed5eed5eed5eed5eed5eed5eed5eed", []Setting{{"slow.read", "50ms", "200ms"}})
}
