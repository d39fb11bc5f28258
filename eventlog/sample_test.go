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

// samples makes every kind of line: for each event one line with all its keys
// and one with as few as it can have.
func samples(l *Log) {
	l.Statement(sampleStatement())
	l.Statement(&event.Statement{Slow: true, RowsAffected: -1})
	for range limitBurst + limitEvery - 1 {
		l.Statement(&event.Statement{Slow: true, RowsAffected: -1, Fingerprint: "again"})
	}
	l.Statement(&event.Statement{Slow: true, RowsAffected: -1, Fingerprint: "again", Threshold: time.Second})
	l.Running(sampleStatement())
	l.Running(&event.Statement{})
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
	l.Degraded(sampleDB, "forbidden", "the role may not make the audit tables", "GRANT CREATE ON DATABASE shop TO app", "permission", "42501", "/var/spool/audit.jsonl")
	l.Degraded(sampleDB, "in_memory", "there is no audit for in-memory databases", "", "", "", "")
	l.Line("info", "config.changed", event.Trace{}, event.Database{}, nil)
}
