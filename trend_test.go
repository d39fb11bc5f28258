package sqlwitness

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
)

// TestTrend: a migration that the trail knows is compared with what it was.
func TestTrend(t *testing.T) {
	for _, s := range servers {
		t.Run(s.driver, func(t *testing.T) {
			k := &measured{}
			w := newWitness(t, Config{Sinks: []event.Sink{k}})
			db, err := w.Open(s.driver, s.dsn(t))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			run := func(version int, body ...string) { migrates(t, w, db, version, func() {}, body...) }
			users := []string{"CREATE TABLE IF NOT EXISTS users (id int)", "INSERT INTO users VALUES (1)"}
			run(1, users...)
			if len(k.trends) > 0 {
				t.Fatalf("the first run is compared: %+v", k.trends)
			}
			users[1] = "INSERT INTO users VALUES (2)" // the same but for a literal
			run(1, users...)
			run(1, "CREATE TABLE IF NOT EXISTS accounts (id int)") // another application's version 1
			if len(k.trends) != 2 {
				t.Fatalf("%d trends: %+v", len(k.trends), k.trends)
			}
			again, other := k.trends[0], k.trends[1]
			if again.Tool != "goose" || again.RunID == "" || again.Applied != 1 || again.EarlierRuns != 1 || again.Compared != 1 {
				t.Errorf("run again: %+v", again)
			}
			if other.EarlierRuns != 2 || other.Compared != 0 {
				t.Errorf("another: %+v", other)
			}
		})
	}
}

// TestTrendOf: what counts as slower, and what it is compared with.
func TestTrendOf(t *testing.T) {
	past := func(run, version, statements string, took ...time.Duration) (list []audit.Past) {
		for _, d := range took {
			list = append(list, audit.Past{Run: run, Tool: "goose", Version: &version, Direction: event.Up, Outcome: event.Applied, Duration: d, Statements: statements})
		}
		return list
	}
	many := func(n int, took time.Duration) (list []audit.Past) {
		for i := range n {
			list = append(list, past("earlier "+strconv.Itoa(i), "1", "a", took)...)
		}
		return list
	}
	failed := past("me", "1", "a", time.Hour)
	failed[0].Outcome = event.Failed
	const ms = time.Millisecond
	for _, c := range []struct {
		name             string
		past             [][]audit.Past // the last one first
		runs             int
		earlier          time.Duration
		compared, slower int
	}{
		{"three times as long", [][]audit.Past{past("me", "1", "a", 3*time.Second), past("x", "1", "a", time.Second)}, 1, time.Second, 1, 1},
		{"not quite", [][]audit.Past{past("me", "1", "a", 2999*ms), past("x", "1", "a", time.Second)}, 1, time.Second, 1, 0},
		{"less than a second", [][]audit.Past{past("me", "1", "a", 999*ms), past("x", "1", "a", ms)}, 1, ms, 1, 0},
		{"the median of an even number", [][]audit.Past{past("me", "1", "a", 6*time.Second), past("x", "1", "a", time.Second), past("y", "1", "a", 3*time.Second)}, 2, 2 * time.Second, 1, 1},
		{"other statements", [][]audit.Past{past("me", "1", "a", time.Hour), past("x", "1", "b", ms)}, 1, ms, 0, 0},
		{"another version", [][]audit.Past{past("me", "2", "a", time.Hour), past("x", "1", "a", ms)}, 1, ms, 0, 0},
		{"statements not known", [][]audit.Past{past("me", "1", "", time.Hour), past("x", "1", "", ms)}, 1, ms, 0, 0},
		{"failed", [][]audit.Past{failed, past("x", "1", "a", ms)}, 1, ms, 0, 0},
		{"beside another run", [][]audit.Past{past("later", "1", "a", ms), past("me", "1", "a", time.Hour), past("beside", "1", "a", ms), past("me", "2", "b", ms), past("x", "1", "a", time.Hour)}, 1, time.Hour, 1, 0},
		{"the last twenty", [][]audit.Past{past("me", "1", "a", time.Hour), many(20, ms), past("x", "1", "a", time.Hour)}, 20, ms, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := trendOf(&event.Run{Trace: event.Trace{RunID: "me"}, Tool: "goose"}, slices.Concat(c.past...))
			if got == nil {
				t.Fatal("not compared")
			}
			if got.EarlierRuns != c.runs || got.EarlierMedian != c.earlier || got.Compared != c.compared || len(got.Slower) != c.slower {
				t.Errorf("%+v", got)
			}
		})
	}
	for name, list := range map[string][]audit.Past{"no earlier ones": past("me", "1", "a", ms), "not recorded": past("x", "1", "a", ms)} {
		if got := trendOf(&event.Run{Trace: event.Trace{RunID: "me"}, Tool: "goose"}, list); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
