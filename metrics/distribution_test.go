package metrics

import (
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

func TestLatency(t *testing.T) {
	s := New(Config{})
	shop := event.Database{System: "postgresql", Name: "shop"}
	a, b := s.Connector(shop), s.Connector(shop)
	for range 98 {
		a.Operation("SELECT", Steady).Observe(int64(500 * time.Microsecond))
	}
	before := Latency(Steady, a, b)
	b.Operation("SELECT", Steady).Observe(int64(3 * time.Second)) // the same series: read once
	b.Operation("UPDATE", Steady).Observe(int64(time.Minute))
	b.Failed("UPDATE", Steady, "40001", 1)
	b.Operation("SELECT", Migrating).Observe(1)
	a.Began(1, Steady, int64(time.Hour), nil)
	a.Ended(1, Steady, Committed, int64(time.Hour), 0, nil)
	all := Latency(Steady, a, b)
	if all.Count != 100 || all.Failed != 1 {
		t.Errorf("%d calls and %d failed, want 100 and 1", all.Count, all.Failed)
	}
	since := all.Sub(before)
	if since.Count != 2 || since.Quantile(0.5) < time.Second || since.Quantile(1) != 10*time.Second {
		t.Errorf("since: %d calls, p50 %v, max %v", since.Count, since.Quantile(0.5), since.Quantile(1))
	}
	for q, limits := range map[float64][2]time.Duration{0.5: {400 * time.Microsecond, time.Millisecond}, 0.99: {time.Second, 5 * time.Second}} {
		if got := all.Quantile(q); got < limits[0] || got > limits[1] {
			t.Errorf("quantile %v is %v, want it in %v", q, got, limits)
		}
	}
	if (Distribution{}).Quantile(0.5) != 0 {
		t.Error("a quantile of nothing is something")
	}
}

// TestLatencyBeyondTheCaps: what databases share a series for is none's latency.
func TestLatencyBeyondTheCaps(t *testing.T) {
	database := func(name string) event.Database { return event.Database{System: "sqlite", Name: name} }
	for name, cfg := range map[string]Config{"series": {MaxSeries: 3}, "namespaces": {MaxNamespaces: 1}} {
		s := New(cfg)
		first, second, third := s.Connector(database("1")), s.Connector(database("2")), s.Connector(database("3"))
		for _, c := range []*Connector{first, second, third} {
			c.Operation("SELECT", Steady).Observe(int64(time.Second))
		}
		for n, c := range []*Connector{first, second, third} {
			if got, want := Latency(Steady, c).Count, []uint64{1, 0, 0}[n]; got != want {
				t.Errorf("%s: database %d has %d calls, want %d", name, n+1, got, want)
			}
		}
	}
}
