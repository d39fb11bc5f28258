package alert

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestEveryRuleHasARunbook keeps links from leading nowhere.
func TestEveryRuleHasARunbook(t *testing.T) {
	for _, rule := range Rules() {
		text, err := os.ReadFile("../docs/runbooks/" + rule + ".md")
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range []string{"# " + rule + "\n", "## What it means", "## What to do", "## When it does not fire"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s.md lacks %q", rule, part)
			}
		}
	}
}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	for _, sc := range scenarios(t, "testdata/scenarios") {
		play(t, sc, "", func(a *event.Alert) {
			switch {
			case utf8.RuneCountInString(a.Title) > maxTitle:
				t.Errorf("%s: the title is too long: %s", sc.Name, a.Title)
			case !strings.HasPrefix(a.Title, "["):
				t.Errorf("%s: the title has no state: %s", sc.Name, a.Title)
			case len(a.Details) == 0:
				t.Errorf("%s: %s: there are no details", sc.Name, a.Title)
			case a.Fingerprint == "" || a.Episode == 0 || a.Since.IsZero() || a.At.IsZero() || a.Runbook == "" || a.SuppressWith == "":
				t.Errorf("%s: a field is missing: %+v", sc.Name, a)
			}
		})
	}
}

func TestTheSQLFitsTheBlockersState(t *testing.T) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 123456000, time.FixedZone("", 3600))
	pg, my := event.Database{System: "postgresql"}, event.Database{System: "mysql"}
	for _, test := range []struct {
		db   event.Database
		s    event.Session
		want string
	}{
		{pg, event.Session{PID: 7, State: "active", Started: start}, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = 7 AND backend_start = '2026-11-24 11:00:00.123456+00:00'"},
		{pg, event.Session{PID: 7, State: "idle in transaction", Started: start}, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = 7 AND backend_start = '2026-11-24 11:00:00.123456+00:00'"},
		{pg, event.Session{PID: 7}, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = 7"},
		{pg, event.Session{Prepared: `x'; DROP TABLE t; --`}, `ROLLBACK PREPARED 'x''; DROP TABLE t; --'`},
		{pg, event.Session{Prepared: `x\'`}, `ROLLBACK PREPARED E'x\\'''`},
		{my, event.Session{PID: 7, State: "Query"}, "KILL QUERY 7"},
		{my, event.Session{PID: 7, State: "Sleep"}, "KILL 7"},
		{event.Database{System: "sqlite"}, event.Session{PID: 7}, ""},
	} {
		if got := blockerStep(test.db, test.s).SQL; got != test.want {
			t.Errorf("%+v:\n%s\nwant\n%s", test.s, got, test.want)
		}
	}
}

func TestAMissingGrantIsNamed(t *testing.T) {
	steps := pictureSteps(event.Look{Database: event.Database{System: "postgresql"}, Picture: &event.Picture{Session: event.Session{PID: 2, Wait: &event.Wait{}},
		Blockers: []event.Session{{PID: 7}}, Queue: 3, Missing: []event.Missing{{What: "the queries of others", Fix: "GRANT pg_monitor TO app"}}}})
	var sql []string
	for _, s := range steps {
		sql = append(sql, s.SQL)
	}
	want := "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = 2|SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = 7|SET lock_timeout = '5s'|GRANT pg_monitor TO app"
	if got := strings.Join(sql, "|"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestNamesCannotBreakOut(t *testing.T) {
	v := "it's \"0042\"\n; rm -rf /"
	in := &instance{condition: condition{rule: LockWait, version: &v}}
	if got, want := suppressCommand(in), `'rule="lock_wait",migration="it'\''s \"0042\"\n; rm -rf /"'`; !strings.Contains(got, want) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := slackEscape("<!channel> & <http://x|y>"); strings.ContainsAny(got, "<>") {
		t.Error(got)
	}
	if got := clip("a\x1b[31m\nb\u202e"+strings.Repeat("ä", 200), 10); strings.ContainsAny(got, "\x1b\n\u202e") || utf8.RuneCountInString(got) != 10 {
		t.Errorf("%q", got)
	}
}

func TestTheFingerprintHoldsNothingOfAProcess(t *testing.T) {
	v := "1"
	a := condition{rule: LockWait, db: event.Database{System: "postgresql", Name: "app"}, version: &v, object: "t", severity: event.Info, Trace: event.Trace{RunID: "1", MigrationID: "2"}, says: "x", size: 1}
	b := a
	b.severity, b.Trace, b.says, b.size = event.Critical, event.Trace{RunID: "3"}, "y", 2
	if a.fingerprint() != b.fingerprint() {
		t.Error("it differs between replicas")
	}
	for what, change := range map[string]func(*condition){
		"rule": func(c *condition) { c.rule = Stalled }, "database": func(c *condition) { c.db.Name = "other" }, "migration": func(c *condition) { c.version = nil },
		"class": func(c *condition) { c.class = "x" }, "object": func(c *condition) { c.object = "u" },
	} {
		b := a
		if change(&b); a.fingerprint() == b.fingerprint() {
			t.Errorf("another %s has the same one", what)
		}
	}
}

// TestDocumentedRules: docs/configuration.md has the rules with their defaults.
func TestDocumentedRules(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	duration := func(d time.Duration) string {
		if d == 0 {
			return "–"
		}
		return "`" + strings.Replace(d.String(), "m0s", "m", 1) + "`"
	}
	for _, name := range Rules() {
		r := builtin[name]
		threshold := duration(r.After)
		if r.Count > 0 {
			threshold = strconv.Itoa(r.Count)
		}
		row := "| [`" + name + "`](runbooks/" + name + ".md) | " + string(r.Severity) + " | " + threshold + " | " + duration(r.For) + " | " + duration(r.KeepFiring) + " |"
		if !strings.Contains(string(text), row+"\n") {
			t.Errorf("docs/configuration.md lacks\n%s", row)
		}
	}
}

// TestBrief: a duration is as exact as it is short, and never nothing.
func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		330 * time.Microsecond: "330µs", 12345 * time.Microsecond: "12ms", 1234 * time.Millisecond: "1.2s",
		45 * time.Second: "45s", 90 * time.Second: "1m30s", 2*time.Minute + 100*time.Millisecond: "2m", 2 * time.Hour: "2h",
	} {
		if got := brief(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
