package metrics

import (
	"sync/atomic"
	"time"
)

// Distribution is how long calls took, as the buckets of the operation histogram
// tell: a quantile is an estimate, as good as Prometheus's own.
type Distribution struct {
	counts [maxBounds + 1]uint64
	Count  uint64 // calls that the database answered well
	Failed uint64 // calls that it answered with an error
}

// Calls is how many calls were answered, well or not.
func (d Distribution) Calls() uint64 { return d.Count + d.Failed }

// Sub is what has been added since an earlier reading of the same histograms.
// Those of a connector that has gone meanwhile are in the earlier one alone: what
// is less than it was has had nothing added.
func (d Distribution) Sub(earlier Distribution) Distribution {
	d.Count = 0
	for i := range d.counts {
		d.counts[i] -= min(d.counts[i], earlier.counts[i])
		d.Count += d.counts[i]
	}
	d.Failed -= min(d.Failed, earlier.Failed)
	return d
}

// Add puts two together.
func (d Distribution) Add(other Distribution) Distribution {
	for i := range d.counts {
		d.counts[i] += other.counts[i]
	}
	d.Count += other.Count
	d.Failed += other.Failed
	return d
}

// Quantile estimates the duration that the share q of the calls did not exceed:
// within a bucket they are taken to be spread evenly. Of calls longer than the
// last bound, that bound is returned; of none, 0.
func (d Distribution) Quantile(q float64) time.Duration {
	if d.Count == 0 {
		return 0
	}
	rank := q * float64(d.Count)
	var below uint64
	var lower int64
	for i, upper := range operationBounds.ns {
		if n := d.counts[i]; n > 0 && float64(below+n) >= rank {
			return time.Duration(lower + int64(float64(upper-lower)*(rank-float64(below))/float64(n)))
		}
		below += d.counts[i]
		lower = upper
	}
	return time.Duration(lower)
}

var operationBounds = boundsOf(operationDuration)

// framing are the operations that say where a transaction begins and ends. They
// are no work of their own.
var framing = []string{"BEGIN", "COMMIT", "ROLLBACK", "ROLLBACK TO", "SAVEPOINT", "RELEASE"}

// Latency reads how long the connectors' databases have taken in a phase, of all
// operations but those that frame transactions. Connectors of one database share what
// they count, which is then read once. What databases beyond a cap share is left out:
// whose it is is not known.
func Latency(phase Phase, connectors ...*Connector) Distribution {
	read := map[*Histogram]bool{}
	var d Distribution
	for _, c := range connectors {
		c.mu.Lock()
		for h, of := range c.operations {
			if of.phase != phase || of.framing || read[h] {
				continue
			}
			read[h] = true
			counts, count, _ := h.read()
			if of.failed {
				d.Failed += count
			} else {
				d = d.Add(Distribution{counts: counts, Count: count})
			}
		}
		c.mu.Unlock()
	}
	return d
}

// Recorder records the durations of calls. The zero value does not work; make one
// with NewRecorder. It is safe for concurrent use.
type Recorder struct {
	h      Histogram
	failed atomic.Uint64
}

// NewRecorder makes an empty one.
func NewRecorder() *Recorder { return &Recorder{h: Histogram{bounds: operationBounds}} }

// Observe records a call by a connection.
func (r *Recorder) Observe(conn uint64, ns int64, failed bool) {
	if failed {
		r.failed.Add(1)
		return
	}
	r.h.ObserveOn(conn, ns)
}

// Read is what has been recorded so far.
func (r *Recorder) Read() Distribution {
	counts, count, _ := r.h.read()
	return Distribution{counts: counts, Count: count, Failed: r.failed.Load()}
}
