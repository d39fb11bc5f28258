package metrics

import (
	"database/sql"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
)

// pools are the pools of connections that scrapes ask about themselves.
type pools struct {
	max int // told apart by name

	mu   sync.Mutex
	open []*pool
	gone sql.DBStats // what those beyond the cap had counted that are there no more
}

type pool struct {
	name  string // as a label shows it
	label string // the name, or other
	stats func() sql.DBStats
}

// poolValues are what a pool says of itself, by family and by the value of the
// family's second label.
var poolValues = []struct {
	family, of string
	value      func(sql.DBStats) float64
}{
	{poolConnections, "idle", func(s sql.DBStats) float64 { return float64(s.Idle) }},
	{poolConnections, "in_use", func(s sql.DBStats) float64 { return float64(s.InUse) }},
	{poolMaxOpen, "", maxOpen},
	{poolWaits, "", func(s sql.DBStats) float64 { return float64(s.WaitCount) }},
	{poolWaited, "", func(s sql.DBStats) float64 { return s.WaitDuration.Seconds() }},
	{poolClosed, "idle", func(s sql.DBStats) float64 { return float64(s.MaxIdleClosed) }},
	{poolClosed, "idle_time", func(s sql.DBStats) float64 { return float64(s.MaxIdleTimeClosed) }},
	{poolClosed, "lifetime", func(s sql.DBStats) float64 { return float64(s.MaxLifetimeClosed) }},
}

// maxOpen is infinite where there is no limit.
func maxOpen(s sql.DBStats) float64 {
	if s.MaxOpenConnections <= 0 {
		return math.Inf(1)
	}
	return float64(s.MaxOpenConnections)
}

// Pool exposes what stats says of a pool, until remove is called. Each scrape
// calls stats once per family; it must be safe for concurrent use and must not
// block. A pool of the same name takes the place of the earlier one, whose remove
// does nothing then. Pools beyond the cap are added up under the name "other".
func (s *Set) Pool(name string, stats func() sql.DBStats) (remove func()) {
	return s.pools.add(name, stats)
}

// Pools are what each pool that is exposed says of itself, by name: those beyond
// the cap, too. It is safe for concurrent use.
func (s *Set) Pools() map[string]sql.DBStats {
	out := map[string]sql.DBStats{}
	for _, p := range s.pools.list() {
		out[p.name] = p.stats()
	}
	return out
}

func (p *pools) list() []*pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.open)
}

// counting is the list, and one for those that are gone: without them the sum
// under "other" would fall, which to Prometheus is a process that started anew.
func (p *pools) counting() []*pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.Clone(p.open)
	if gone := p.gone; gone != (sql.DBStats{}) {
		list = append(list, &pool{label: other, stats: func() sql.DBStats { return gone }})
	}
	return list
}

func (p *pools) add(name string, stats func() sql.DBStats) (remove func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	added := &pool{name: clean(name), label: name, stats: stats}
	named := 0
	for i, o := range p.open {
		if o.name == added.name {
			added.label = o.label
			p.open[i] = added
			p.retire(o)
			return func() { p.remove(added) }
		}
		if o.label != other {
			named++
		}
	}
	if named >= p.max {
		added.label = other
	}
	p.open = append(p.open, added)
	return func() { p.remove(added) }
}

func (p *pools) remove(gone *pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.open, gone); i >= 0 {
		p.open = slices.Delete(p.open, i, i+1)
		p.retire(gone)
	}
}

// retire keeps what a pool has counted, if others are counted with it. p.mu is
// held.
func (p *pools) retire(gone *pool) {
	if gone.label != other {
		return
	}
	last := gone.stats()
	p.gone.WaitCount += last.WaitCount
	p.gone.WaitDuration += last.WaitDuration
	p.gone.MaxIdleClosed += last.MaxIdleClosed
	p.gone.MaxIdleTimeClosed += last.MaxIdleTimeClosed
	p.gone.MaxLifetimeClosed += last.MaxLifetimeClosed
}

// write exposes the series of one family. The values of a family are of one
// moment: idle and in use add up to what is open.
func (p *pools) write(w io.Writer, f *family) {
	sums := map[string]float64{} // by labels
	var order []string
	list := p.list()
	if f.Kind == KindCounter {
		list = p.counting()
	}
	for _, o := range list {
		stats := o.stats()
		for _, v := range poolValues {
			if v.family != f.Name {
				continue
			}
			labels := render(f.Labels, []string{o.label, v.of})
			if _, ok := sums[labels]; !ok {
				order = append(order, labels)
			}
			sums[labels] += v.value(stats)
		}
	}
	for _, labels := range order {
		if sum := sums[labels]; !math.IsInf(sum, 1) {
			_, _ = fmt.Fprintf(w, "%s%s %v\n", f.Name, labels, sum)
		}
	}
}
