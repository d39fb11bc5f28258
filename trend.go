package sqlwitness

import (
	"context"
	"slices"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
)

const (
	// trendLimit bounds the reading of the trail after a run.
	trendLimit = time.Second
	// trendPast is how many of the trail's latest outcomes are read.
	trendPast = 500
	// trendRuns bounds the earlier runs, and the earlier ones of a migration, that
	// are compared with.
	trendRuns = 20
	// What is slower than it was: so many times the median, and so much at least.
	slowerTimes = 3
	slowerMin   = time.Second
)

// compare tells, some time after the end of a run that applied something, how it
// compares with the earlier ones in the audit trail. The end of the DB waits for
// it: who drops the database then finds nobody in it.
//
// Not for SQLite: a file's trail is of that one database, and who reads it may
// keep out who writes.
func (c *connector) compare(r *event.Run) {
	if !r.Finished || r.Applied == 0 || c.w.cfg.Audit.Mode == audit.Off || c.db.System == "sqlite" {
		return
	}
	run := *r
	c.recording.begin(func() {
		defer c.w.contain("trend")
		ctx, cancel := context.WithTimeout(context.Background(), trendLimit)
		defer cancel()
		past, err := c.audit.History(ctx, trendPast)
		if err != nil {
			return // the store has told what is wrong with the trail, if anything is
		}
		if t := trendOf(&run, past); t != nil {
			c.w.each(func(s event.Sink) { s.Trend(t) })
		}
	})
}

// same is what two migrations have in common that can be compared. The tool and
// the version do not do: on a server with one trail for all its databases, every
// application has a version 1.
type same struct {
	tool, version string
	direction     event.Direction
	statements    string
}

func sameOf(p audit.Past) (s same, ok bool) {
	if p.Version == nil || p.Statements == "" || p.Outcome != event.Applied {
		return same{}, false
	}
	return same{p.Tool, *p.Version, p.Direction, p.Statements}, true
}

// trendOf compares a run with what came before it in the trail, whose last entry
// comes first. It is nil where there is nothing to compare with.
func trendOf(run *event.Run, past []audit.Past) *event.Trend {
	var own, earlier []audit.Past
	for _, p := range past {
		switch {
		case p.Run == run.RunID:
			own, earlier = append(own, p), nil // what lies between a run's own is not earlier
		case p.Outcome == event.Applied:
			earlier = append(earlier, p)
		}
	}
	t := &event.Trend{Trace: run.Trace, Database: run.Database, Tool: run.Tool}
	if t.EarlierRuns, t.EarlierMedian = runsOf(run.Tool, earlier); len(own) == 0 || t.EarlierRuns == 0 {
		return nil
	}
	before := map[same][]time.Duration{}
	for _, p := range earlier {
		if s, ok := sameOf(p); ok && len(before[s]) < trendRuns {
			before[s] = append(before[s], p.Duration)
		}
	}
	var took []time.Duration
	for _, p := range slices.Backward(own) {
		if p.Outcome != event.Applied {
			continue
		}
		took = append(took, p.Duration)
		s, ok := sameOf(p)
		if !ok || len(before[s]) == 0 {
			continue
		}
		t.Compared++
		if m := median(before[s]); p.Duration >= slowerMin && p.Duration >= slowerTimes*m {
			t.Slower = append(t.Slower, event.Slower{MigrationID: p.Migration, Version: s.version, Duration: p.Duration, Median: m, Earlier: len(before[s])})
		}
	}
	t.Applied, t.Median = len(took), median(took)
	return t
}

// runsOf counts the last runs of a tool, and takes the median of the durations of
// what they have applied.
func runsOf(tool string, earlier []audit.Past) (int, time.Duration) {
	runs := map[string]bool{}
	var took []time.Duration
	for _, p := range earlier {
		if p.Tool != tool || !runs[p.Run] && len(runs) == trendRuns {
			continue
		}
		runs[p.Run] = true
		took = append(took, p.Duration)
	}
	return len(runs), median(took)
}

// median is that of the durations; 0 if there are none.
func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
