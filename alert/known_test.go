package alert

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestMatchers has the strings of Alertmanager's own parser tests, as far as
// its labels are ours.
func TestMatchers(t *testing.T) {
	values := map[string]string{"rule": "lock_wait", "migration": "0042_add", "db": "orders"}
	for text, want := range map[string]bool{
		``: true, `{}`: true, `rule=lock_wait`: true, `rule="lock_wait"`: true, ` rule = "lock_wait" `: true, `{rule="lock_wait"}`: true, `{ rule = "lock_wait" , }`: true,
		`rule!=lock_wait`: false, `rule!="other"`: true, `rule=~"lock_.*"`: true, `rule=~"lock"`: false, `rule=~".*wait"`: true, `rule!~"lock_.*"`: false, `rule!~"x"`: true,
		`rule="lock_wait",migration="0042_add"`: true, `rule="lock_wait",migration="0041"`: false, `{rule=lock_wait,db!=""}`: true, `tool=""`: true, `tool!=""`: false,
		`migration=~"\d+_add"`: true, `migration=~"0042,?_add"`: true, `"rule"="lock_wait"`: true, `migration=~"(0041|0042)_add"`: true, `object="a\"b"`: false, `db=~"orders|users"`: true,
	} {
		ms, err := parseMatchers(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := ms.match(values); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for text, want := range map[string]string{
		`rule`: "expected label", `rule="a`: "not closed", `{rule="a"`: "brace", `rule="a"}`: "brace", `rule==a`: "quote", `rule=~"("`: "missing", `alertname="a"`: "no label",
		`rule="a" migration="b"`: "comma", `rule=a b`: "quote", `,rule=a`: "expected label", `rule="a",,migration="b"`: "expected label",
	} {
		if _, err := parseMatchers(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v: want %q", text, err, want)
		}
	}
}

func FuzzMatchers(f *testing.F) {
	f.Add(`{rule=~"a\"b", migration!="x"}`)
	f.Fuzz(func(t *testing.T, text string) {
		if ms, err := parseMatchers(text); err == nil {
			ms.match(map[string]string{"rule": text})
		}
	})
}

func TestASuppressionSaysWhatWhyWhoAndUntilWhen(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	good := Suppression{Match: `rule="lock_wait"`, Reason: "known", Creator: "ann", Created: now, Expires: now.Add(time.Hour)}
	for want, change := range map[string]func(*Suppression){
		"":            func(*Suppression) {},
		"too much":    func(s *Suppression) { s.Match = `rule=~"lock.*"` },
		"no rule":     func(s *Suppression) { s.Match = `rule="lockwait"` },
		"too much: ":  func(s *Suppression) { s.Match = `rule=""` },
		"too much: n": func(s *Suppression) { s.Match = "" },
		"no label":    func(s *Suppression) { s.Match = `who="ann"` },
		"reason":      func(s *Suppression) { s.Reason = " " },
		"creator":     func(s *Suppression) { s.Creator = "" },
		"created":     func(s *Suppression) { s.Created = time.Time{} },
		"expires":     func(s *Suppression) { s.Expires = time.Time{} },
		"before":      func(s *Suppression) { s.Expires = now.Add(-time.Hour) },
		"30 days":     func(s *Suppression) { s.Expires = now.Add(31 * 24 * time.Hour) },
	} {
		s := good
		change(&s)
		err := s.Check()
		if want = strings.TrimSuffix(want, " n"); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(want, ": "))) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestVersionsAreComparedAsNumbersWhereTheyAre(t *testing.T) {
	for _, test := range []struct {
		version, until string
		covered        bool
	}{
		{"9", "10", true}, {"10", "10", false}, {"0010", "10", false}, {"11", "10", false}, {"20260101120000", "20260201000000", true},
		{"99999999999999999999999", "100000000000000000000000", true}, {"v1_b", "v1_c", true}, {"v1_c", "v1_c", false}, {"", "10", true}, {"5", "", true},
	} {
		if got := (Suppression{UntilVersion: test.until}).covers(test.version); got != test.covered {
			t.Errorf("%q until %q: %v", test.version, test.until, got)
		}
	}
}

func TestSuppressionsAreSavedAndLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known.json")
	if list, err := LoadSuppressions(path); err != nil || list != nil {
		t.Errorf("no file: %v, %v", list, err)
	}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	s := Suppression{Match: `rule="lock_wait"`, Reason: "known", Creator: "ann", Created: now, Expires: now.Add(time.Hour), Ticket: "T-1"}
	if err := SaveSuppressions(path, []Suppression{s}); err != nil {
		t.Fatal(err)
	}
	list, err := LoadSuppressions(path)
	if err != nil || len(list) != 1 || list[0].ID == "" {
		t.Fatal(list, err)
	}
	s.ID = list[0].ID
	if !reflect.DeepEqual(list[0], s) {
		t.Errorf("%+v", list[0])
	}
	if err := SaveSuppressions(path, []Suppression{{}}); err == nil {
		t.Error("a bad one was saved")
	}
	if again, err := LoadSuppressions(path); err != nil || len(again) != 1 {
		t.Error("a bad one has replaced the good ones")
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadSuppressions(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); err != nil || len(left) != 1 {
		t.Errorf("files are left: %v", left)
	}
}

// TestTheLifeOfASuppression follows one from its first hit to its end.
func TestTheLifeOfASuppression(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kinds []string
		now := time.Now()
		e, err := New(Config{Suppressions: []Suppression{{Match: `rule="migration_failed"`, Reason: "known", Creator: "ann", Created: now, Expires: now.Add(48 * time.Hour)}}},
			Deps{Suppression: func(s SuppressionEvent) { kinds = append(kinds, s.Kind+" after "+s.At.Sub(now).String()) }})
		if err != nil {
			t.Fatal(err)
		}
		e.Migration(failure("1"))
		time.Sleep(72 * time.Hour)
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"created after 0s", "hit after 10s", "expiring after 24h0m0s", "expired after 48h0m0s"}
		if !reflect.DeepEqual(kinds, want) {
			t.Errorf("%v: want %v", kinds, want)
		}
		if n := e.Stats().Changes[Change{MigrationFailed, event.Critical, event.Firing}]; n != 1 {
			t.Errorf("it fired %d times after the end of the suppression", n)
		}
	})
}

func TestABadFileOfSuppressionsIsTroubleAndNoAmnesia(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known.json")
	if err := os.WriteFile(path, []byte(`[{"match":"rule=~\".*\""}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	var troubles []event.Trouble
	e, err := New(Config{SuppressionFile: path}, Deps{Trouble: func(tr *event.Trouble) { troubles = append(troubles, *tr) }})
	if err != nil {
		t.Fatal(err)
	}
	e.Migration(failure("1"))
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(troubles) != 1 || troubles[0].Kind != "suppression_file" {
		t.Errorf("%+v", troubles)
	}
	if n := e.Stats().Changes[Change{MigrationFailed, event.Critical, event.Firing}]; n != 1 {
		t.Errorf("it fired %d times", n)
	}
}

func TestConfigurationMistakesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		`rules: {lockwait: {off: true}}`:                            "rules.lockwait",
		`rules: {lock_wait: {severity: high}}`:                      "rules.lock_wait.severity",
		`rules: {lock_wait: {count: 3}}`:                            "rules.lock_wait.count",
		`rules: {lock_pileup: {after: 3s}}`:                         "rules.lock_pileup.after",
		`rules: {lock_pileup: {count: -1}}`:                         "rules.lock_pileup.count",
		`expect: {"1": -1s}`:                                        "expect.1",
		`channels: [{kind: slack, url: x}]`:                         "channels[0].name",
		`channels: [{name: log, kind: slack, url: "http://x/"}]`:    "channels[0].name",
		`channels: [{name: a, kind: mail}]`:                         "channels[0].kind",
		`channels: [{name: a, kind: slack}]`:                        "channels[0].url",
		`channels: [{name: a, kind: alertmanager, url: "am:9093"}]`: "channels[0]: url",
		`channels: [{name: a, kind: pagerduty}]`:                    "channels[0].key",
		`channels: [{name: a, kind: exec}]`:                         "channels[0].command",
		`routes: [{channels: [nobody]}]`:                            "routes[0].channels",
		`routes: [{match: "who=me"}]`:                               "routes[0].match",
		`routes: [{match: "rule=lockwait"}]`:                        "routes[0].match",
		`suppressions: [{match: "rule=lock_wait"}]`:                 "suppressions[0]",
		`runbook_base: here`:                                        "runbook_base",
		`channels: [{name: a, kind: slack, url: "env:X"}, {name: a, kind: exec, command: [x]}]`: "channels[1].name",
	} {
		var c Config
		if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if err := c.Check(); err == nil || !strings.Contains(err.Error(), "alerts: "+want+": ") {
			t.Errorf("%s: %v: want %s", text, err, want)
		}
	}
	if err := (Config{}).Check(); err != nil {
		t.Error(err)
	}
}

func TestRouting(t *testing.T) {
	channels := []Channel{{Name: "pager", Kind: "pagerduty", Key: NewSecret("k")}, {Name: "chat", Kind: "slack", URL: NewSecret("http://x/")}}
	for name, test := range map[string]struct {
		c                       Config
		critical, warning, info string
	}{
		"defaults":        {Config{Channels: channels}, "log pager chat", "log chat", "log"},
		"no channels":     {Config{}, "log", "log", "log"},
		"another env":     {Config{Env: "dev", Channels: channels}, "log", "log", "log"},
		"first match":     {Config{Channels: channels, Routes: []Route{{Match: "severity=critical", Channels: []string{"pager"}}, {Channels: []string{"chat"}}}}, "log pager", "log chat", "log chat"},
		"continue":        {Config{Channels: channels, Routes: []Route{{Match: "severity=critical", Channels: []string{"pager"}, Continue: true}, {Channels: []string{"chat"}}}}, "log pager chat", "log chat", "log chat"},
		"to nobody":       {Config{Channels: channels, Routes: []Route{{Match: `rule="lock_wait"`}, {Channels: []string{"chat"}}}}, "log", "log", "log"},
		"dev, on purpose": {Config{Env: "dev", Channels: channels, Routes: []Route{{Match: "env=dev", Channels: []string{"chat"}}}}, "log chat", "log chat", "log chat"},
	} {
		table, err := Routing(test.c)
		if err != nil || len(table) != 3*len(Rules()) {
			t.Fatalf("%s: %d rows, %v", name, len(table), err)
		}
		got := map[event.Severity]string{}
		for _, r := range table {
			if r.Rule == LockWait {
				got[r.Severity] = strings.Join(r.Channels, " ")
			}
		}
		if want := map[event.Severity]string{event.Critical: test.critical, event.Warning: test.warning, event.Info: test.info}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v: want %v", name, got, want)
		}
		var b strings.Builder
		if err := table.Print(&b); err != nil || strings.Count(b.String(), "\n") != len(table) {
			t.Error(b.String(), err)
		}
	}
}

func TestTheOutboxSurvivesTornLinesAndGrowth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "outbox.jsonl")
	ctx := context.Background()
	a, b := NewFileOutbox(path), NewFileOutbox(path)
	entry := func(fp string, waiting ...string) Entry {
		return Entry{Alert: event.Alert{Fingerprint: fp, Episode: 1, Title: strings.Repeat("t", 1000)}, Waiting: waiting}
	}
	open := func(o Outbox) (fps []string) {
		t.Helper()
		list, err := o.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			fps = append(fps, e.Alert.Fingerprint+strings.Join(e.Waiting, ""))
		}
		return fps
	}
	if got := open(a); got != nil {
		t.Errorf("an outbox that was never written to: %v", got)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.Put(ctx, entry("1", "chat")))
	must(b.Put(ctx, entry("2")))
	must(a.Put(ctx, entry("1")))
	must(b.Remove(ctx, "2", 1))
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(err)
	_, err = f.WriteString(`{"fingerprint":"9","epi`)
	must(err)
	must(f.Close())
	must(b.Put(ctx, entry("3")))
	if got := open(b); !reflect.DeepEqual(got, []string{"1", "3"}) {
		t.Errorf("%v", got)
	}
	for range 1100 {
		must(a.Put(ctx, entry("4")))
	}
	for range 2 {
		if got := open(a); !reflect.DeepEqual(got, []string{"1", "3", "4"}) {
			t.Errorf("%v", got)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 10_000 {
		t.Errorf("it was not rewritten: %v, %v", info.Size(), err)
	}
}

func TestAnIdleEngineSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looked atomic.Int64 // at the clock: an engine that wakes up looks at it
		e, err := New(Config{}, Deps{Now: func() time.Time { looked.Add(1); return time.Now() }})
		if err != nil {
			t.Fatal(err)
		}
		e.Migration(failure("1"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := e.Stats().Changes[Change{MigrationFailed, event.Critical, event.Firing}]; n != 1 {
			t.Errorf("it fired %d times", n)
		}
		before := looked.Load()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := looked.Load() - before; n != 0 {
			t.Errorf("with an alert open and nothing pending it woke up and looked at the clock %d times", n)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAKnownIssueThatFlapsDisturbsNobody, not even with its end.
func TestAKnownIssueThatFlapsDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		p := &posts{begin: now, show: func(b []byte) string { return string(b) }}
		e, err := New(Config{
			Channels:     []Channel{{Name: "c", Kind: "webhook", URL: NewSecret("http://c.test/")}},
			Rules:        map[string]Rule{AuditFailure: {For: -1, KeepFiring: -1}},
			Suppressions: []Suppression{{Match: `rule="audit_failure"`, Reason: "r", Creator: "c", Created: now, Expires: now.Add(24 * time.Hour)}},
		}, Deps{HTTP: &http.Client{Transport: p}})
		if err != nil {
			t.Fatal(err)
		}
		for range 6 {
			for _, over := range []bool{false, true} {
				e.Trouble(&event.Trouble{Part: "audit", Kind: "unreachable", Over: over})
				time.Sleep(time.Second)
			}
		}
		time.Sleep(time.Hour)
		if err := e.Close(t.Context()); err != nil || p.count() > 0 {
			t.Errorf("%v, told %s", err, p)
		}
	})
}

// TestTheFileKeepsItsMode: the operator who makes an issue known is often another
// user than the service that reads it.
func TestTheFileKeepsItsMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known.json")
	now := time.Now()
	for _, mode := range []fs.FileMode{0o644, 0o640} {
		if err := SaveSuppressions(path, []Suppression{{Match: `rule="stalled"`, Reason: "r", Creator: "c", Created: now, Expires: now.Add(time.Hour)}}); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%v, %v: want %v", info.Mode(), err, mode)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

// TestProcessesShareAnOutboxThatGrows: what one writes while another rewrites the
// file is not lost.
func TestProcessesShareAnOutboxThatGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.jsonl")
	const each = 100
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			o := NewFileOutbox(path)
			for i := range each {
				if err := o.Put(t.Context(), Entry{Alert: event.Alert{Fingerprint: fmt.Sprint(w, "-", i), Episode: 1, Title: strings.Repeat("t", 10_000)}}); err != nil {
					t.Error(err)
					return
				}
				if i%5 == 0 {
					if _, err := o.Open(t.Context()); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	writers.Wait()
	if left, err := NewFileOutbox(path).Open(t.Context()); err != nil || len(left) != 2*each {
		t.Errorf("%d entries, %v: want %d", len(left), err, 2*each)
	}
}
