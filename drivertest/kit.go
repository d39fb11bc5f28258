package drivertest

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

// Wrapper is what is tested: one of Wrap and Open, and Unwrap if there is such
// a function. The functions are called from one goroutine at a time, but what
// they return is used by several.
type Wrapper struct {
	// Wrap wraps a connector. It is called often: once for each play. See
	// ConnectorOf and DriverOf for a wrapper of drivers.
	Wrap func(driver.Connector) driver.Connector
	// Open is for a wrapper that makes a pool at once and shows no connector. It
	// is called instead of Wrap, if it is not nil.
	Open func(driver.Connector) *sql.DB
	// Unwrap finds the parent's own connection behind what sql.Conn.Raw shows.
	// Nil, if the wrapper has no such function; then it is not tested.
	Unwrap func(any) any
}

func (w Wrapper) open(parent driver.Connector) *sql.DB {
	if w.Open != nil {
		return w.Open(parent)
	}
	return sql.OpenDB(w.Wrap(parent))
}

// bare is the wrapper that is none.
var bare = Wrapper{
	Wrap:   func(c driver.Connector) driver.Connector { return c },
	Unwrap: func(c any) any { return c },
}

// patience is how long a play may take. It takes milliseconds, unless it hangs.
const patience = 5 * time.Second

// Run plays every case on every kind of driver that it applies to, each case in
// a test of its own. A rule that the wrapper breaks fails the case's test, which
// says on which kinds of driver it is broken and shows the first difference.
func Run(t *testing.T, w Wrapper) {
	t.Helper()
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			r := c.Check(w)
			switch {
			case r.Skipped:
				t.Skip("the wrapper has no Unwrap")
			case !r.OK():
				t.Error(r)
			}
		})
	}
}

// Check does what Run does, and reports instead of failing: one result for each
// of Cases. A panic on one of database/sql's own goroutines ends the program, as
// it would end the wrapper's users'; whoever checks a wrapper that panics calls
// Case.Check in a process of its own for each case.
func Check(w Wrapper) []Result {
	var results []Result
	for _, c := range Cases() {
		results = append(results, c.Check(w))
	}
	return results
}

// Result is what came of a case.
type Result struct {
	Case
	// Skipped says that the case does not apply, for want of Unwrap.
	Skipped bool
	// Broken are the kinds of driver on which the wrapper breaks the rule, as "no
	// ExecerContext". After one on which it hangs no other is tried.
	Broken []string
	// Unseen are those on which more could not be seen than that one of the basic
	// things is broken there: a plain ping, exec, query, prepared statement or
	// transaction. They have cases of their own.
	Unseen []string
	// Difference is what the caller or the parent driver saw on the first of
	// these: the first thing that differs from the bare driver.
	Difference string
}

// OK says that the rule holds, or does not apply.
func (r Result) OK() bool { return len(r.Broken) == 0 }

// String says what is broken, where and how.
func (r Result) String() string {
	if r.OK() {
		return r.Name + ": ok"
	}
	s := fmt.Sprintf("rule: %s\nbroken on a driver with %s:\n%s", r.Rule, r.Broken[0], r.Difference)
	if len(r.Broken) > 1 {
		s += fmt.Sprintf("\nbroken on %d kinds of driver: %s", len(r.Broken), strings.Join(r.Broken, "; "))
	}
	return s
}

// Case is a few calls and the rule that they test.
type Case struct {
	Name string // a few words, unlike those of any other case
	Rule string // what holds if the wrapper is transparent

	only func(fakedb.Options) bool
	play func(*play)

	basic    bool // others can only be told if this one holds
	about    aspect
	anyOrder bool // calls happen at the same time
	unwraps  bool
}

// Cases are all the cases, by what they are about, in the same order each time.
func Cases() []Case {
	return slices.Concat(statementCases(), argumentCases(), rowsCases(), txCases(), contextCases(), errorCases(), poolCases())
}

// Check plays the case on every kind of driver that it applies to.
func (c Case) Check(w Wrapper) Result {
	r := Result{Case: c, Skipped: c.unwraps && w.Unwrap == nil}
	if r.Skipped {
		return r
	}
	for _, k := range kinds() {
		if c.only != nil && !c.only(k.opts) {
			continue
		}
		diff, hangs := c.compare(k.opts, w)
		if diff == "" {
			continue
		}
		if !c.basic && !hangs && basicsBroken(k.opts, w) {
			r.Unseen = append(r.Unseen, k.name)
			continue
		}
		if r.OK() { // the others are mostly the same
			r.Difference = diff
		}
		r.Broken = append(r.Broken, k.name)
		if hangs {
			break
		}
	}
	return r
}

func basicsBroken(opts fakedb.Options, w Wrapper) bool {
	return slices.ContainsFunc(Cases(), func(c Case) bool {
		if !c.basic {
			return false
		}
		diff, _ := c.compare(opts, w)
		return diff != ""
	})
}

// compare plays the case on a bare and on a wrapped driver and describes the
// first difference.
func (c Case) compare(opts fakedb.Options, w Wrapper) (diff string, hangs bool) {
	want, got := perform(c, opts, bare), perform(c, opts, w)
	if diff = firstDifference("the caller", want.outcomes, got.outcomes); diff == "" {
		diff = firstDifference("the parent driver", want.calls, got.calls)
	}
	return diff, got.hangs
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
type record struct {
	outcomes, calls []string
	hangs           bool
}

// perform plays a case once.
func perform(c Case, opts fakedb.Options, w Wrapper) record {
	p := newPlay(opts, c.about, w)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if v := catch(func() { p.db = w.open(p.fake.Connector()) }); v != nil {
			p.note(fmt.Sprintf("panic of the wrapping: %v", v))
			return
		}
		// One connection makes the order of calls certain: what database/sql does by
		// itself has been done when the connection is free again.
		p.db.SetMaxOpenConns(1)
		if v := catch(func() { c.play(p) }); v != nil {
			p.note(fmt.Sprintf("panic: %v", v))
		}
		p.do("close", func() (any, error) { return nil, p.db.Close() })
		p.do("connections left open", func() (any, error) { return p.fake.Open(), nil })
	}()
	select {
	case <-done:
	case <-time.After(patience):
		return record{outcomes: append(p.seen(), "it hangs"), hangs: true}
	}
	r := record{outcomes: p.seen()}
	for _, call := range p.fake.Calls() {
		if c.anyOrder {
			if !strings.HasSuffix(call.Method, "Context") {
				continue // how many connections it takes is chance
			}
			call.Conn = 0
		}
		if c.about.concerns(&call) {
			r.calls = append(r.calls, call.String())
		}
	}
	if c.anyOrder {
		slices.Sort(r.calls)
	}
	return r
}
