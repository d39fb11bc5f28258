package main

import (
	"cmp"
	"fmt"
	"time"
)

// chart lays a run out in time: lanes from above to below, bars from left to
// right, all in per cent of the width.
type chart struct {
	Ticks []chartTick
	Lanes []chartLane
}

type chartTick struct {
	At    float64
	Label string
}

type chartLane struct {
	Name  string
	Class string // of what it shows: run, migration, statement, lock, blocker
	Bars  []chartBar
}

type chartBar struct {
	Left, Width float64
	Class       string // run, applied, failed, other, statement, wait, hold, blocker
	Tip         string
}

// leastWidth of a bar that is to be seen.
const leastWidth = 0.3

func newChart(r *runReport) *chart {
	start, end := r.Start, r.End
	for _, b := range r.Blockers {
		end = later(end, b.To)
	}
	whole := end.Sub(start)
	if whole <= 0 {
		whole = time.Millisecond
	}
	bar := func(from, to time.Time, class, tip string) chartBar {
		left := 100 * min(1, max(0, float64(from.Sub(start))/float64(whole)))
		width := 100*min(1, max(0, float64(to.Sub(start))/float64(whole))) - left
		left = min(left, 100-leastWidth)
		return chartBar{round(left), round(max(width, leastWidth)), class, tip}
	}
	c := &chart{Ticks: ticks(whole)}
	c.Lanes = append(c.Lanes, chartLane{cmp.Or(r.Tool, "run"), "run", []chartBar{bar(start, r.End, "run", r.headline())}})
	for _, l := range r.notableLocks() {
		lane := chartLane{Name: l.Kind + " lock " + l.Key, Class: "lock"}
		if l.Waited() > 0 {
			lane.Bars = append(lane.Bars, bar(l.WaitedFrom, l.WaitedTo, "wait", fmt.Sprintf("waited %s, %s, %s", short(l.Waited()), plural(l.Attempts, "attempt"), l.Outcome)))
		}
		if l.Held() > 0 {
			lane.Bars = append(lane.Bars, bar(l.HeldFrom, l.HeldTo, "hold", "held for "+short(l.Held())))
		}
		c.Lanes = append(c.Lanes, lane)
	}
	statements := func(of string) {
		for _, s := range r.Slow {
			if s.Migration != of {
				continue
			}
			class := "statement"
			if s.Failed {
				class = "failed"
			}
			lane := chartLane{Name: s.Summary, Class: "statement", Bars: []chartBar{bar(s.Start, s.End, class, short(s.Took())+": "+fit(oneLine(s.Text), 300))}}
			if s.WaitsFor != "" {
				lane.Bars = append(lane.Bars, bar(s.WaitedFrom, s.WaitedTo, "wait", fmt.Sprintf("seen waiting for %s on %s, %s behind it", s.WaitMode, s.WaitsFor, plural(s.Queue, "session"))))
			}
			c.Lanes = append(c.Lanes, lane)
		}
	}
	known := map[string]bool{}
	for _, m := range r.Migrations {
		class := "other"
		if m.Outcome == "applied" || m.Outcome == "failed" {
			class = m.Outcome
		}
		known[m.ID] = true
		c.Lanes = append(c.Lanes, chartLane{m.Name() + " " + m.Direction, "migration", []chartBar{bar(m.Start, m.End, class, m.Said()+" after "+short(m.Took()))}})
		statements(m.ID)
	}
	for _, s := range r.Slow {
		if !known[s.Migration] {
			known[s.Migration] = true
			statements(s.Migration)
		}
	}
	for _, b := range r.Blockers {
		c.Lanes = append(c.Lanes, chartLane{oneLine(fmt.Sprintf("pid %d %s", b.PID, b.Who())), "blocker", []chartBar{bar(b.From, b.To, "blocker",
			fmt.Sprintf("%s, in the way of %s; last statement: %s", b.State, b.On, fit(oneLine(b.Query), 300)))}})
	}
	return c
}

// ticks divide a time at round moments.
func ticks(whole time.Duration) (list []chartTick) {
	step := time.Millisecond
	for _, next := range []time.Duration{2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000, 14_400_000} {
		if whole/step <= 8 {
			break
		}
		step = next * time.Millisecond
	}
	for at := time.Duration(0); at <= whole; at += step {
		list = append(list, chartTick{round(100 * float64(at) / float64(whole)), at.String()})
	}
	return list
}

// round keeps the page short: three digits are finer than a screen.
func round(f float64) float64 { return float64(int64(f*1000+0.5)) / 1000 }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
