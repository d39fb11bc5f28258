package metrics

import (
	"io"
	"strconv"
	"sync"
)

// Histogram counts durations in buckets with fixed upper bounds. Resolve it
// once ([Connector.Operation]) and keep the pointer; all methods are safe for
// concurrent use.
//
// A scrape sees each observation wholly or not at all: the sum, the count and
// the buckets of one series always agree.
type Histogram struct {
	cells  [cellCount]cell // first, so that none straddles a cache line
	bounds *bounds
	shared bool // by all that is beyond the cap of the family
}

// cellCount is a power of two. Connections are spread over the cells, so that
// two of them seldom meet in one.
const cellCount = 8

// cell is a part of a histogram, as large as two cache lines so that neighbours
// do not slow each other down. A mutex costs two atomic operations, as many as
// adding to a bucket and to a sum would, and keeps the two together.
type cell struct {
	mu     sync.Mutex
	sum    uint64                // nanoseconds: integers add up without loss
	counts [maxBounds + 1]uint64 // by bucket, not cumulative; the last one in use is +Inf
}

// Observe counts a duration in nanoseconds; a negative one counts as 0. It does
// not allocate. Where a connection is at hand use [Histogram.ObserveOn]: calls
// of Observe from several processors wait for each other.
func (h *Histogram) Observe(ns int64) { h.ObserveOn(0, ns) }

// ObserveOn is Observe by the connection with the given number (any number
// will do, as long as each connection keeps to its own): connections then
// seldom wait for each other.
func (h *Histogram) ObserveOn(conn uint64, ns int64) {
	ns = max(ns, 0)
	i := 0
	for i < len(h.bounds.ns) && ns > h.bounds.ns[i] {
		i++
	}
	c := &h.cells[conn%cellCount]
	c.mu.Lock()
	c.counts[i]++
	c.sum += uint64(ns)
	c.mu.Unlock()
}

// read adds the cells up, each bucket for itself.
func (h *Histogram) read() (counts [maxBounds + 1]uint64, count, sum uint64) {
	for i := range h.cells {
		c := &h.cells[i]
		c.mu.Lock()
		for j, n := range c.counts {
			counts[j] += n
			count += n
		}
		sum += c.sum
		c.mu.Unlock()
	}
	return counts, count, sum
}

// write exposes the histogram under a family's name and rendered labels
// (`{a="b"}` or ""), unless it has not been used yet: texts are resolved for every
// phase, of which most are never seen.
func (h *Histogram) write(w io.Writer, family, labels string) {
	counts, count, sum := h.read()
	if count == 0 {
		return
	}
	open := "{"
	if labels != "" {
		open = labels[:len(labels)-1] + ","
	}
	var b []byte
	bucket := func(le string, n uint64) {
		b = append(b, family...)
		b = append(b, "_bucket"...)
		b = append(b, open...)
		b = append(b, `le="`...)
		b = append(b, le...)
		b = append(b, `"} `...)
		b = strconv.AppendUint(b, n, 10)
		b = append(b, '\n')
	}
	var below uint64
	for i, le := range h.bounds.le {
		below += counts[i]
		bucket(le, below)
	}
	bucket("+Inf", count)
	b = append(b, family...)
	b = append(b, "_sum"...)
	b = append(b, labels...)
	b = append(b, ' ')
	b = strconv.AppendFloat(b, float64(sum)/1e9, 'g', -1, 64)
	b = append(b, '\n')
	b = append(b, family...)
	b = append(b, "_count"...)
	b = append(b, labels...)
	b = append(b, ' ')
	b = strconv.AppendUint(b, count, 10)
	b = append(b, '\n')
	_, _ = w.Write(b)
}
