package event

import "time"

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

// Slower is a migration that took much longer than the same one did before: at
// least a second, and at least three times as long as the median.
type Slower struct {
	MigrationID string
	Version     string
	Duration    time.Duration
	Median      time.Duration // of the earlier ones
	Earlier     int           // how many those are, at most 20
}
