package event

import (
	"testing"
	"time"
)

func TestTrendSaid(t *testing.T) {
	one := Slower{Version: "5", Duration: 9 * time.Second, Median: 2 * time.Second, Earlier: 12}
	quick := Slower{Version: "7", Duration: time.Second, Earlier: 1} // nothing is infinitely slower
	for _, c := range []struct {
		trend Trend
		want  string
	}{
		{Trend{}, "none of the run's migrations has been run before"},
		{Trend{Compared: 3}, "of 3 migrations that had been run before, none was much slower than it was"},
		{Trend{Compared: 3, Slower: []Slower{one}}, "migration 5 took 9s, 4.5 times as long as before (median 2s of 12)"},
		{Trend{Compared: 3, Slower: []Slower{one, quick}}, "2 migrations were much slower than before; migration 7 took 1s, 1000.0 times as long as before (median 0s of 1)"},
	} {
		if got := c.trend.Said(); got != c.want {
			t.Errorf("says %q, want %q", got, c.want)
		}
	}
}
