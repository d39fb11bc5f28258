package metrics

import (
	"io"
	"sync"
	"sync/atomic"
	"testing"

	vm "github.com/VictoriaMetrics/metrics"

	"github.com/sqlwitness/sqlwitness/event"
)

func TestUpperBoundsBelongToTheirBucket(t *testing.T) {
	h := &Histogram{bounds: newBounds(0.001, 1)}
	for _, ns := range []int64{-5, 0, 1e6, 1e6 + 1, 1e9, 1e9 + 1, 1 << 62} {
		h.ObserveOn(uint64(ns), ns)
	}
	counts, count, _ := h.read()
	if counts[0] != 3 || counts[1] != 2 || counts[2] != 2 || count != 7 {
		t.Errorf("%v, %d in all", counts, count)
	}
}

func TestBoundsFitTheCells(t *testing.T) {
	for _, f := range Families() {
		if b := boundsOf(f.Name); len(b.ns) > maxBounds {
			t.Errorf("%s has %d bounds", f.Name, len(b.ns))
		}
	}
}

// Every observation is of the same duration, so that the sum tells the count.
func TestScrapeSeesObservationsWhole(t *testing.T) {
	const ns = 3
	h := &Histogram{bounds: boundsOf(operationDuration)}
	var stop atomic.Bool
	var workers sync.WaitGroup
	for conn := range uint64(4) {
		workers.Go(func() {
			for !stop.Load() {
				h.ObserveOn(conn, ns)
				h.Observe(ns)
			}
		})
	}
	for range 2000 {
		counts, count, sum := h.read()
		if sum != count*ns || counts[0] != count {
			t.Errorf("sum %d, count %d, bucket %d", sum, count, counts[0])
			break
		}
	}
	stop.Store(true)
	workers.Wait()
}

func TestObserveDoesNotAllocate(t *testing.T) {
	h := New(Config{}).Connector(event.Database{System: "sqlite"}).Operation("SELECT", Steady)
	if n := testing.AllocsPerRun(1000, func() { h.ObserveOn(3, 12345) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkObserve compares one observation by one connection per processor:
// run it with -cpu 1,2. The registry's own histogram, and ours where all meet in
// one cell, are what it is measured against.
func BenchmarkObserve(b *testing.B) {
	h := New(Config{}).Connector(event.Database{System: "sqlite"}).Operation("SELECT", Steady)
	registry := vm.NewSet().NewPrometheusHistogramExt("x", []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10})
	for _, c := range []struct {
		name    string
		observe func(conn uint64, ns int64)
	}{
		{"on", h.ObserveOn},
		{"one-cell", func(_ uint64, ns int64) { h.Observe(ns) }},
		{"registry", func(_ uint64, ns int64) { registry.Update(float64(ns) / 1e9) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var conns atomic.Uint64
			b.RunParallel(func(pb *testing.PB) {
				conn := conns.Add(1)
				for ns := int64(200_000); pb.Next(); ns++ {
					c.observe(conn, ns)
				}
			})
		})
	}
}

func BenchmarkScrape(b *testing.B) {
	s := New(Config{})
	c := s.Connector(event.Database{System: "postgresql", Name: "shop"})
	for _, op := range []string{"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT"} {
		c.Operation(op, Steady).Observe(1)
		c.Failed(op, Steady, "40001", 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.WritePrometheus(io.Discard)
	}
}
