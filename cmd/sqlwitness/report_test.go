package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

func logReport(t *testing.T, name, run string) *runReport {
	t.Helper()
	r, err := reportOfLogFile("testdata/report/"+name+".jsonl", nil, run)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReportMarkdown(t *testing.T) {
	for _, name := range []string{"failed", "died"} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := markdownReport(&got, logReport(t, name, "")); err != nil {
				t.Fatal(err)
			}
			golden := "testdata/report/" + name + ".md"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("the report is\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

// The page needs nothing but itself, and shows names as what they are.
func TestReportHTML(t *testing.T) {
	var b bytes.Buffer
	if err := htmlReport(&b, logReport(t, "failed", "")); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, never := range []string{"<script", "<b>report", "http:", "https:", "ZgotmplZ", "<link", "url("} {
		if strings.Contains(page, never) {
			t.Errorf("the page contains %q", never)
		}
	}
	for _, want := range []string{
		`&lt;b&gt;report&lt;/b&gt;|` + "`x`", "goose failed, 1 applied, 1 failed in 16.7s", "prefers-color-scheme: dark",
		"SELECT pg_terminate_backend(815)", "DROP INDEX CONCURRENTLY public.orders_note",
		"Blocked for 10s by pid 815", "192 MiB to 45 GiB, 392 MiB of write-ahead log", "×5.8", "took 9.8s (99th percentile)",
		`<span class="bar wait" style="left:0.599%;width:14.371%"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := len(regexp.MustCompile(`<div class="lane (run|lock|migration|statement|blocker)">`).FindAllString(page, -1)); n != 8 {
		t.Errorf("the chart has %d lanes, want the run, a lock, two migrations with a statement each and two blockers", n)
	}
}

// A bar is where the times say, and always to be seen.
func TestChart(t *testing.T) {
	r := logReport(t, "failed", "")
	at := map[string][2]float64{}
	for _, lane := range newChart(r).Lanes {
		for _, b := range lane.Bars {
			at[lane.Name+"/"+b.Class] = [2]float64{b.Left, b.Width}
			if b.Left < 0 || b.Width < leastWidth || b.Left+b.Width > 100.001 {
				t.Errorf("%s: %s goes from %v for %v", lane.Name, b.Class, b.Left, b.Width)
			}
		}
	}
	of := func(seconds float64) float64 { return round(100 * seconds / 16.7) }
	for name, want := range map[string][2]float64{
		"goose/run":                             {0, 100},
		"advisory lock 4097083626/wait":         {of(0.1), of(2.4)},
		"4 up/applied":                          {of(2.6), of(11.7)},
		"ALTER TABLE orders/statement":          {of(2.7), of(11.5)},
		"ALTER TABLE orders/wait":               {of(2.7), of(10)}, // as far as it was seen
		"5 up/failed":                           {of(14.4), of(2.1)},
		"pid 815 app <b>report</b>|`x`/blocker": {of(2.7), of(10)},
	} {
		got, ok := at[name]
		if !ok || abs(got[0]-want[0]) > 0.01 || abs(got[1]-want[1]) > 0.01 {
			t.Errorf("%s is at %v, want %v", name, got, want)
		}
	}
}

func abs(f float64) float64 { return max(f, -f) }

func TestReportOfRun(t *testing.T) {
	if r := logReport(t, "failed", "r1"); r.Outcome != "noop" || len(r.Migrations) != 0 || !r.good() {
		t.Errorf("the first run is %+v", r)
	}
	for input, want := range map[string]string{
		"":            "no run in the log",
		"{}\nplain\n": "no run in the log",
		`{"time":"2026-03-04T05:06:07Z","event":"run.started","run_id":"a"}`: "",
	} {
		_, err := reportOfLog(strings.NewReader(input), "")
		if got := errorText(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", input, got, want)
		}
	}
	if _, err := reportOfLog(strings.NewReader(`{"time":"2026-03-04T05:06:07Z","event":"run.started","run_id":"a"}`), "b"); err == nil {
		t.Error("a run that is not there was found")
	}
}

// Lines of no run are found again where they stood, in a file and in a pipe.
func TestReportOfOtherLines(t *testing.T) {
	const log = `{"time":"2026-03-04T05:06:00Z","event":"finding","message":"before"}

not the witness's
{"time":"2026-03-04T05:06:07Z","event":"run.started","run_id":"a"}
  {"time":"2026-03-04T05:06:08Z","event":"finding","message":"during"}
{"time":"2026-03-04T05:06:09Z","event":"run.finished","run_id":"a","outcome":"ok","duration_ms":2000}
{"time":"2026-03-04T05:06:10Z","event":"finding","message":"after"}`
	file := filepath.Join(t.TempDir(), "log.jsonl")
	if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, "-"} {
		r, err := reportOfLogFile(path, strings.NewReader(log), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Findings) != 1 || r.Findings[0].Message != "during" || len(r.Notes) != 1 {
			t.Errorf("%s: %+v, %q", path, r.Findings, r.Notes)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What comes from outside stays in its cell and is no markup.
func TestMarkdownEscapes(t *testing.T) {
	for in, want := range map[string]string{
		`a\b`:          `a\\b`,
		"<img src=x>":  "&lt;img src=x&gt;",
		"@team [x](y)": `&#64;team \[x\](y)`,
		"two\nlines":   "two lines",
	} {
		if got := mdText(in); got != want {
			t.Errorf("mdText(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"":        "",
		"a`b``c":  "```a`b``c```",
		"`a":      "`` `a ``",
		"a\n\tb ": "`a b`",
	} {
		if got := mdCode(in); got != want {
			t.Errorf("mdCode(%q) = %q, want %q", in, got, want)
		}
	}
	var b strings.Builder
	mdTable(&b, "T", "A | B", func(row func(...string)) { row(mdText("x|y"), mdCode("p || q")) })
	if want := "| x\\|y | `p \\|\\| q` |\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("the row is %q, want %q", b.String(), want)
	}
	if got := mdBlock("a\n```\nb"); got != "````sql\na\n```\nb\n````" {
		t.Errorf("mdBlock: %q", got)
	}
}

// The trail is read as it is, and whoever has the database may have rewritten it.
func TestMarkdownOfForgedTrail(t *testing.T) {
	const bad = "up\n\n<img src=x>"
	r := reportOfEntries("r", []*trailEntry{{Attempt: "a", Kind: "outcome", Run: bad, Tool: bad, Direction: bad, Outcome: bad, Guarantee: bad, ErrorClass: bad, After: bad}})
	r.Locks = []*reportLock{{Kind: bad, Key: bad, Outcome: bad, Anomaly: bad}}
	var b strings.Builder
	if err := markdownReport(&b, r); err != nil {
		t.Fatal(err)
	}
	if outside := regexp.MustCompile("`[^`]*`").ReplaceAllString(b.String(), ""); strings.Contains(outside, "<img") {
		t.Errorf("markup got through:\n%s", outside)
	}
}

func TestTicks(t *testing.T) {
	for _, whole := range []time.Duration{time.Millisecond, 7 * time.Millisecond, time.Second, 16700 * time.Millisecond, time.Hour, 30 * time.Hour} {
		if n := len(ticks(whole)); n < 2 || n > 10 {
			t.Errorf("%v has %d ticks", whole, n)
		}
	}
}

func TestReportArguments(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		errs string
	}{
		{"", exitNotDone, "either -log or -dsn"},
		{"-log a -dsn b", exitNotDone, "either -log or -dsn"},
		{"-log testdata/report/failed.jsonl more", exitNotDone, `no argument "more"`},
		{"-log testdata/report/none.jsonl", exitNotDone, "no such file"},
		{"-log testdata/report/failed.jsonl", exitBad, ""},
		{"-log testdata/report/failed.jsonl -run r1", exitOK, ""},
		{"-log testdata/report/failed.jsonl -md /nowhere/x", exitNotDone, "/nowhere/x"},
		{"-dsn oracle://u:secret@h/d", exitNotDone, "-dsn must begin with"},
		{"-dsn postgres://u:se%cret@h/d", exitNotDone, "invalid URL escape"},
		{"-nope", exitNotDone, "not defined"},
		{"-h", exitOK, "Usage"},
	} {
		t.Run(c.args, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := reportCommand(context.Background(), strings.Fields(c.args), strings.NewReader(""), &out, &errs)
			if code != c.code || !strings.Contains(errs.String(), c.errs) {
				t.Errorf("exit %d, stderr %q; want %d, %q", code, errs.String(), c.code, c.errs)
			}
			if strings.Contains(errs.String(), "secret") {
				t.Error("the password is shown")
			}
		})
	}
}

// What is not known is left out, or said to be unknown.
func TestReportUsed(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	for _, c := range []struct {
		system string
		r      *reportResources
		want   string
	}{
		{"postgresql", nil, ""},
		{"postgresql", &reportResources{}, "its size is unknown."},
		{"mariadb", &reportResources{WAL: n(2048), Missing: []string{"GRANT PROCESS ON *.* TO app"}}, "its size is unknown, 2.0 KiB of redo log. More is known after GRANT PROCESS ON *.* TO app."},
		{"postgresql", &reportResources{SizeAfter: n(1 << 20), Growth: n(0), Deadlocks: n(0)}, "its size is 1.0 MiB, 0 deadlocks."},
		{"postgresql", &reportResources{SizeAfter: n(1 << 20), Growth: n(-1024), Temp: n(512), Lag: new(time.Second)}, "its size shrank by 1.0 KiB to 1.0 MiB, 512 B of temporary files, its slowest standby was 1s behind at the end."},
	} {
		r := &runReport{System: c.system, Resources: c.r}
		if got := strings.TrimPrefix(r.used(), "The server, in all its sessions: "); got != c.want {
			t.Errorf("used up %q, want %q", got, c.want)
		}
	}
}

func TestReportCompared(t *testing.T) {
	for _, c := range []struct {
		t    *reportTrend
		want string
	}{
		{nil, ""},
		{&reportTrend{Applied: 1, Median: time.Second, EarlierRuns: 1, EarlierMedian: 2 * time.Second}, "A migration took 1s (median of 1), and 2s in the run before it by this tool. None of them has been run before."},
		{&reportTrend{Applied: 2, Median: time.Second, EarlierRuns: 3, EarlierMedian: 2 * time.Second, Compared: 2}, "A migration took 1s (median of 2), and 2s in 3 earlier runs by this tool. Of 2 migrations that had been run before, none was much slower."},
	} {
		if got := (&runReport{Trend: c.t}).compared(); got != c.want {
			t.Errorf("compared %q, want %q", got, c.want)
		}
	}
}

// The log of an application has what another process's migration did to it, and
// that may be the last there is.
func TestReportElsewhere(t *testing.T) {
	const line = `{"time":"2026-03-04T05:06:50Z","event":"run.impact","run_id":"%s","db_system":"postgresql","db_name":"shop","tool":"goose","elsewhere":"lock",
"started":"2026-03-04T05:06:00Z","duration_ms":20000,"before":{"count":9000,"p99_ms":20,"per_second":1000},"during":{"count":0,"failed":2,"p99_ms":10000,"per_second":340},
"rate_ratio":0.34,"unanswered":11,"queue":12,"worst":{"text":"ALTER TABLE orders ADD paid boolean"},"blocker":{"pid":815,"application":"report","state":"idle in transaction"}}`
	one := func(run string) string { return strings.ReplaceAll(fmt.Sprintf(line, run), "\n", "") + "\n" }
	started := `{"time":"2026-03-04T05:05:59Z","event":"run.started","run_id":"r","tool":"goose"}` + "\n"
	for _, c := range []struct{ name, log, id, headline string }{
		{"nothing told which", one(""), "elsewhere-2026-03-04T05:06:00Z", "goose in another process, in 20s"},
		{"the trail told which", one("r"), "r", "goose in another process, in 20s"},
		{"both logs in one", started + one("r"), "r", "goose not finished in 51s"},
	} {
		r, err := reportOfLog(strings.NewReader(c.log), "")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if r.ID != c.id || r.headline() != c.headline || r.good() == (c.name == "both logs in one") {
			t.Errorf("%s: run %s, %s", c.name, r.ID, r.headline())
		}
		for _, want := range []string{"known by the lock", "took 10s (99th percentile)", "340 were answered per second, and 1000 before (-66 %)", "Up to 11 statements had no answer",
			"Up to 12 sessions waited for it: ALTER TABLE orders ADD paid boolean.", "waited for pid 815 report (idle in transaction)"} {
			if !strings.Contains(r.Impact, want) {
				t.Errorf("%s: %q is not in %q", c.name, want, r.Impact)
			}
		}
	}
}
