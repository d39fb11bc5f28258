package event

import (
	"fmt"
	"time"
)

// Trend compares a run with earlier ones in the same audit trail. It is sent
// once for a run that applied something, some time after its end, if the trail
// has earlier migrations by the same tool.
type Trend struct {
	Trace    // of the run
	Database Database
	Tool     string

	Applied int           // migrations that the run has applied
	Median  time.Duration // of their durations

	EarlierRuns   int           // by the same tool, at most 20
	EarlierMedian time.Duration // of the durations of the migrations that those have applied

	// Compared is how many of the run's migrations the trail has earlier ones of:
	// the same version by the same tool, of the same statements, on another
	// database or at another time.
	Compared int
	// Slower are those that took much longer than the earlier ones.
	Slower []Slower
}

// Said is the comparison in a sentence, without a full stop.
func (t *Trend) Said() string {
	switch n := len(t.Slower); {
	case t.Compared == 0:
		return "none of the run's migrations has been run before"
	case n == 0:
		return fmt.Sprintf("of %d migrations that had been run before, none was much slower than it was", t.Compared)
	case n == 1:
		return t.Slower[0].said()
	default:
		worst := t.Slower[0]
		for _, s := range t.Slower[1:] {
			if s.Times() > worst.Times() {
				worst = s
			}
		}
		return fmt.Sprintf("%d migrations were much slower than before; %s", n, worst.said())
	}
}

func (s Slower) said() string {
	return fmt.Sprintf("migration %s took %v, %.1f times as long as before (median %v of %d)",
		s.Version, s.Duration.Round(10*time.Millisecond), s.Times(), s.Median.Round(time.Millisecond), s.Earlier)
}

// Times is by which factor it took longer. A median is taken to be 1 ms at least:
// below that the factor says nothing.
func (s Slower) Times() float64 {
	return float64(s.Duration) / float64(max(s.Median, time.Millisecond))
}

// Slower is a migration that took much longer than the same one did before: at
// least a second, and at least three times as long as the median.
type Slower struct {
	MigrationID string
	Version     string
	Duration    time.Duration
	Median      time.Duration // of the earlier ones
	Earlier     int           // how many those are, at most 20
}
