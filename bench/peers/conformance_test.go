package peers

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	xsam "github.com/XSAM/otelsql"
	"github.com/luna-duclos/instrumentedsql"
	"github.com/ngrok/sqlmw"
	sqldblogger "github.com/simukti/sqldb-logger"
	uptrace "github.com/uptrace/opentelemetry-go-extra/otelsql"
	nhat "go.nhat.io/otelsql"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/drivertest"
)

var update = flag.Bool("update", false, "rewrite CONFORMANCE.md; run it with Go 1.27")

// page holds the table, after what explains it.
const page = "CONFORMANCE.md"

// ours is the one wrapper that has to pass.
const ours = "sqlwitness"

// wrappers are tried as their users have them: everything is on that is on by
// default.
var wrappers = []struct {
	name  string
	under func(testing.TB) drivertest.Wrapper
}{
	{ours, func(t testing.TB) drivertest.Wrapper {
		cfg := sqlwitness.Config{LogOutput: io.Discard}
		cfg.Audit.Spool = t.TempDir() + "/spool.jsonl"
		w, err := sqlwitness.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close(context.Background()) })
		return drivertest.Wrapper{Wrap: w.Wrap, Unwrap: sqlwitness.Unwrap}
	}},
	{"ngrok/sqlmw", ofDriver(func(d driver.Driver) driver.Driver { return sqlmw.Driver(d, sqlmw.NullInterceptor{}) })},
	{"XSAM/otelsql", func(testing.TB) drivertest.Wrapper {
		return drivertest.Wrapper{
			Open: func(c driver.Connector) *sql.DB {
				return xsam.OpenDB(c, xsam.WithTracerProvider(tracenoop.NewTracerProvider()), xsam.WithMeterProvider(metricnoop.NewMeterProvider()))
			},
			Unwrap: func(c any) any {
				if r, ok := c.(interface{ Raw() driver.Conn }); ok {
					return r.Raw()
				}
				return c
			},
		}
	}},
	{"uptrace/otelsql", func(testing.TB) drivertest.Wrapper {
		return drivertest.Wrapper{Open: func(c driver.Connector) *sql.DB {
			return uptrace.OpenDB(c, uptrace.WithTracerProvider(tracenoop.NewTracerProvider()), uptrace.WithMeterProvider(metricnoop.NewMeterProvider()))
		}}
	}},
	{"nhatthm/otelsql", ofDriver(func(d driver.Driver) driver.Driver {
		return nhat.Wrap(d, nhat.TraceAll(), nhat.WithTracerProvider(tracenoop.NewTracerProvider()), nhat.WithMeterProvider(metricnoop.NewMeterProvider()))
	})},
	{"instrumentedsql", ofDriver(func(d driver.Driver) driver.Driver { return instrumentedsql.WrapDriver(d) })},
	{"sqldb-logger", func(testing.TB) drivertest.Wrapper {
		return drivertest.Wrapper{Open: func(c driver.Connector) *sql.DB {
			return sqldblogger.OpenDriver("", drivertest.DriverOf(c), discard{})
		}}
	}},
}

func ofDriver(wrap func(driver.Driver) driver.Driver) func(testing.TB) drivertest.Wrapper {
	return func(testing.TB) drivertest.Wrapper {
		return drivertest.Wrapper{Wrap: func(c driver.Connector) driver.Connector {
			return drivertest.ConnectorOf(wrap(drivertest.DriverOf(c)), "")
		}}
	}
}

// TestConformance says which of the kit's rules each wrapper breaks, and fails
// if that is not what CONFORMANCE.md says, or if a rule is broken by ours. With
// -v it shows the first difference of each broken rule.
//
// A case runs in a process of its own, since a panic on a goroutine of
// database/sql's cannot be contained.
func TestConformance(t *testing.T) {
	cases := drivertest.Cases()
	verdicts := map[string][]string{} // a row for each case
	for _, c := range cases {
		verdicts[c.Name] = make([]string, len(wrappers))
	}
	var mu sync.Mutex
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			for i, w := range wrappers {
				t.Run(w.name+"/"+c.Name, func(t *testing.T) {
					t.Parallel()
					v, why := judge(t, w.name, c.Name)
					if v == breaks && w.name == ours {
						t.Error(why)
					} else if why != "" {
						t.Log(why)
					}
					mu.Lock()
					defer mu.Unlock()
					verdicts[c.Name][i] = v
				})
			}
		}
	})
	if t.Failed() {
		return
	}
	got := table(cases, verdicts)
	t.Logf("\n%s", got)
	compare(t, got)
}

// The verdicts of a case.
const (
	holds   = "ok"
	breaks  = "**breaks**"
	without = "none" // the wrapper does not have what the case is about
)

const (
	ask    = "DRIVERTEST_CASE" // the environment variable: wrapper|case
	answer = "RESULT "         // the beginning of the line
)

// judge has another process of this program play a case.
func judge(t *testing.T, wrapper, name string) (verdict, why string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestOneCase$", "-test.v")
	cmd.Env = append(os.Environ(), ask+"="+wrapper+"|"+name)
	out, err := cmd.CombinedOutput()
	for line := range bytes.Lines(out) {
		said, ok := bytes.CutPrefix(line, []byte(answer))
		if !ok {
			continue
		}
		var r drivertest.Result
		if err := json.Unmarshal(said, &r); err != nil {
			t.Fatal(err)
		}
		switch {
		case r.Skipped:
			return without, ""
		case !r.OK():
			return breaks, r.String()
		}
		return holds, ""
	}
	if err == nil {
		t.Fatalf("no result:\n%s", out)
	}
	return breaks, fmt.Sprintf("it ends the program: %v\n%.2000s", err, out)
}

// TestOneCase is what the other process runs.
func TestOneCase(t *testing.T) {
	wrapper, name, ok := strings.Cut(os.Getenv(ask), "|")
	if !ok {
		t.Skip("it is TestConformance's")
	}
	for _, w := range wrappers {
		for _, c := range drivertest.Cases() {
			if w.name != wrapper || c.Name != name {
				continue
			}
			line, err := json.Marshal(c.Check(w.under(t)))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Printf("\n%s%s\n", answer, line)
		}
	}
}

func table(cases []drivertest.Case, verdicts map[string][]string) string {
	var b strings.Builder
	row := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	names, broken := []string{}, []string{}
	for i, w := range wrappers {
		names = append(names, w.name)
		n := 0
		for _, vs := range verdicts {
			if vs[i] == breaks {
				n++
			}
		}
		broken = append(broken, fmt.Sprint(n))
	}
	row(slices.Concat([]string{"case", "rule"}, names)...)
	row(slices.Repeat([]string{"---"}, len(names)+2)...)
	for _, c := range cases {
		row(slices.Concat([]string{c.Name, c.Rule}, verdicts[c.Name])...)
	}
	row(slices.Concat([]string{"rules broken", fmt.Sprintf("of %d", len(cases))}, broken)...)
	return b.String()
}

// compare compares the table with the page's, or rewrites it.
func compare(t *testing.T, got string) {
	t.Helper()
	old, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(old, []byte("| case |"))
	if i < 0 {
		t.Fatalf("%s has no table", page)
	}
	before, was := string(old[:i]), string(old[i:])
	if *update {
		if !scanners {
			t.Fatal("-update is for Go 1.27: the one before has no RowsColumnScanner")
		}
		if err := os.WriteFile(page, []byte(before+got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !scanners { // one rule is about what this Go has not got
		got, was = unscanned(got), unscanned(was)
	}
	if got != was {
		t.Errorf("%s differs: look at what has changed, and run this test with -update\n%s", page, lines(was, got))
	}
}

var scanningRows = regexp.MustCompile(`(?m)^\| (scanned by the driver|rules broken) \|.*\n`)

func unscanned(table string) string { return scanningRows.ReplaceAllString(table, "") }

// lines are those that differ.
func lines(was, is string) string {
	var b strings.Builder
	olds, news := strings.Split(was, "\n"), strings.Split(is, "\n")
	for _, l := range olds {
		if !slices.Contains(news, l) {
			b.WriteString("- " + l + "\n")
		}
	}
	for _, l := range news {
		if !slices.Contains(olds, l) {
			b.WriteString("+ " + l + "\n")
		}
	}
	return b.String()
}
