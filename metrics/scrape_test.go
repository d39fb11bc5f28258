package metrics

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	vm "github.com/VictoriaMetrics/metrics"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sqlwitness/sqlwitness/event"
)

// scrape parses what a set exposes, as Prometheus would.
func scrape(t testing.TB, s *Set) map[string]*dto.MetricFamily {
	t.Helper()
	var b bytes.Buffer
	s.WritePrometheus(&b)
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatalf("the exposition does not parse: %v\n%s", err, b.Bytes())
	}
	return families
}

// series finds the one series of a family with these labels and no others.
func series(t testing.TB, s *Set, family string, labels map[string]string) *dto.Metric {
	t.Helper()
	f := scrape(t, s)[family]
	for _, m := range f.GetMetric() {
		if maps.Equal(labelsOf(m), labels) {
			return m
		}
	}
	t.Fatalf("%s%v is not there; there are %v", family, labels, f.GetMetric())
	return nil
}

func labelsOf(m *dto.Metric) map[string]string {
	l := map[string]string{}
	for _, p := range m.GetLabel() {
		l[p.GetName()] = p.GetValue()
	}
	return l
}

// sqlError carries a code as lib/pq's and pgx's errors do.
type sqlError string

func (e sqlError) Error() string    { return "failed" }
func (e sqlError) SQLState() string { return string(e) }

// full is a set in which every family has a series with every label.
func full(t testing.TB) *Set {
	t.Helper()
	s := New(Config{Version: "v1.2.3"})
	c := s.Connector(event.Database{System: "postgresql", Name: "shop"})
	c.Connected(2e6, sqlError("28P01"))
	c.Connected(2e6, nil)
	c.Connected(1e6, nil)
	c.Disconnected()
	c.Operation("SELECT", Steady).ObserveOn(7, 3e6)
	c.Failed("ALTER TABLE", Migrating, "55P03", 2e9)
	c.Counted(90, 5, 1234, 7)
	c.Began(1, Steady, 1e5, nil)
	c.Ended(1, Steady, Committed, 2e5, 3e7, nil)
	s.CacheMisses(CachePrepared).Inc()
	s.Overhead(70)
	s.Retried("deadlock", 1, 1500*time.Millisecond)
	s.Error("sink")
	s.Dropped("log", func() uint64 { return 3 })
	s.LinesSuppressed(func() uint64 { return 95 })
	s.StatementsInFlight(func() int { return 2 })
	s.OldestStatement(func() time.Duration { return 1500 * time.Millisecond })
	s.AuditEntries("tx", 3)
	s.Trouble(&event.Trouble{Part: "audit", Kind: "outcome"})
	s.Statement(&event.Statement{Slow: true, Class: "read"})
	s.Lock(&event.Lock{Stage: event.LockAcquired, Kind: "advisory", Outcome: "acquired", Wait: 3 * time.Second, Attempts: 4})
	s.Lock(&event.Lock{Stage: event.LockReleased, Kind: "advisory", Outcome: "released", Hold: time.Minute})
	s.Lock(&event.Lock{Stage: event.LockAnomaly, Kind: "advisory", Anomaly: "unlock_refused"})
	s.Migration(&event.Migration{Tool: "goose", Direction: event.Up, Outcome: event.Failed, Duration: time.Second, ErrorClass: event.ClassLockTimeout})
	s.Run(&event.Run{Tool: "goose", Finished: true, Outcome: "failed"})
	s.AlertsDropped("chat", "queue_full", 1)
	s.AuditLag(func() time.Duration { return 0 }, func() time.Duration { return time.Second })
	s.ColdStart(&event.ColdStart{Total: time.Second})
	shop := event.Database{System: "postgresql", Name: "shop"}
	s.Resources(&event.Resources{Database: shop, WALBytes: new(int64(4096)), SizeAfter: new(int64(8192))})
	s.Impact(&event.Impact{Database: shop})
	s.Trend(&event.Trend{Database: shop, Slower: []event.Slower{{Version: "1"}}})
	s.Pool("orders", func() sql.DBStats { return sql.DBStats{MaxOpenConnections: 10} })
	s.Finding(&event.Finding{Kind: "invalid_index"})
	s.Alert(&event.Alert{Rule: "lock_pileup", Severity: event.Critical, State: event.Firing})
	return s
}

func TestEveryFamilyIsExposedWithItsLabels(t *testing.T) {
	got := scrape(t, full(t))
	for _, f := range Families() {
		m, ok := got[f.Name]
		if !ok {
			t.Errorf("%s is declared and nothing counts it", f.Name)
			continue
		}
		delete(got, f.Name)
		if kind := strings.ToLower(m.GetType().String()); kind != string(f.Kind) {
			t.Errorf("%s is a %s, declared as a %s", f.Name, kind, f.Kind)
		}
		if m.GetHelp() != f.Help {
			t.Errorf("%s: HELP is %q", f.Name, m.GetHelp())
		}
		seen := map[string]bool{}
		for _, series := range m.GetMetric() {
			for l := range labelsOf(series) {
				seen[l] = true
			}
		}
		declared := slices.Sorted(slices.Values(f.Labels))
		if labels := slices.Sorted(maps.Keys(seen)); !slices.Equal(labels, declared) {
			t.Errorf("%s has labels %v, declared are %v", f.Name, labels, declared)
		}
	}
	for name := range got {
		t.Errorf("%s is exposed and not declared", name)
	}
}

// Families that are split, or described twice, are an error to Prometheus; the
// registry's own metadata, which the application may switch on, must not add to ours.
func TestMetadataIsWrittenOnceWhateverTheApplicationDoes(t *testing.T) {
	s := full(t)
	var plain, switched bytes.Buffer
	s.WritePrometheus(&plain)
	vm.ExposeMetadata(true)
	defer vm.ExposeMetadata(false)
	s.WritePrometheus(&switched)
	if plain.String() != switched.String() {
		t.Errorf("with ExposeMetadata the exposition is another one:\n%s", switched.String())
	}
	comments := map[string]int{}
	order := []string{}
	for line := range strings.Lines(plain.String()) {
		if fields := strings.Fields(line); fields[0] == "#" {
			comments[fields[1]+" "+fields[2]]++
			continue
		}
		name, _, _ := strings.Cut(strings.Fields(line)[0], "{")
		for _, f := range Families() {
			if f.Kind == KindHistogram {
				for _, suffix := range []string{"_bucket", "_sum", "_count"} {
					if name == f.Name+suffix {
						name = f.Name
					}
				}
			}
		}
		if len(order) == 0 || order[len(order)-1] != name {
			order = append(order, name)
		}
	}
	for _, f := range Families() {
		for _, kind := range []string{"HELP ", "TYPE "} {
			if n := comments[kind+f.Name]; n != 1 {
				t.Errorf("%s%s is there %d times", kind, f.Name, n)
			}
		}
	}
	if len(order) != len(Families()) {
		t.Errorf("families are not in one piece each: %v", order)
	}
}

func TestEmptySetIsValid(t *testing.T) {
	got := scrape(t, New(Config{}))
	if _, ok := got[buildInfo]; !ok {
		t.Error("no build info")
	}
	if _, ok := got[operationDuration]; ok {
		t.Error("a family without observations is exposed")
	}
}

func TestOperationLabels(t *testing.T) {
	s := full(t)
	ok := series(t, s, operationDuration, map[string]string{"db_system_name": "postgresql", "db_namespace": "shop", "db_operation_name": "SELECT", "phase": "steady"})
	if n, sum := ok.GetHistogram().GetSampleCount(), ok.GetHistogram().GetSampleSum(); n != 1 || sum != 0.003 {
		t.Errorf("SELECT: %d calls, %v s", n, sum)
	}
	series(t, s, operationDuration, map[string]string{"db_system_name": "postgresql", "db_namespace": "shop", "db_operation_name": "ALTER TABLE", "phase": "migration", "error_type": "55P03"})
}

func TestBuckets(t *testing.T) {
	s := full(t)
	want := map[string][]float64{
		operationDuration: {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10},
		migrationDuration: {0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600},
		lockWait:          {0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600},
	}
	got := scrape(t, s)
	for name, bounds := range want {
		var le []float64
		for _, b := range got[name].GetMetric()[0].GetHistogram().GetBucket() {
			le = append(le, b.GetUpperBound())
		}
		if !slices.Equal(le, append(bounds, math.Inf(1))) {
			t.Errorf("%s has buckets %v", name, le)
		}
	}
	if le := got[overhead].GetMetric()[0].GetHistogram().GetBucket()[0].GetUpperBound(); le != 1e-8 {
		t.Errorf("the overhead's first bucket is %v", le)
	}
}

func TestFirstSuccessfulConnectIsTheLastColdOne(t *testing.T) {
	s := New(Config{})
	c := s.Connector(event.Database{System: "mysql"})
	c.Connected(1e6, sqlError("08001"))
	c.Connected(1e6, nil)
	c.Connected(1e6, nil)
	c.Connected(1e6, driver.ErrBadConn)
	c.Disconnected()
	for _, want := range []map[string]string{
		{"start": "cold", "error_type": "08001"}, {"start": "cold"}, {"start": "warm"}, {"start": "warm", "error_type": "bad_conn"},
	} {
		if n := series(t, s, connectDuration, want).GetHistogram().GetSampleCount(); n != 1 {
			t.Errorf("%v: %d", want, n)
		}
	}
	if v := series(t, s, connectionsOpen, map[string]string{}).GetGauge().GetValue(); v != 1 {
		t.Errorf("%v connections open", v)
	}
	if v := series(t, s, cacheMisses, map[string]string{"cache": "connection"}).GetCounter().GetValue(); v != 4 {
		t.Errorf("%v pool misses", v)
	}
}

func TestTransactions(t *testing.T) {
	s := New(Config{})
	c := s.Connector(event.Database{System: "postgresql", Name: "shop"})
	c.Began(1, Migrating, 1e6, nil)
	c.Ended(1, Migrating, Committed, 1e6, 5e9, errors.New("gone"))
	c.Ended(1, Steady, RolledBack, 1e6, 5e9, nil)
	if v := series(t, s, transactionsTotal, map[string]string{"outcome": "failed"}).GetCounter().GetValue(); v != 1 {
		t.Errorf("%v failed", v)
	}
	if v := series(t, s, transactionDuration, map[string]string{"outcome": "rolled_back"}).GetHistogram().GetSampleSum(); v != 5 {
		t.Errorf("open for %v s", v)
	}
	db := map[string]string{"db_system_name": "postgresql", "db_namespace": "shop"}
	for op, more := range map[string]map[string]string{
		"BEGIN": {"phase": "migration"}, "COMMIT": {"phase": "migration", "error_type": "other"}, "ROLLBACK": {"phase": "steady"},
	} {
		labels := maps.Clone(db)
		labels["db_operation_name"] = op
		maps.Copy(labels, more)
		series(t, s, operationDuration, labels)
	}
}

func TestSink(t *testing.T) {
	s := full(t)
	s.Statement(&event.Statement{Class: "read", Err: errors.New("x")})
	s.Migration(&event.Migration{Tool: "goose", Direction: event.Up})
	s.Migration(&event.Migration{Tool: "goose", Direction: event.Up, Outcome: event.Applied})
	s.Run(&event.Run{Tool: "goose"})
	s.Lock(&event.Lock{Stage: event.LockWaiting, Kind: "advisory"})
	s.Lock(&event.Lock{Stage: event.LockReleased, Kind: "advisory"})
	for _, c := range []struct {
		family string
		labels map[string]string
		want   float64
	}{
		{slowStatements, map[string]string{"class": "read"}, 1},
		{migrationsTotal, map[string]string{"tool": "goose", "direction": "up", "outcome": "failed", "error_class": "lock_timeout"}, 1},
		{migrationsTotal, map[string]string{"tool": "goose", "direction": "up", "outcome": "applied"}, 1},
		{runsTotal, map[string]string{"tool": "goose", "outcome": "failed"}, 1},
		{lockAttempts, map[string]string{"kind": "advisory", "outcome": "acquired"}, 4},
		{lockAnomalies, map[string]string{"kind": "advisory", "anomaly": "unlock_refused"}, 1},
		{eventsDropped, map[string]string{"sink": "log"}, 3},
		{linesSuppressed, map[string]string{}, 95},
		{auditEntries, map[string]string{"place": "tx"}, 3},
		{rowsRead, map[string]string{}, 1234},
		{cacheHits, map[string]string{"cache": "statement_class"}, 90},
		{cacheHits, map[string]string{"cache": "prepared"}, 5},
	} {
		if got := series(t, s, c.family, c.labels).GetCounter().GetValue(); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.family, c.labels, got, c.want)
		}
	}
	if n := series(t, s, lockHold, map[string]string{"kind": "advisory"}).GetHistogram().GetSampleCount(); n != 1 {
		t.Errorf("%d holds", n)
	}
}

func TestLaterCallbackTakesThePlaceOfTheEarlier(t *testing.T) {
	s := New(Config{})
	s.OldestStatement(func() time.Duration { return time.Second })
	s.OldestStatement(func() time.Duration { return 250 * time.Millisecond })
	if v := series(t, s, oldestStatement, map[string]string{}).GetGauge().GetValue(); v != 0.25 {
		t.Errorf("%v", v)
	}
}

// TestQueueBehind: a queue is counted from look to look, and is gone with the
// statement that it waited for.
func TestQueueBehind(t *testing.T) {
	s := New(Config{})
	start := time.Unix(1e9, 0)
	look := func(conn uint64, age time.Duration, queue, replicas int, done bool) {
		s.Look(&event.Look{ConnID: conn, Start: start, Age: age, Done: done, Picture: &event.Picture{Queue: queue, QueueMigrator: replicas}})
	}
	expect := func(sessions, seconds float64) {
		t.Helper()
		got := scrape(t, s)
		if n := got[blockedSessions].GetMetric()[0].GetGauge().GetValue(); n != sessions {
			t.Errorf("%v sessions are blocked, want %v", n, sessions)
		}
		if n := got[victimSeconds].GetMetric()[0].GetCounter().GetValue(); n != seconds {
			t.Errorf("they have waited %v s, want %v", n, seconds)
		}
	}
	look(1, time.Second, 3, 1, false)
	look(2, time.Second, 5, 0, false)
	expect(7, 0)
	look(1, 3*time.Second, 4, 1, false)
	expect(8, 4)
	look(1, 4*time.Second, 4, 1, true)
	expect(5, 7)
	s.Look(&event.Look{ConnID: 2, Start: start, Age: 2 * time.Second})
	expect(0, 12)
}
