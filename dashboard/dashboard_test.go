package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

var (
	shop  = event.Database{System: "postgresql", Name: "shop"}
	start = time.Date(2026, 11, 24, 9, 45, 0, 0, time.UTC)
)

func fixed() time.Time { return start }

// ran tells of a run with some migrations.
func ran(d *Dashboard, id string, migrations int) {
	trace := event.Trace{RunID: id}
	d.Run(&event.Run{Trace: trace, Database: shop, Tool: "goose", Start: start})
	for i := range migrations {
		v := fmt.Sprint(i + 1)
		m := &event.Migration{Trace: event.Trace{RunID: id, MigrationID: id + "." + v}, Database: shop, Tool: "goose", Version: &v, Start: start}
		d.Migration(m)
		m.Outcome, m.Duration, m.Statements = event.Applied, time.Second, 1
		m.Body = []event.BodyStatement{{Text: "ALTER TABLE t ADD c int", Duration: time.Second}}
		d.Migration(m)
	}
	d.Run(&event.Run{Trace: trace, Database: shop, Tool: "goose", Start: start, Finished: true, Outcome: "ok", Applied: migrations, Duration: time.Second})
}

func TestRun(t *testing.T) {
	d := New(Config{}, Deps{Now: fixed})
	wait := &event.Lock{Trace: event.Trace{RunID: "r"}, Stage: event.LockWaiting, Kind: "advisory", Key: "7", Start: start, Wait: time.Second, Attempts: 1}
	d.Lock(wait) // the run is not known yet
	d.Run(&event.Run{Trace: event.Trace{RunID: "r"}, Database: shop, Tool: "goose", Start: start})
	d.Lock(wait)
	wait.Stage, wait.Outcome, wait.Wait, wait.Attempts = event.LockAcquired, "acquired", 6*time.Second, 2
	d.Lock(wait)
	ran(d, "r", 2)
	d.Lock(&event.Lock{Trace: event.Trace{RunID: "r"}, Stage: event.LockReleased, Kind: "advisory", Key: "7", Hold: time.Minute})
	d.Impact(&event.Impact{Trace: event.Trace{RunID: "r"}, During: event.Latency{Count: 3, P99: time.Second}})
	d.ColdStart(&event.ColdStart{Trace: event.Trace{RunID: "r"}, Total: time.Minute})
	size := int64(7)
	d.Resources(&event.Resources{Trace: event.Trace{RunID: "r"}, SizeAfter: &size, ReplicationLag: new(2 * time.Second), Missing: []event.Missing{{What: "a", Fix: "b"}}})
	size = 8 // the event is its sender's
	d.Trend(&event.Trend{Trace: event.Trace{RunID: "r"}, EarlierRuns: 3, Slower: []event.Slower{
		{MigrationID: "r.1", Version: "1", Duration: 8 * time.Second, Median: 2 * time.Second, Earlier: 5}, {MigrationID: "r.2", Duration: 3 * time.Second, Median: time.Second}}})

	got, ok := d.detail("r")
	if !ok {
		t.Fatal("the run is not there")
	}
	if r := got.Run; r.Outcome != "ok" || r.Migrations != 2 || *r.First != "1" || *r.Last != "2" {
		t.Errorf("run %+v", r)
	}
	if len(got.Locks) != 1 || got.Locks[0].Wait != 6000 || got.Locks[0].Attempts != 2 || got.Locks[0].Hold != 60_000 || got.Locks[0].Outcome != "acquired" {
		t.Errorf("locks %+v", got.Locks)
	}
	if len(got.Migrations) != 2 || got.Migrations[0].Outcome != "applied" || len(got.Migrations[0].Body) != 1 {
		t.Errorf("migrations %+v", got.Migrations)
	}
	if got.Impact.During.P99 != 1000 || got.ColdStart.Total != 60_000 {
		t.Errorf("impact %+v, cold start %+v", got.Impact, got.ColdStart)
	}
	if u := got.Resources; *u.SizeAfter != 7 || *u.Lag != 2000 || u.WAL != nil || u.HitRate != nil || len(u.Missing) != 1 {
		t.Errorf("resources %+v", u)
	}
	if c := got.Trend; c.EarlierRuns != 3 || len(c.Slower) != 2 || c.Slower[0].Median != 2000 || got.Run.Slower != 4 {
		t.Errorf("trend %+v, slower %v", c, got.Run.Slower)
	}
	if _, ok := d.detail("another"); ok {
		t.Error("a run that never was is there")
	}
}

// TestBounds: whatever comes, memory stays bounded and the newest is kept.
func TestBounds(t *testing.T) {
	d := New(Config{}, Deps{Now: fixed})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 10_000 {
		ran(d, fmt.Sprint("run", i), 3)
		d.Statement(&event.Statement{Database: shop, Fingerprint: fmt.Sprint(i), Slow: true, Text: strings.Repeat("x", 10_000)})
		d.Finding(&event.Finding{Object: fmt.Sprint(i)})
		d.Alert(&event.Alert{Fingerprint: fmt.Sprint(i)})
		d.Trouble(&event.Trouble{Kind: fmt.Sprint(i)})
		d.Look(&event.Look{ConnID: uint64(i), Start: start})
	}
	s := d.since(0)
	for what, n := range map[string][2]int{
		"runs": {len(s.Runs), maxRuns}, "statements": {len(s.Statements), maxStatements}, "findings": {len(s.Findings), maxNotices},
		"alerts": {len(s.Alerts), maxNotices}, "troubles": {len(s.Troubles), maxNotices}, "running": {len(s.Running), maxRunning},
		"migrations": {len(d.migrations.slots), maxMigrations}, "keys": {len(d.migrations.byKey), maxMigrations},
	} {
		if n[0] != n[1] {
			t.Errorf("%d %s are kept, want %d", n[0], what, n[1])
		}
	}
	if first, last := s.Runs[0].ID, s.Runs[len(s.Runs)-1].ID; first != "run9000" || last != "run9999" {
		t.Errorf("runs from %s to %s are kept", first, last)
	}
	if got, _ := d.detail("run9999"); len(got.Migrations) != 3 || !got.Migrations[2].BodyKept || len(got.Migrations[2].Body) != 1 {
		t.Errorf("the last run has %+v", got.Migrations)
	}
	if got, _ := d.detail("run9100"); len(got.Migrations) != 3 || got.Migrations[2].BodyKept || len(got.Migrations[2].Body) != 0 {
		t.Errorf("an old run still has its statements: %+v", got.Migrations)
	}
	if grown := heap() - before; grown > 25<<20 {
		t.Errorf("the picture takes %d MB", grown>>20)
	}
	runtime.KeepAlive(d)
}

// TestSince: a page that knows a state is sent what has changed since.
func TestSince(t *testing.T) {
	d := New(Config{}, Deps{Now: fixed})
	ran(d, "a", 1)
	ran(d, "b", 1)
	known := d.since(0)
	if s := d.since(known.Seq); len(s.Runs)+len(s.Statements)+len(s.Alerts) != 0 {
		t.Errorf("nothing has changed, and there is %+v", s)
	}
	d.Impact(&event.Impact{Trace: event.Trace{RunID: "a"}})
	if s := d.since(known.Seq); len(s.Runs) != 1 || s.Runs[0].ID != "a" {
		t.Errorf("a has changed, and there is %+v", s.Runs)
	}
}

// TestPileUp: the migration is shown however many statements wait behind it.
func TestPileUp(t *testing.T) {
	d := New(Config{}, Deps{Now: fixed})
	for i := range 2 * maxRunning {
		d.Look(&event.Look{ConnID: uint64(i), Start: start})
	}
	d.Look(&event.Look{ConnID: 1000, Trace: event.Trace{RunID: "r"}, Start: start.Add(time.Second)})
	s := d.since(0)
	if n := len(s.Running); n != maxRunning || s.Running[n-1].Run != "r" {
		t.Errorf("%d statements, the last %+v", n, s.Running[n-1])
	}
}

func TestLook(t *testing.T) {
	now := start
	d := New(Config{}, Deps{Now: func() time.Time { return now }})
	look := &event.Look{ConnID: 7, Database: shop, Start: start, Age: time.Second, Summary: "ALTER TABLE t", Picture: &event.Picture{Queue: 2,
		Blockers: make([]event.Session, 500), Victims: []event.Session{{PID: 3, BlockedBy: []int64{1}, Wait: &event.Wait{Object: "t"}}}}}
	d.Look(look)
	look.Age, look.Picture.Queue = 2*time.Second, 5
	d.Look(look)
	s := d.since(0)
	if len(s.Running) != 1 {
		t.Fatalf("%d statements run", len(s.Running))
	}
	r := s.Running[0]
	if want := []sample{{1000, 2}, {2000, 5}}; fmt.Sprint(r.Queue) != fmt.Sprint(want) {
		t.Errorf("the queue was %v, want %v", r.Queue, want)
	}
	if len(r.Picture.Blockers) != maxSessions || r.Picture.Victims[0].WaitFor != "t" {
		t.Errorf("picture with %d blockers and victims %+v", len(r.Picture.Blockers), r.Picture.Victims)
	}
	now = now.Add(stale)
	if s := d.since(0); len(s.Running) != 0 {
		t.Error("a statement that is not looked at any more is still shown")
	}
	look.Done = true
	d.Look(look)
	if len(d.running) != 0 {
		t.Error("a statement that has ended is kept")
	}
}

// TestSecrets: what a server says in an error is never shown, because it quotes
// values.
func TestSecrets(t *testing.T) {
	const secret = "hunter2"
	d := New(Config{Token: secret}, Deps{Now: fixed})
	err := errors.New(`duplicate key: (password)=(` + secret + `)`)
	d.Run(&event.Run{Trace: event.Trace{RunID: "r"}})
	d.Statement(&event.Statement{Fingerprint: "f", Err: err, ErrorClass: event.ClassConstraint, SQLState: "23505"})
	d.Migration(&event.Migration{Trace: event.Trace{RunID: "r", MigrationID: "m"}, Outcome: event.Failed, Err: err, ErrorClass: event.ClassConstraint})
	d.Lock(&event.Lock{Trace: event.Trace{RunID: "r"}, Stage: event.LockFailed, Outcome: "error", Err: err})
	d.Look(&event.Look{ConnID: 1, Lock: &event.Lock{Err: err}})
	detail, _ := d.detail("r")
	text, _ := json.Marshal([]any{d.since(0), detail})
	if strings.Contains(string(text), secret) {
		t.Errorf("a secret is shown: %s", text)
	}
	for _, want := range []string{"23505", `"constraint"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not shown: %s", want, text)
		}
	}
}

// BenchmarkSink is what an event costs the statement's goroutine while the
// picture is full and a page is open.
func BenchmarkSink(b *testing.B) {
	d := New(Config{}, Deps{})
	for i := range maxRuns {
		ran(d, fmt.Sprint(i), 10)
	}
	d.enter(make(chan struct{}, 1))
	s := &event.Statement{Database: shop, Fingerprint: "f", Slow: true, Text: "SELECT ?"}
	b.ReportAllocs()
	for b.Loop() {
		d.Statement(s)
	}
}

// TestImpactElsewhere: what another process's run did is kept though no run of
// that id was seen; what a run did that has been forgotten is not.
func TestImpactElsewhere(t *testing.T) {
	d := New(Config{}, Deps{Now: fixed, Impacts: func() []Impact {
		return []Impact{{Impact: event.Impact{Evidence: event.ByStatement, Start: start}, Running: true}}
	}})
	d.Impact(&event.Impact{Trace: event.Trace{RunID: "forgotten"}})
	d.Impact(&event.Impact{Trace: event.Trace{RunID: "theirs"}, Database: shop, Tool: "goose", Evidence: event.ByTrail, Start: start, Duration: time.Second,
		Before: event.Latency{Rate: 100}, During: event.Latency{Rate: 34}, Blocker: &event.Session{PID: 815}})
	d.Impact(&event.Impact{Database: shop, Evidence: event.ByStatement, Start: start}) // nothing tells which
	s := d.since(0)
	if len(s.Runs) != 2 || s.Runs[0].ID != "theirs" || s.Runs[0].Outcome != outcomeElsewhere || s.Runs[0].Elsewhere != "trail" || s.Runs[1].ID == "" {
		t.Errorf("runs: %+v", s.Runs)
	}
	got, _ := d.detail("theirs")
	if i := got.Impact; i == nil || *i.RateRatio != 0.34 || i.P99Ratio != nil || i.Blocker.PID != 815 || got.Run.Duration != 1000 {
		t.Errorf("impact: %+v", got)
	}
	if len(s.Impacts) != 1 || !s.Impacts[0].Running || s.Impacts[0].Elsewhere != "statement" {
		t.Errorf("live: %+v", s.Impacts)
	}
}
