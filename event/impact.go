package event

import "time"

// Impact is what a run has done to the application's own statements on the same
// database: those of this process that are not of the run. It is sent once for a
// run during which there were any, some time after its end.
type Impact struct {
	Trace    // of the run
	Database Database
	Tool     string

	Start    time.Time     // of the run
	Duration time.Duration // of the run

	Before Latency // since the start of the process, or since the impact before
	During Latency
	After  Latency // for as long as was watched afterwards

	// Slowest is the application's slowest statement during the run, by its
	// redacted text.
	Slowest *BodyStatement
	// Worst is the run's statement that most sessions were seen waiting for, and
	// Queue how many. It is nil where no queue was seen.
	Worst *BodyStatement
	Queue int
}

// Latency sums up the durations of statements. Quantiles are estimates, as good
// as the buckets of the operation histogram.
type Latency struct {
	Count    uint64 // answered well
	Failed   uint64
	P50, P99 time.Duration
}

// ErrorRate is the share of the calls that failed; 0 where there were none.
func (l Latency) ErrorRate() float64 {
	if l.Count+l.Failed == 0 {
		return 0
	}
	return float64(l.Failed) / float64(l.Count+l.Failed)
}

// ColdStart says what the time was spent on from the making of the witness to
// the end of the process's first run of a migration tool.
type ColdStart struct {
	Trace
	Database Database
	Tool     string

	Total   time.Duration // from the making of the witness to the end of the run
	Connect time.Duration // the first connection
	Lock    time.Duration // waiting for the migration lock
	Check   time.Duration // the rest of the run: what is there to do?
	Apply   time.Duration // the migrations themselves
}

// Migrating is the share of the time that the run took, lock, check and apply
// together.
func (c *ColdStart) Migrating() float64 {
	if c.Total <= 0 {
		return 0
	}
	return float64(c.Lock+c.Check+c.Apply) / float64(c.Total)
}
