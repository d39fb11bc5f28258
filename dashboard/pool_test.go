package dashboard

import (
	"database/sql"
	"fmt"
	"testing"
	"time"
)

// TestPools: what has been waited for longest comes first, what is beyond the
// bound is left out, and a page is told whether there are any.
func TestPools(t *testing.T) {
	stats := map[string]sql.DBStats{
		"orders": {MaxOpenConnections: 20, InUse: 19, Idle: 1, WaitCount: 3, WaitDuration: 1500 * time.Millisecond, MaxIdleClosed: 4, MaxIdleTimeClosed: 5, MaxLifetimeClosed: 6},
		"report": {InUse: 2},
	}
	d := New(Config{}, Deps{Now: fixed, Pools: func() map[string]sql.DBStats { return stats }})
	want := []pool{{Name: "orders", InUse: 19, Idle: 1, Max: 20, Waits: 3, Waited: 1500, ClosedIdle: 4, ClosedIdleTime: 5, ClosedLifetime: 6}, {Name: "report", InUse: 2}}
	if s := d.since(0); !s.Has.Pools || fmt.Sprint(s.Pools) != fmt.Sprint(want) {
		t.Errorf("%v, %+v", s.Has, s.Pools)
	}
	for i := range maxPools {
		stats[fmt.Sprint(i)] = sql.DBStats{WaitDuration: time.Second}
	}
	if s := d.since(0); len(s.Pools) != maxPools || s.Pools[0].Name != "orders" || s.Pools[1].Name != "0" {
		t.Errorf("%d pools: %+v", len(s.Pools), s.Pools)
	}
	clear(stats)
	if s := d.since(0); s.Has.Pools || s.Pools == nil {
		t.Errorf("without any: %+v", s)
	}
}
