package sqlwitness

import "time"

// pace is how many calls of a database were answered lately, in the steady
// phase: between two marks that move on, half a minute to a minute apart. It is
// not safe for concurrent use.
type pace struct{ older, newer mark }

// mark is a count at a time by the witness's clock.
type mark struct {
	at    int64
	calls uint64
}

const (
	pacePeriod = 30 * time.Second
	paceLeast  = time.Second // what is shorter is no measurement
)

// due reports whether a mark is to be made.
func (p *pace) due(now int64) bool { return p.newer.at == 0 || now-p.newer.at >= int64(pacePeriod) }

// mark makes one. After a pause, in which nothing was in flight, the measuring
// begins anew.
func (p *pace) mark(now int64, calls uint64) {
	m := mark{now, calls}
	if p.newer.at == 0 || now-p.newer.at >= 2*int64(pacePeriod) {
		p.older = m
	} else {
		p.older = p.newer
	}
	p.newer = m
}

// perSecond is the rate since the older mark; 0 where that is not known.
func (p *pace) perSecond(now int64, calls uint64) float64 {
	span := now - p.older.at
	if p.older.at == 0 || span < int64(paceLeast) || calls < p.older.calls {
		return 0
	}
	return float64(calls-p.older.calls) / time.Duration(span).Seconds()
}

// keepPace makes the marks that are due. The watcher calls it, while statements
// are in flight. What a run does to a database is measured against those before it.
func (w *Witness) keepPace(now int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.connectors {
		p := w.paces[c.db]
		if p == nil {
			p = &pace{}
			w.paces[c.db] = p
		}
		if i := c.impact.Load(); (i == nil || !i.running.Load()) && p.due(now) {
			p.mark(now, w.steadyOf(c.db).Calls())
		}
	}
}
