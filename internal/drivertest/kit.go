package drivertest

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

// Wrapper is what is tested.
type Wrapper struct {
	// Wrap wraps a connector. It is called often: once for each play.
	Wrap func(driver.Connector) driver.Connector
	// Unwrap finds the parent's own connection behind what sql.Conn.Raw shows.
	// Nil, if the wrapper has no such function; then it is not tested.
	Unwrap func(any) any
}

// bare is the wrapper that is none.
var bare = Wrapper{
	Wrap:   func(c driver.Connector) driver.Connector { return c },
	Unwrap: func(c any) any { return c },
}

// patience is how long a play may take. It takes milliseconds, unless it hangs.
const patience = 5 * time.Second

// Run plays every case on every kind of driver that it applies to.
func Run(t *testing.T, w Wrapper) {
	t.Helper()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if c.unwraps && w.Unwrap == nil {
				t.Skip("the wrapper has no Unwrap")
			}
			var failed []string
			for _, k := range kinds() {
				if c.only != nil && !c.only(k.opts) {
					continue
				}
				if diff := c.compare(k.opts, w); diff != "" {
					failed = append(failed, k.name)
					if len(failed) == 1 { // the others are mostly the same
						t.Errorf("rule: %s\nbroken on a driver with %s:\n%s", c.rule, k.name, diff)
					}
				}
			}
			if len(failed) > 1 {
				t.Logf("broken on %d kinds of driver: %s", len(failed), strings.Join(failed, "; "))
			}
		})
	}
}

// testCase is a few calls and the rule that they test.
type testCase struct {
	name string
	rule string // what holds; a failure states it
	only func(fakedb.Options) bool
	play func(*play)

	anyOrder bool // calls happen at the same time
	unwraps  bool
}

// compare plays the case on a bare and on a wrapped driver and describes the
// first difference.
func (c testCase) compare(opts fakedb.Options, w Wrapper) string {
	want, got := perform(c, opts, bare), perform(c, opts, w)
	if diff := firstDifference("the caller", want.outcomes, got.outcomes); diff != "" {
		return diff
	}
	return firstDifference("the parent driver", want.calls, got.calls)
}

func firstDifference(who string, want, got []string) string {
	for i := range max(len(want), len(got)) {
		w, g := "nothing more", "nothing more"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			return fmt.Sprintf("%s sees, %d.:\n  bare:    %s\n  wrapped: %s", who, i+1, w, g)
		}
	}
	return ""
}

// record is what came of a play.
type record struct{ outcomes, calls []string }

// perform plays a case once.
func perform(c testCase, opts fakedb.Options, w Wrapper) record {
	p := newPlay(opts, w)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.play(p)
		p.do("close", func() (any, error) { return nil, p.db.Close() })
		p.do("connections left open", func() (any, error) { return p.fake.Open(), nil })
	}()
	select {
	case <-done:
	case <-time.After(patience):
		return record{outcomes: append(p.seen(), "it hangs")}
	}
	r := record{outcomes: p.seen()}
	for _, call := range p.fake.Calls() {
		if c.anyOrder {
			if !strings.HasSuffix(call.Method, "Context") {
				continue // how many connections it takes is chance
			}
			call.Conn = 0
		}
		r.calls = append(r.calls, call.String())
	}
	if c.anyOrder {
		slices.Sort(r.calls)
	}
	return r
}
