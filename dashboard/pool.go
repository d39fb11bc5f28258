package dashboard

import (
	"cmp"
	"database/sql"
	"slices"
)

// pool is what a pool of connections says of itself. Who waits for a connection
// has sent nothing yet, so that no statement's latency tells of it.
type pool struct {
	Name           string  `json:"name"`
	InUse          int     `json:"in_use"`
	Idle           int     `json:"idle"`
	Max            int     `json:"max"` // 0 for no limit
	Waits          int64   `json:"waits"`
	Waited         float64 `json:"waited_ms"`
	ClosedIdle     int64   `json:"closed_idle"` // more were idle than may be
	ClosedIdleTime int64   `json:"closed_idle_time"`
	ClosedLifetime int64   `json:"closed_lifetime"`
}

// maxPools is how many are shown: those first that were waited for longest.
const maxPools = 32

// pools are those there are, in the order in which they are shown.
func (d *Dashboard) pools() []pool {
	out := []pool{}
	if d.deps.Pools == nil {
		return out
	}
	for name, s := range d.deps.Pools() {
		out = append(out, poolOf(name, s))
	}
	slices.SortFunc(out, func(a, b pool) int { return cmp.Or(cmp.Compare(b.Waited, a.Waited), cmp.Compare(a.Name, b.Name)) })
	return out[:min(len(out), maxPools)]
}

func poolOf(name string, s sql.DBStats) pool {
	return pool{
		Name: cut(name, 200), InUse: s.InUse, Idle: s.Idle, Max: max(s.MaxOpenConnections, 0), Waits: s.WaitCount, Waited: ms(s.WaitDuration),
		ClosedIdle: s.MaxIdleClosed, ClosedIdleTime: s.MaxIdleTimeClosed, ClosedLifetime: s.MaxLifetimeClosed,
	}
}
