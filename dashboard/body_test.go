package dashboard

import (
	"slices"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestBodyOf: a statement is shown when it ran, with what the tool did in between
// left open.
func TestBodyOf(t *testing.T) {
	start := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	second := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	var offsets []float64
	for _, s := range bodyOf(&event.Migration{Start: start, Body: []event.BodyStatement{
		{Start: start.Add(second(1)), Duration: second(2)},
		{Start: start.Add(second(5)), Duration: second(0.25)},
		{Duration: second(1)},          // not known
		{Start: start.Add(-second(1))}, // by a clock that was set
	}}) {
		offsets = append(offsets, s.Offset)
	}
	if want := []float64{1000, 5000, 5250, 0}; !slices.Equal(offsets, want) {
		t.Errorf("starts at %v ms, want %v", offsets, want)
	}
}
