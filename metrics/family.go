package metrics

import (
	"bytes"
	"io"
	"sync"

	vm "github.com/VictoriaMetrics/metrics"
)

// family is one metric family: its series, and how they are exposed. Each has a
// set of its own in the registry, so that its series stay together and HELP and
// TYPE are written once, whatever the names of its neighbours are.
type family struct {
	Family
	set       *vm.Set
	maxSeries int

	mu         sync.Mutex
	counters   map[string]*Counter // by rendered labels, as the following
	histograms map[string]*Histogram
	order      []string // of the histograms
	bounds     *bounds
}

func newFamily(d Family, maxSeries int) *family {
	f := &family{Family: d, set: vm.NewSet(), maxSeries: maxSeries,
		counters: map[string]*Counter{}, histograms: map[string]*Histogram{}}
	if d.Kind == KindHistogram {
		f.bounds = boundsOf(d.Name)
		f.set.RegisterMetricsWriter(f.writeHistograms)
	}
	return f
}

// series renders labels, or those of the overflow series once the family is
// full. The last two places are kept for that one and for that of failed calls.
func (f *family) series(values []string, size int, has func(labels string) bool) string {
	labels := render(f.Labels, values)
	if size >= f.maxSeries-2 && !has(labels) {
		labels = render(f.Labels, overflow(f.Labels, values))
	}
	return labels
}

// counter resolves the series with the given label values, in the order of the
// family's labels.
func (f *family) counter(values ...string) *Counter {
	f.mu.Lock()
	defer f.mu.Unlock()
	labels := f.series(values, len(f.counters), func(l string) bool { return f.counters[l] != nil })
	c := f.counters[labels]
	if c == nil {
		c = f.set.NewCounter(f.Name + labels)
		f.counters[labels] = c
	}
	return c
}

// sum resolves the series, with label values of a closed set, of a counter that
// is no whole number.
func (f *family) sum(values ...string) *vm.FloatCounter {
	return f.set.GetOrCreateFloatCounter(f.Name + render(f.Labels, values))
}

// histogram resolves the series with the given label values.
func (f *family) histogram(values ...string) *Histogram {
	f.mu.Lock()
	defer f.mu.Unlock()
	labels := f.series(values, len(f.histograms), func(l string) bool { return f.histograms[l] != nil })
	h := f.histograms[labels]
	if h == nil {
		h = &Histogram{bounds: f.bounds, shared: labels != render(f.Labels, values)}
		f.histograms[labels] = h
		f.order = append(f.order, labels)
	}
	return h
}

// callback exposes what f returns as the series with the given label values; a
// second callback for the same series takes the place of the first. It may
// be a counter too: the registry writes both alike.
func (f *family) callback(value func() float64, values ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := f.Name + render(f.Labels, values)
	f.set.UnregisterMetric(name)
	f.set.NewGauge(name, value)
}

func (f *family) writeHistograms(w io.Writer) {
	f.mu.Lock()
	order := f.order
	f.mu.Unlock()
	for _, labels := range order {
		f.mu.Lock()
		h := f.histograms[labels]
		f.mu.Unlock()
		h.write(w, f.Name, labels)
	}
}

// write exposes the family after its HELP and TYPE; nothing if it is empty.
func (f *family) write(w *bytes.Buffer, scratch *bytes.Buffer) {
	scratch.Reset()
	f.set.WritePrometheus(scratch)
	if scratch.Len() == 0 {
		return
	}
	w.WriteString("# HELP " + f.Name + " " + f.Help + "\n# TYPE " + f.Name + " " + string(f.Kind) + "\n")
	for line := range bytes.Lines(scratch.Bytes()) {
		// The registry writes metadata of its own if the application has asked
		// it to, which is a switch of the whole process; ours is already there.
		if line[0] != '#' {
			w.Write(line)
		}
	}
}
