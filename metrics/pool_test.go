package metrics

import (
	"database/sql"
	"maps"
	"strconv"
	"testing"
	"time"
)

// poolOf has one series of the pool in each family.
func poolOf(maxOpen int) func() sql.DBStats {
	return func() sql.DBStats {
		return sql.DBStats{MaxOpenConnections: maxOpen, OpenConnections: 5, InUse: 3, Idle: 2, WaitCount: 7, WaitDuration: 1500 * time.Millisecond,
			MaxIdleClosed: 11, MaxIdleTimeClosed: 12, MaxLifetimeClosed: 13}
	}
}

// poolSeries are the values of a family by pool and second label.
func poolSeries(t *testing.T, s *Set, family string) map[string]float64 {
	t.Helper()
	got := map[string]float64{}
	for _, m := range scrape(t, s)[family].GetMetric() {
		l := labelsOf(m)
		got[l["pool"]+" "+l["state"]+l["reason"]] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	return got
}

func TestPool(t *testing.T) {
	s := New(Config{})
	remove := s.Pool("orders", poolOf(10))
	for family, want := range map[string]map[string]float64{
		poolConnections: {"orders idle": 2, "orders in_use": 3},
		poolMaxOpen:     {"orders ": 10},
		poolWaits:       {"orders ": 7},
		poolWaited:      {"orders ": 1.5},
		poolClosed:      {"orders idle": 11, "orders idle_time": 12, "orders lifetime": 13},
	} {
		if got := poolSeries(t, s, family); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", family, got, want)
		}
	}
	if got := s.Pools(); len(got) != 1 || got["orders"] != poolOf(10)() {
		t.Errorf("the pools are %v", got)
	}
	again := s.Pool("orders", poolOf(0))
	if got := poolSeries(t, s, poolMaxOpen); len(got) != 0 {
		t.Errorf("a pool without a limit has one: %v", got)
	}
	remove() // of the one that was replaced
	if got := poolSeries(t, s, poolWaits); len(got) != 1 {
		t.Errorf("after the second took the first one's place: %v", got)
	}
	again()
	again()
	for _, family := range []string{poolConnections, poolMaxOpen, poolWaits, poolWaited, poolClosed} {
		if f := scrape(t, s)[family]; f != nil {
			t.Errorf("left after remove: %v", f)
		}
	}
}

// TestPoolsBeyondTheCap are added up, and a place that is free is taken again.
func TestPoolsBeyondTheCap(t *testing.T) {
	s := New(Config{MaxNamespaces: 2})
	var remove []func()
	for i := range 4 {
		remove = append(remove, s.Pool("tenant "+strconv.Itoa(i), poolOf(10)))
	}
	s.Pool("other", poolOf(10))
	want := map[string]float64{"tenant 0 ": 7, "tenant 1 ": 7, "other ": 21}
	if got := poolSeries(t, s, poolWaits); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	again := s.Pool("tenant 3", poolOf(0))
	if got := poolSeries(t, s, poolMaxOpen); !maps.Equal(got, map[string]float64{"tenant 0 ": 10, "tenant 1 ": 10}) {
		t.Errorf("with one that has no limit, the others together have: %v", got)
	}
	remove[1]()
	s.Pool("tenant 4", poolOf(10))
	want = map[string]float64{"tenant 0 ": 7, "tenant 4 ": 7, "other ": 28} // a tenant 3 that is gone and one that is not
	if got := poolSeries(t, s, poolWaits); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	remove[2]()
	again()
	if got := poolSeries(t, s, poolWaits); !maps.Equal(got, want) {
		t.Errorf("after those beyond the cap are gone: %v, want %v", got, want)
	}
	if got := poolSeries(t, s, poolConnections)["other idle"]; got != 2 {
		t.Errorf("%v connections are idle in one pool", got)
	}
	small := New(Config{MaxSeries: 3})
	small.Pool("a", poolOf(1))
	small.Pool("b", poolOf(1))
	if got := poolSeries(t, small, poolClosed); len(got) != 3 || got["other idle"] != 22 {
		t.Errorf("with three series: %v", got)
	}
}

// TestPoolName: a pool is called as it was named, and told from another by what a
// label shows of the name.
func TestPoolName(t *testing.T) {
	s := New(Config{})
	const name = `orders "eu" \ 2`
	s.Pool(name, poolOf(1))
	s.Pool(name, poolOf(2))
	if got := s.Pools(); len(got) != 1 || got[name].MaxOpenConnections != 2 {
		t.Errorf("the pools are %v", got)
	}
	if got := poolSeries(t, s, poolMaxOpen); !maps.Equal(got, map[string]float64{name + " ": 2}) {
		t.Errorf("the series are %v", got)
	}
}
