package browsertest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/event"
)

// scene is a dashboard in the middle of a bad minute: a deployment's ALTER TABLE
// waits for a session that is idle in its transaction, and the shop's own
// statements wait behind it.
type scene struct {
	*dashboard.Dashboard
	server *httptest.Server

	mu      sync.Mutex
	ahead   time.Duration // of the scene's clock
	load    [10]float64   // observations so far, by bucket
	blocked int
	oldest  time.Duration
	foreign []dashboard.Impact
	random  *rand.Rand
}

var (
	shop      = event.Database{System: "postgresql", Name: "shop"}
	warehouse = event.Database{System: "mariadb", Name: "warehouse"}
	bounds    = []string{"0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "10", "+Inf"}
)

func newScene(t *testing.T, cfg dashboard.Config) *scene {
	t.Helper()
	s := &scene{random: rand.New(rand.NewPCG(4, 2))}
	s.Dashboard = dashboard.New(cfg, dashboard.Deps{
		Now:     s.now,
		Metrics: s.metrics,
		Impacts: s.impacts,
		Pools:   s.pools,
		Audit: func(context.Context) (dashboard.Status, error) {
			return dashboard.Status{Mode: "best-effort", Entries: 1843}, nil
		},
		Verify: func(context.Context) (dashboard.Status, error) {
			return dashboard.Status{Mode: "best-effort", Entries: 1843, Verdict: dashboard.Intact, Note: "1843 entries and 212 checkpoints hold; the newest checkpoint is 4 s old."}, nil
		},
	})
	s.server = httptest.NewServer(s.Handler())
	t.Cleanup(func() { s.Close(); s.server.Close() })
	return s
}

func (s *scene) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.ahead)
}

func (s *scene) impacts() []dashboard.Impact {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.foreign
}

// pools are the shop's, which is used up while its statements wait, and another
// one.
func (s *scene) pools() map[string]sql.DBStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	used, waits := 6, int64(0)
	if s.blocked > 0 {
		used, waits = 20, 17*int64(s.blocked)
	}
	return map[string]sql.DBStats{
		"shop":      {MaxOpenConnections: 20, InUse: used, Idle: 20 - used, WaitCount: waits, WaitDuration: time.Duration(waits) * 900 * time.Millisecond, MaxIdleClosed: 212, MaxLifetimeClosed: 41},
		"warehouse": {InUse: 2, Idle: 2},
	}
}

// metrics writes as much of the metrics as the dashboard reads.
func (s *scene) metrics(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := 0.0
	for i, n := range s.load {
		sum += n
		fmt.Fprintf(w, "db_client_operation_duration_seconds_bucket{db_system_name=\"postgresql\",db_namespace=\"shop\",db_operation_name=\"SELECT\",phase=\"steady\",le=\"%s\"} %v\n", bounds[i], sum)
	}
	fmt.Fprintf(w, "sqlwitness_oldest_statement_seconds %v\nsqlwitness_blocked_sessions %d\n", s.oldest.Seconds(), s.blocked)
}

// second lets a second pass in which statements of a mix of durations ended and
// the dashboard takes a sample.
func (s *scene) second(t *testing.T, blocked int, oldest time.Duration, mix ...float64) {
	t.Helper()
	s.mu.Lock()
	s.ahead += time.Second
	s.blocked, s.oldest = blocked, oldest
	for i, n := range mix {
		s.load[i] += float64(int(n * (0.7 + 0.6*s.random.Float64())))
	}
	s.mu.Unlock()
	r, err := http.Get(s.server.URL + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if _, err := bufio.NewReader(r.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
}

func id(n int) string { return fmt.Sprintf("01938f2c-7a00-7%03x-8f00-5c1d2b3a4e%02x", n%4096, n%256) }

func ref[T any](v T) *T { return &v }

// run tells of a whole run.
func (s *scene) run(n int, db event.Database, tool string, start time.Time, took, wait time.Duration, outcome string, versions ...string) {
	trace := event.Trace{RunID: id(n), CorrelationID: id(n)}
	r := &event.Run{Trace: trace, Database: db, Tool: tool, Start: start}
	s.Run(r)
	if wait > 0 {
		s.Lock(&event.Lock{Trace: trace, Stage: event.LockAcquired, Kind: "advisory", Key: "4097083626", Outcome: "acquired", Start: start, Wait: wait, Attempts: 1 + int(wait/(5*time.Second))})
	}
	left := took - wait
	at := start.Add(wait)
	for i, v := range versions {
		each := left / time.Duration(len(versions))
		m := &event.Migration{Trace: event.Trace{RunID: id(n), MigrationID: fmt.Sprintf("%s-%d", id(n), i)}, Database: db, Tool: tool, Version: ref(v), Direction: event.Up, Start: at}
		s.Migration(m)
		m.Duration, m.Outcome, m.Statements, m.Atomic, m.Guarantee = each*9/10, event.Applied, 2, db.System == "postgresql", event.InTx
		m.Body = []event.BodyStatement{{Operation: "ALTER TABLE", Text: "ALTER TABLE orders ADD COLUMN note text", Duration: each / 2, RowsAffected: -1}, {Operation: "CREATE INDEX", Text: "CREATE INDEX orders_note_idx ON orders (note)", Duration: each / 3, RowsAffected: -1}}
		if outcome == "failed" && i == len(versions)-1 {
			m.Outcome, m.ErrorClass, m.SQLState = event.Failed, event.ClassLockTimeout, "55P03"
			m.Body[1].Failed = true
			m.Failing = &event.FailingStatement{Index: 2, Operation: "CREATE INDEX", Text: m.Body[1].Text}
			m.Verdict = "Nothing of it was kept: its transaction was rolled back, and it can be run again once the lock is free."
			r.Failures++
		} else {
			r.Applied++
		}
		s.Migration(m)
		at = at.Add(each)
	}
	r.Finished, r.Outcome, r.Duration, r.LockWait, r.LockAttempts, r.Statements = true, outcome, took, wait, 1+int(wait/(5*time.Second)), 6+2*len(versions)
	r.Role = "leader"
	if len(versions) == 0 {
		r.Role = "noop"
		if wait > 0 {
			r.Role = "waiter"
		}
	}
	s.Run(r)
}

// effects tells what a run did to the application.
func (s *scene) effects(n int) {
	trace := event.Trace{RunID: id(n)}
	s.Impact(&event.Impact{
		Trace: trace, Database: shop, Tool: "goose", Queue: 9,
		Before:  event.Latency{Count: 184_022, Failed: 3, P50: 900 * time.Microsecond, P99: 24 * time.Millisecond},
		During:  event.Latency{Count: 1_204, Failed: 17, P50: 4 * time.Millisecond, P99: 1900 * time.Millisecond},
		After:   event.Latency{Count: 22_310, P50: 900 * time.Microsecond, P99: 26 * time.Millisecond},
		Slowest: &event.BodyStatement{Text: "SELECT o.id, o.total FROM orders o WHERE o.state = ?", Duration: 2300 * time.Millisecond},
		Worst:   &event.BodyStatement{Text: "ALTER TABLE orders ADD COLUMN note text"},
	})
	s.Resources(&event.Resources{Trace: trace, Database: shop, Tool: "goose", Duration: 3200 * time.Millisecond, SizeBefore: ref(int64(48_318_382_080)), SizeAfter: ref(int64(48_519_708_672)), WALBytes: ref(int64(411_041_792)),
		BlocksHit: ref(int64(993_120)), BlocksRead: ref(int64(22_004)), Deadlocks: ref(int64(1)), ReplicationLag: ref(1800 * time.Millisecond)})
	s.Trend(&event.Trend{Trace: trace, Database: shop, Tool: "goose", Applied: 2, Median: 1400 * time.Millisecond, EarlierRuns: 20, EarlierMedian: 610 * time.Millisecond, Compared: 2,
		Slower: []event.Slower{{MigrationID: id(n) + "-1", Version: "2", Duration: 2100 * time.Millisecond, Median: 480 * time.Millisecond, Earlier: 6}}})
	s.ColdStart(&event.ColdStart{Trace: trace, Database: shop, Tool: "goose", Total: 4600 * time.Millisecond, Connect: 240 * time.Millisecond, Lock: 900 * time.Millisecond, Check: 120 * time.Millisecond, Apply: 3100 * time.Millisecond})
}

// play fills the dashboard with a morning of runs and the minute that it ends in.
func (s *scene) play(t *testing.T) {
	t.Helper()
	for range 210 {
		s.second(t, 0, time.Millisecond, 310, 140, 22, 9, 1)
	}
	start := s.now()
	ago := func(d time.Duration) time.Time { return start.Add(-d) }
	s.run(1, shop, "goose", ago(9*time.Hour), 8400*time.Millisecond, 40*time.Millisecond, "ok", "20261117093015", "20261117154402", "20261118081210")
	s.run(2, warehouse, "golang-migrate", ago(7*time.Hour), 62*time.Second, 0, "ok", "41")
	s.run(3, shop, "goose", ago(5*time.Hour), 5400*time.Millisecond, 0, "failed", "20261123101500")
	s.run(4, shop, "goose", ago(5*time.Hour-4*time.Minute), 1900*time.Millisecond, 0, "ok", "20261123101500")
	s.run(5, warehouse, "golang-migrate", ago(3*time.Hour), 340*time.Millisecond, 0, "noop")
	s.run(6, shop, "goose", ago(2*time.Hour), 25300*time.Millisecond, 25200*time.Millisecond, "noop")
	s.run(7, shop, "goose", ago(2*time.Hour-20*time.Second), 3100*time.Millisecond, 90*time.Millisecond, "ok", "20261124070012", "20261124081133")
	s.effects(7)

	s.Run(&event.Run{Trace: event.Trace{RunID: id(9)}, Database: warehouse, Tool: "golang-migrate", Start: start.Add(30 * time.Second)})
	trace := event.Trace{RunID: id(8), CorrelationID: "4bf92f3577b34da6a3ce929d0e0e4736"}
	r := &event.Run{Trace: trace, Database: shop, Tool: "goose", Start: start}
	s.Run(r)
	s.Lock(&event.Lock{Trace: trace, Stage: event.LockAcquired, Kind: "advisory", Key: "4097083626", Outcome: "acquired", Start: start.Add(80 * time.Millisecond), Wait: 5200 * time.Millisecond, Attempts: 2})
	body := func(n int, v string, from, took time.Duration, texts ...string) *event.Migration {
		m := &event.Migration{Trace: event.Trace{RunID: id(8), MigrationID: id(800 + n), CorrelationID: trace.CorrelationID}, Database: shop, ConnID: 7, Tool: "goose", Version: ref(v), Direction: event.Up, Start: start.Add(from), Atomic: true, Guarantee: event.InTx}
		s.Migration(m)
		if took > 0 {
			m.Duration, m.Outcome, m.Statements = took, event.Applied, len(texts)
			for i, text := range texts {
				m.Body = append(m.Body, event.BodyStatement{Operation: "DDL", Text: text, Duration: took * time.Duration(i+2) / time.Duration(2*len(texts)+3), RowsAffected: -1})
			}
			s.Migration(m)
		}
		return m
	}
	body(1, "20261124093000", 5400*time.Millisecond, 900*time.Millisecond, "CREATE TABLE refunds (id bigint PRIMARY KEY, order_id bigint NOT NULL, cents bigint NOT NULL)", "CREATE INDEX refunds_order_idx ON refunds (order_id)")
	body(2, "20261124093110", 6350*time.Millisecond, 6200*time.Millisecond, "ALTER TABLE customers ADD COLUMN locale text", "UPDATE customers SET locale = ? WHERE locale IS NULL", "ALTER TABLE customers ALTER COLUMN locale SET NOT NULL")
	for i := range 13 {
		s.second(t, 0, time.Duration(i*400)*time.Millisecond, 300, 150, 30, 14, 3)
	}
	m := body(3, "20261124094512", 12700*time.Millisecond, 0)
	since := 12800 * time.Millisecond
	for i := range 24 {
		age := time.Duration(i+1) * time.Second
		queue := min(14, i*2/3)
		s.second(t, queue, age, float64(300-11*i), float64(150-5*i), 30, 14, 4, float64(i/6))
		s.Look(s.blockedLook(m, start.Add(since), age, queue, i+1))
	}
	s.keepLooking(t, m, start.Add(since))

	s.slow("SELECT orders", "SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.state = ? ORDER BY o.placed_at DESC LIMIT ?", "read", "steady", 14, 8300*time.Millisecond, nil)
	s.slow("UPDATE customers", "UPDATE customers SET locale = ? WHERE locale IS NULL", "write", "migration", 1, 3100*time.Millisecond, nil)
	s.slow("CREATE INDEX orders", "CREATE INDEX orders_note_idx ON orders (note)", "ddl", "migration", 1, 5*time.Second, errors.New("canceling statement due to lock timeout"))
	s.slow("INSERT order_items", "INSERT INTO order_items (order_id, sku, quantity, cents) VALUES (?, ?, ?, ?)", "write", "steady", 3, 640*time.Millisecond, nil)

	at := s.now().Add(-21 * time.Second)
	s.Alert(&event.Alert{Trace: trace, Database: shop, Fingerprint: "b1", Episode: 1, Rule: "lock_pileup", Severity: event.Critical, State: event.Firing, Tool: "goose", Version: m.Version, Object: "public.orders",
		Title: "shop: 14 sessions wait behind migration 20261124094512 on public.orders", Details: []string{"ALTER TABLE orders waits for an AccessExclusiveLock on public.orders and stops reads and writes.", "Session 23817 (reporting) is idle in its transaction and holds the table."},
		Steps:   []event.Step{{Text: "End the session that is idle in its transaction.", SQL: "SELECT pg_terminate_backend(23817)"}, {Text: "If it must not end, cancel the migration.", SQL: "SELECT pg_cancel_backend(24102)"}},
		Runbook: "https://github.com/sqlwitness/sqlwitness/blob/main/docs/runbooks/lock_pileup.md", AuditEntry: id(803), SuppressWith: "sqlwitness alerts suppress -rule lock_pileup -object public.orders -until 24h -reason …", Since: at, At: at})
	s.Alert(&event.Alert{Database: shop, Fingerprint: "b2", Episode: 2, Rule: "lock_wait", Severity: event.Warning, State: event.Firing, Title: "shop: migration 20261124094512 waits for public.orders", Details: []string{"It has waited for 20 s."}, Since: at, At: at})
	s.Alert(&event.Alert{Database: warehouse, Fingerprint: "b3", Episode: 5, Rule: "stalled", Severity: event.Warning, State: event.Suppressed, SuppressedBy: "SUP-12", Title: "warehouse: CREATE INDEX on stock_moves takes longer than it used to", Details: []string{}, Since: at.Add(-time.Minute), At: at.Add(-time.Minute)})
	s.Alert(&event.Alert{Database: shop, Fingerprint: "b4", Episode: 1, Rule: "migration_failed", Severity: event.Critical, State: event.Resolved, Title: "shop: migration 20261123101500 failed: lock_timeout 55P03", Details: []string{"It was applied four minutes later."}, Since: ago(5 * time.Hour), At: ago(4 * time.Hour)})
	s.Finding(&event.Finding{Database: shop, At: ago(4 * time.Hour), Kind: "invalid_index", Object: "public.orders_note_idx", Message: "An index that was built concurrently is invalid: it costs writes and serves no read.", SQL: "DROP INDEX CONCURRENTLY public.orders_note_idx"})
	s.Finding(&event.Finding{Database: shop, At: ago(2 * time.Hour), Kind: "constraint_not_valid", Object: "public.refunds", Message: "refunds_order_fk is NOT VALID: rows from before it are not checked.", SQL: "ALTER TABLE public.refunds VALIDATE CONSTRAINT refunds_order_fk"})
}

// keepLooking looks at the two statements in flight until the test ends, as the
// witness would.
func (s *scene) keepLooking(t *testing.T, m *event.Migration, since time.Time) {
	began := s.now().Add(-8 * time.Second)
	look := func(n int) {
		s.mu.Lock()
		s.load[2]++
		s.load[1] += 40
		s.load[0] += 90
		s.load[6] += 2
		s.oldest = time.Now().Add(s.ahead).Sub(since)
		s.mu.Unlock()
		age, at := s.now().Sub(since), s.now()
		s.Look(s.blockedLook(m, since, age, 14, 25+n))
		building := at.Sub(began)
		s.Look(&event.Look{Database: warehouse, ConnID: 12, Tool: "golang-migrate", Version: ref("42"), Trace: event.Trace{RunID: id(9), MigrationID: id(901)}, Phase: "migration",
			Operation: "CREATE INDEX", Class: "ddl", Tables: []string{"stock_moves"}, Summary: "CREATE INDEX stock_moves", Text: "CREATE INDEX stock_moves_sku_at ON stock_moves (sku, moved_at)", Start: began, Age: building, Number: 5 + n,
			Picture: &event.Picture{At: at, Session: event.Session{PID: 51, State: "altering table"}, Progress: &event.Progress{Command: "CREATE INDEX", Phase: "copying rows to the new table", Unit: "rows", Done: min(7_420_000, int64(397*building.Milliseconds())), Total: 7_420_000}}})
	}
	for i, text := range []string{"SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.state = ?", "INSERT INTO orders (customer_id, total, state) VALUES (?, ?, ?)", "UPDATE orders SET state = ? WHERE id = ?"} {
		first := look
		look = func(n int) {
			first(n)
			at := since.Add(time.Duration(2+4*i) * time.Second)
			s.Look(&event.Look{Database: shop, ConnID: uint64(20 + i), Phase: "steady", Class: "read", Summary: strings.Fields(text)[0] + " orders", Text: text, Start: at, Age: s.now().Sub(at),
				Picture: &event.Picture{At: s.now(), Session: event.Session{PID: int64(24110 + 7*i), Wait: &event.Wait{Kind: "relation", Object: "public.orders", Mode: "AccessShareLock"}}}})
		}
	}
	look(0)
	every := time.NewTicker(time.Second)
	t.Cleanup(every.Stop)
	go func() {
		for n := 1; ; n++ {
			select {
			case <-t.Context().Done():
				return
			case <-every.C:
				look(n)
			}
		}
	}()
}

func (s *scene) slow(summary, text, class, phase string, times int, took time.Duration, err error) {
	for i := range times {
		st := &event.Statement{Database: shop, Fingerprint: fmt.Sprintf("%016x", len(text)*0x9e3779b97f4a7c), Summary: summary, Text: text, Class: class, Phase: phase, Slow: true, Threshold: 200 * time.Millisecond, Start: s.now().Add(-took), Duration: took - time.Duration(i)*37*time.Millisecond, RowsAffected: -1, Err: err}
		if err != nil {
			st.ErrorClass, st.SQLState = event.ClassLockTimeout, "55P03"
		}
		s.Statement(st)
	}
}

func (s *scene) blockedLook(m *event.Migration, start time.Time, age time.Duration, queue, number int) *event.Look {
	const reporting, ours = 23817, 24102
	p := &event.Picture{
		At:       s.now(),
		Session:  event.Session{PID: ours, User: "deploy", App: "shop-migrate", State: "active", BlockedBy: []int64{reporting}, Wait: &event.Wait{Kind: "relation", Object: "public.orders", Mode: "AccessExclusiveLock", For: age}},
		Blockers: []event.Session{{PID: reporting, User: "analyst", App: "reporting", State: "idle in transaction", TxAge: 11*time.Minute + age, StateAge: 10*time.Minute + age, Query: "SELECT date_trunc(?, placed_at), sum(total) FROM orders GROUP BY ?", Depth: 1}},
		Queue:    queue, QueueDirect: queue, QueueTime: time.Duration(queue) * age * 6 / 10,
		Held: []event.HeldLock{{Object: "public.orders", Mode: "AccessExclusiveLock", Stops: "reads and writes"}, {Object: "public.customers", Mode: "AccessExclusiveLock", Granted: true, Stops: "reads and writes"}},
	}
	texts := []string{"SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.state = ?", "INSERT INTO orders (customer_id, total, state) VALUES (?, ?, ?)", "UPDATE orders SET state = ? WHERE id = ?"}
	for i := range min(queue, 6) {
		p.Victims = append(p.Victims, event.Session{PID: int64(24110 + 7*i), User: "shop", App: "shop-api", State: "active", Query: texts[i%3], Depth: 1, BlockedBy: []int64{ours}, Wait: &event.Wait{Kind: "relation", Object: "public.orders", Mode: []string{"AccessShareLock", "RowExclusiveLock", "RowExclusiveLock"}[i%3], For: age - time.Duration(i)*900*time.Millisecond}})
	}
	return &event.Look{Trace: m.Trace, Database: shop, ConnID: 7, Tool: "goose", Version: m.Version, Phase: "migration", Operation: "ALTER TABLE", Class: "ddl", Tables: []string{"orders"},
		Summary: "ALTER TABLE orders", Text: "ALTER TABLE orders ADD COLUMN refunded_cents bigint NOT NULL DEFAULT ?", Start: start, Age: age, Number: number, Picture: p}
}

func shortly(s string) string { return strings.Join(strings.Fields(s), " ") }
