package dashboard

import (
	"cmp"
	"slices"
)

// state is what a page is given: all of the picture at first, and then what has
// changed. Lists hold the oldest first; records replace those of the same id.
type state struct {
	Now        int64       `json:"now"`
	Epoch      int64       `json:"epoch"`   // of this dashboard: another one means that nothing a page knows still holds
	Seq        uint64      `json:"seq"`     // the last change that is in it
	Running    []running   `json:"running"` // all of them, each time
	Impacts    []impact    `json:"impacts"` // likewise
	Pools      []pool      `json:"pools"`   // likewise
	Runs       []run       `json:"runs"`
	Statements []statement `json:"statements"`
	Alerts     []alert     `json:"alerts"`
	Findings   []finding   `json:"findings"`
	Troubles   []trouble   `json:"troubles"`
	Latency    []point     `json:"latency"`
	Has        has         `json:"has"`
	MaxRuns    int         `json:"max_runs"`
}

// has tells what the page can ask for.
type has struct {
	Latency bool `json:"latency"`
	Audit   bool `json:"audit"`
	Pools   bool `json:"pools"` // there are some
	Verify  bool `json:"verify"`
}

// since is the state as far as it has changed after seq.
func (d *Dashboard) since(seq uint64) state {
	now, impacts, pools := d.deps.Now(), d.impacts(), d.pools()
	d.mu.Lock()
	defer d.mu.Unlock()
	s := state{
		Now: at(now), Epoch: at(d.began), Seq: d.seq,
		Running:    []running{},
		Impacts:    impacts,
		Pools:      pools,
		Runs:       d.runs.since(seq),
		Statements: d.statements.since(seq),
		Alerts:     d.alerts.since(seq),
		Findings:   d.findings.since(seq),
		Troubles:   d.troubles.since(seq),
		Latency:    []point{},
		Has:        has{Latency: d.deps.Metrics != nil, Audit: d.deps.Audit != nil, Pools: len(pools) > 0, Verify: d.deps.Verify != nil},
		MaxRuns:    maxRuns,
	}
	for _, r := range d.running {
		if now.Sub(r.looked) < stale {
			s.Running = append(s.Running, *r)
		}
	}
	slices.SortFunc(s.Running, func(a, b running) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Conn, b.Conn)) })
	return s
}

// runDetail is a run with all that is known of it.
type runDetail struct {
	Run        run         `json:"run"`
	Locks      []lock      `json:"locks"`
	Migrations []migration `json:"migrations"`
	effects
}

// detail is what is known of a run, false if there is none of that id.
func (d *Dashboard) detail(id string) (runDetail, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.runs.get(id)
	if r == nil {
		return runDetail{}, false
	}
	out := runDetail{Run: *r, Locks: append([]lock{}, r.locks...), Migrations: []migration{}, effects: r.effects}
	for _, s := range d.migrations.slots {
		if s.value.Run == id {
			out.Migrations = append(out.Migrations, s.value)
		}
	}
	slices.SortStableFunc(out.Migrations, func(a, b migration) int { return cmp.Compare(a.Start, b.Start) })
	return out, true
}
