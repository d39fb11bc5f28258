package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// reportResources is what the server used up while the run migrated, in bytes; nil
// where that is not known.
type reportResources struct {
	SizeAfter, Growth *int64
	WAL, Temp         *int64
	HitRate           *float64
	Deadlocks         *int64
	Lag               *time.Duration // of the slowest standby, at the end
	Missing           []string       // what would make more of it known
}

// reportTrend is how the run compares with earlier ones.
type reportTrend struct {
	Applied       int
	Median        time.Duration
	EarlierRuns   int
	EarlierMedian time.Duration
	Compared      int
	Slower        []reportSlower
}

type reportSlower struct {
	Migration, Version string
	Duration, Median   time.Duration
	Earlier            int
}

// Times is by which factor it took longer.
func (s reportSlower) Times() string {
	return fmt.Sprintf("×%.1f", float64(s.Duration)/float64(max(s.Median, time.Millisecond)))
}

// slower says by how much a migration took longer than before; "" if it did not.
func (r *runReport) slower(m *reportMigration) string {
	if r.Trend == nil {
		return ""
	}
	for _, s := range r.Trend.Slower {
		if s.Migration == m.ID {
			return fmt.Sprintf("%s, before %s", s.Times(), short(s.Median))
		}
	}
	return ""
}

// compared is the trend in a sentence or two; "" where there is none.
func (r *runReport) compared() string {
	t := r.Trend
	if t == nil {
		return ""
	}
	past := plural(t.EarlierRuns, "earlier run")
	if t.EarlierRuns == 1 {
		past = "the run before it"
	}
	said := fmt.Sprintf("A migration took %s (median of %d), and %s in %s by this tool.", short(t.Median), t.Applied, short(t.EarlierMedian), past)
	switch n := len(t.Slower); {
	case t.Compared == 0:
		return said + " None of them has been run before."
	case n == 0:
		return said + fmt.Sprintf(" Of %s that had been run before, none was much slower.", plural(t.Compared, "migration"))
	default:
		return said + fmt.Sprintf(" Much slower than before: %d of %s that had been run before.", n, plural(t.Compared, "migration"))
	}
}

// used is what the server used up, in a sentence; "" where nothing of it is known.
func (r *runReport) used() string {
	u := r.Resources
	if u == nil {
		return ""
	}
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case u.SizeAfter == nil:
		add("its size is unknown")
	case u.Growth == nil || *u.Growth == 0:
		add("its size is %s", size(*u.SizeAfter))
	case *u.Growth > 0:
		add("its size grew by %s to %s", size(*u.Growth), size(*u.SizeAfter))
	default:
		add("its size shrank by %s to %s", size(-*u.Growth), size(*u.SizeAfter))
	}
	if u.WAL != nil {
		log := "write-ahead log"
		if r.System == "mysql" || r.System == "mariadb" {
			log = "redo log"
		}
		add("%s of %s", size(*u.WAL), log)
	}
	if u.HitRate != nil {
		add("%.1f %% of the blocks asked for were in its cache", 100**u.HitRate)
	}
	if u.Temp != nil && *u.Temp > 0 {
		add("%s of temporary files", size(*u.Temp))
	}
	if u.Deadlocks != nil {
		add("%s", plural(int(*u.Deadlocks), "deadlock"))
	}
	if u.Lag != nil {
		add("its slowest standby was %s behind at the end", max(*u.Lag, 0).Round(time.Millisecond))
	}
	said := "The server, in all its sessions: " + strings.Join(parts, ", ") + "."
	if len(u.Missing) > 0 {
		said += " More is known after " + strings.Join(u.Missing, "; ") + "."
	}
	return said
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// cause is who was longest in the way, and how many waited meanwhile; "" if
// nobody was.
func (r *runReport) cause() string {
	var parts []string
	if len(r.Blockers) > 0 {
		worst := slices.MaxFunc(r.Blockers, func(a, b *reportBlocker) int { return int(a.To.Sub(a.From) - b.To.Sub(b.From)) })
		state := worst.State
		if worst.Transaction > 0 {
			state += ", its transaction open for " + short(worst.Transaction)
		}
		parts = append(parts, fmt.Sprintf("Blocked for %s by pid %d %s (%s) on %s.", short(worst.To.Sub(worst.From)), worst.PID, worst.Who(), state, worst.On))
	}
	queue := 0
	for _, s := range r.Slow {
		queue = max(queue, s.Queue)
	}
	if queue > 0 {
		parts = append(parts, fmt.Sprintf("Up to %s waited for the migration.", plural(queue, "session")))
	}
	return strings.Join(parts, " ")
}
