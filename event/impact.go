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

	// Before is since the start of the process, or since the impact before; its Rate
	// is that of the last minute at most, since who works by day rests by night.
	Before Latency
	// During is of the calls that were in flight while the run was, however long
	// they took in the end. One that is not answered yet is none of Count or Rate,
	// and in the quantiles by its age: a run that stops all calls is seen by it.
	During Latency
	After  Latency // of those that began afterwards, for as long as was watched

	// Unanswered is the most calls of the application that had been in flight for a
	// second or longer at the same time while the run was. They need not have waited
	// for the run.
	Unanswered int

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

// P99Ratio is by which factor the 99th percentile was longer during the run than
// before; false where one of them is not known.
func (i *Impact) P99Ratio() (times float64, known bool) {
	if i.Before.P99 <= 0 || i.During.P99 <= 0 {
		return 0, false
	}
	return float64(i.During.P99) / float64(i.Before.P99), true
}

// RateRatio is the calls per second during the run, as a share of those before;
// false where those are not known. A run that lets no call through has 0 and may
// have a P99Ratio of 1: no call of it has ended.
func (i *Impact) RateRatio() (share float64, known bool) {
	if i.Before.Rate <= 0 {
		return 0, false
	}
	return i.During.Rate / i.Before.Rate, true
}

// Hurts reports whether the run was felt: the 99th percentile or the error rate
// has at least doubled, or the calls per second have at least halved while some
// were not answered for a second.
func (i *Impact) Hurts() bool {
	times, _ := i.P99Ratio()
	share, known := i.RateRatio()
	return times >= 2 || i.During.ErrorRate() > 2*i.Before.ErrorRate() || known && share <= 0.5 && i.Unanswered > 0
}

// Latency sums up calls of the application: statements, without what begins and
// ends transactions. Quantiles are estimates, as good as the buckets of the
// operation histogram.
type Latency struct {
	Count    uint64 // answered well
	Failed   uint64
	P50, P99 time.Duration
	Rate     float64 // answered per second, well or not; 0 where it is not known
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
