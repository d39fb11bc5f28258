package event

import "time"

// Impact is what a run has done to the application's own statements on the same
// database: those of this process that are not of the run. It is sent once for a
// run during which there were any, some time after its end. The run may be another
// process's: then it is known from the server, by what Evidence says.
type Impact struct {
	Trace    // of the run; without a RunID where another process runs and the audit trail does not tell
	Database Database
	Tool     string // "" where another process runs and nothing tells

	// Evidence is how a run of another process is known; "" for one of this process.
	Evidence Evidence

	Start    time.Time     // of the run; of another process's, when it was first seen if the trail does not tell
	Duration time.Duration // of the run; of another process's, until it was not seen any more

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
	// Blocker is whom the run itself waited for at that moment, or when no queue
	// was seen at any: a root blocker, which waits for nobody. Nil for none.
	Blocker *Session
}

// Evidence is how a run of another process is known.
type Evidence string

const (
	// ByTrail: the audit trail had a migration that had begun and not ended, and its
	// session was there.
	ByTrail Evidence = "trail"
	// ByLock: a session held an advisory or named lock of a known tool.
	ByLock Evidence = "lock"
	// ByStatement: a session ran DDL on a table, or waited to.
	ByStatement Evidence = "statement"
	// Afterwards: nothing was seen while it ran, the audit trail told of it after its
	// end. During is then all that ran between two looks, a few seconds at most,
	// and those statements have been counted as steady in the metrics.
	Afterwards Evidence = "afterwards"
)

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
