package dashboard

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// latency samples the metrics while somebody looks, for the plot of what
// migrations do to the application: the reads and writes of every second, the
// age of the oldest statement in flight, and the sessions that are blocked.
type latency struct {
	mu     sync.Mutex
	last   exposed
	taken  time.Time
	points []point
}

// point is one sample. A quantile is nil where nothing ended since the one before.
type point struct {
	At      int64    `json:"at"`
	P50     *float64 `json:"p50_ms"`
	P99     *float64 `json:"p99_ms"`
	Rate    float64  `json:"rate"`      // reads and writes that ended, per second
	Oldest  float64  `json:"oldest_ms"` // age of the oldest statement in flight
	Blocked float64  `json:"blocked"`   // sessions
}

const (
	samplePause = time.Second
	maxPoints   = 900
	// maxGap is the longest pause between samples of which the difference is a
	// point: what happened over a longer one is of no second.
	maxGap = 5 * time.Second
)

// sample takes a sample, unless one has been taken within the last second, for
// another page.
func (d *Dashboard) sample() {
	if d.deps.Metrics == nil {
		return
	}
	l, now := &d.latency, d.deps.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	gap := now.Sub(l.taken)
	if gap < samplePause*9/10 {
		return
	}
	var b bytes.Buffer
	d.deps.Metrics(&b)
	next := parse(b.String())
	if !l.taken.IsZero() && gap <= maxGap {
		p := next.after(l.last, gap)
		p.At = at(now)
		l.points = append(l.points[max(0, len(l.points)-maxPoints+1):], p)
	}
	l.last, l.taken = next, now
}

// since copies the points after a time in milliseconds since 1970.
func (l *latency) since(t int64) []point {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, _ := slices.BinarySearchFunc(l.points, t+1, func(p point, t int64) int { return cmp.Compare(p.At, t) })
	return append([]point{}, l.points[i:]...)
}

// exposed is what a sample reads of the metrics.
type exposed struct {
	buckets         map[float64]float64 // observations up to a bound in seconds
	oldest, blocked float64
}

// The families that are read: docs/metrics.md.
const (
	operations = "db_client_operation_duration_seconds_bucket"
	oldest     = "sqlwitness_oldest_statement_seconds"
	blocked    = "sqlwitness_blocked_sessions"
)

// traffic are the operations that make up an application's load.
var traffic = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "WITH"}

// parse reads the families above, in the form in which sqlwitness writes them.
// A line that it cannot read is left out.
func parse(text string) exposed {
	e := exposed{buckets: map[float64]float64{}}
	for line := range strings.Lines(text) {
		name, value, ok := cutLast(strings.TrimSpace(line), ' ')
		if !ok {
			continue
		}
		name, labels, _ := strings.Cut(name, "{")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch name {
		case oldest:
			e.oldest = v
		case blocked:
			e.blocked = v
		case operations:
			bound, err := strconv.ParseFloat(label(labels, "le"), 64)
			if err == nil && label(labels, "error_type") == "" && slices.Contains(traffic, label(labels, "db_operation_name")) {
				e.buckets[bound] += v
			}
		}
	}
	return e
}

// label finds the value of a label. None of the labels that are asked for has a
// value with a quote in it.
func label(labels, name string) string {
	for {
		i := strings.Index(labels, name+`="`)
		if i < 0 {
			return ""
		}
		value := labels[i+len(name)+2:]
		if i == 0 || labels[i-1] == ',' {
			value, _, _ = strings.Cut(value, `"`)
			return value
		}
		labels = value
	}
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// after is the point between a sample and the one before it.
func (e exposed) after(before exposed, gap time.Duration) point {
	p := point{Oldest: e.oldest * 1000, Blocked: e.blocked}
	bounds := make([]float64, 0, len(e.buckets))
	for b := range e.buckets {
		bounds = append(bounds, b)
	}
	slices.Sort(bounds)
	counts := make([]float64, len(bounds))
	for i, b := range bounds {
		counts[i] = max(0, e.buckets[b]-before.buckets[b])
	}
	if n := len(counts); n > 0 && counts[n-1] > 0 {
		p.Rate = counts[n-1] / gap.Seconds()
		p.P50, p.P99 = quantile(0.5, bounds, counts), quantile(0.99, bounds, counts)
	}
	return p
}

// quantile is what Prometheus' histogram_quantile gives, in milliseconds: within
// a bucket observations are taken to be spread evenly, and beyond the last bound
// there is only that bound.
func quantile(q float64, bounds, counts []float64) *float64 {
	rank := q * counts[len(counts)-1]
	i := slices.IndexFunc(counts, func(c float64) bool { return c >= rank })
	var v float64
	switch {
	case i == len(bounds)-1 && i > 0:
		v = bounds[i-1]
	case i == 0:
		v = bounds[0] * rank / counts[0]
	default:
		v = bounds[i-1] + (bounds[i]-bounds[i-1])*(rank-counts[i-1])/(counts[i]-counts[i-1])
	}
	v *= 1000
	return &v
}
