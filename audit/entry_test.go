package audit

import (
	"bytes"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlwitness/sqlwitness/event"
)

// fixed is a scribe whose entries are the same every time.
func fixed() *scribe {
	n := 0
	ids := []string{"01932b3c-7a00-7000-8000-000000000001", "01932b3c-7a00-7000-8000-000000000002"}
	salts := make([]byte, 0, 8*saltSize)
	for i := range cap(salts) {
		salts = append(salts, byte(i))
	}
	return &scribe{
		cfg: Config{Ticket: "OPS-1", Reason: "new column"},
		deps: Deps{
			Now:     func() time.Time { return time.Date(2026, 11, 24, 8, 0, 0, 123456789, time.UTC) },
			NewID:   func() string { n++; return ids[(n-1)%len(ids)] },
			Rand:    bytes.NewReader(salts),
			Library: "v1.0.0",
		}.complete(),
		db:          event.Database{System: "postgresql", Name: "shop"},
		actor:       actor{"host": "build-1", "os_user": "ci"},
		toolVersion: func(string) string { return "" },
	}
}

func example() *event.Migration {
	version := "20261124080000"
	return &event.Migration{
		Trace: event.Trace{RunID: "01932b3c-7900-7000-8000-00000000000a", MigrationID: "01932b3c-7980-7000-8000-00000000000b", CorrelationID: "deploy-42"},
		Tool:  "goose", Version: &version, After: "20261101120000", Direction: event.Up, Outcome: event.Failed, Atomic: true,
		Start: time.Date(2026, 11, 24, 7, 59, 59, 0, time.UTC), Duration: 1500 * time.Microsecond, Statements: 2,
		Body: []event.BodyStatement{
			{Operation: "CREATE TABLE", Fingerprint: "5f0a1c22b3d4e5f6", Text: "CREATE TABLE café (a int DEFAULT ?)", Duration: time.Millisecond, RowsAffected: -1},
			{Operation: "UPDATE", Fingerprint: "0123456789abcdef", Text: "UPDATE t SET a = ?", Duration: 500 * time.Microsecond, RowsAffected: 1 << 53, Failed: true},
		},
		ErrorClass: event.ClassConstraint, SQLState: "23505",
		Failing: &event.FailingStatement{Index: 2, Position: 8, Operation: "UPDATE", Fingerprint: "0123456789abcdef", Text: "UPDATE t SET a = ?"},
		Verdict: "The transaction was rolled back; correct the file and run it again.",
	}
}

// The example in the format's description is what the code writes.
func TestFormatExample(t *testing.T) {
	doc, err := os.ReadFile("../docs/audit-format.md")
	if err != nil {
		t.Fatal(err)
	}
	m := example()
	e, err := fixed().entry(m, draft{attempt: uuid.MustParse(m.MigrationID), kind: kindOutcome, stage: stageAfter,
		outcome: m.Outcome, class: m.ErrorClass, code: m.SQLState, guarantee: event.Around, login: login{user: "deploy"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{string(e.leaf)}
	for _, s := range e.sections {
		want = append(want, string(s.body), commit(s.salt, s.body))
	}
	for _, w := range want {
		if !bytes.Contains(doc, []byte("\n"+w+"\n")) && !bytes.Contains(doc, []byte("`"+w+"`")) {
			t.Errorf("docs/audit-format.md lacks\n%s", w)
		}
	}
	for _, d := range []*dialect{postgres(), mysql(), sqlite()} {
		steps := d.steps
		if d.system == "postgresql" {
			steps = append(steps, step{"inbox", pgInbox})
		}
		for _, s := range steps {
			_, columns, ok := strings.Cut(s.sql, "(\n")
			columns, _, _ = strings.Cut(columns, "\n)")
			if ok && strings.Contains(s.sql, "CREATE TABLE") && !bytes.Contains(doc, []byte(columns)) {
				t.Errorf("docs/audit-format.md lacks the columns of %s.%s:\n%s", d.system, s.name, columns)
			}
		}
	}
}

// Whatever a migration holds, its entry can be written, and neither the leaf nor
// a section is larger than the format allows.
func FuzzEntry(f *testing.F) {
	f.Add("v1", "SELECT 1", 1, int64(-1))
	f.Add("\xff\xfe\x80", "\x00\"\\\u2028", 300, int64(1)<<60)
	f.Add(strings.Repeat("\x01", 100_000), strings.Repeat("é", 70_000), 256, int64(1)<<53)
	f.Add(strings.Repeat("\x80", 1000), "", 0, int64(0))
	f.Fuzz(func(t *testing.T, a, b string, n int, rows int64) {
		s := fixed()
		s.cfg = Config{Actor: a, Ticket: a, Reason: b}
		s.db = event.Database{System: a, Name: b}
		s.deps.Library = a
		s.actor = newActor(s.cfg, func(string) string { return a })
		m := &event.Migration{Trace: event.Trace{RunID: a, MigrationID: b, CorrelationID: a}, Tool: a, Version: &b, After: a,
			Direction: event.Up, Outcome: event.Failed, ErrorClass: a, SQLState: b, Verdict: b,
			Failing: &event.FailingStatement{Index: n, Position: n, Operation: a, Fingerprint: a, Text: b}}
		for range min(max(n, 0), 256) {
			m.Body = append(m.Body, event.BodyStatement{Operation: a, Fingerprint: a, Text: b, RowsAffected: rows})
		}
		e, err := s.entry(m, draft{kind: kindOutcome, stage: stageAfter, outcome: m.Outcome, class: a, code: b, login: login{user: a, role: b, client: a}, batch: n})
		if err != nil {
			t.Fatal(err)
		}
		canonicalObject(t, e.leaf)
		if len(e.leaf) > 60<<10 {
			t.Errorf("the leaf has %d bytes", len(e.leaf))
		}
		for _, sec := range e.sections {
			canonicalObject(t, sec.body)
			if len(sec.body) > 60<<10 {
				t.Errorf("section %s has %d bytes", sec.name, len(sec.body))
			}
		}
	})
}

func TestStatementsLeftOut(t *testing.T) {
	m := &event.Migration{Statements: 300}
	for range 256 {
		m.Body = append(m.Body, event.BodyStatement{Operation: "INSERT", Text: strings.Repeat("x", maxText+1), RowsAffected: 1})
	}
	o, err := statements(m, maxSection)
	if err != nil {
		t.Fatal(err)
	}
	list := o["statements"].([]any)
	if len(list) == 0 || len(list) == 256 || o["total"] != 300 || o["left_out"] != 300-len(list) {
		t.Errorf("%d statements are kept, total %v, left out %v", len(list), o["total"], o["left_out"])
	}
	if text := list[0].(object)["text"].(string); text != strings.Repeat("x", maxText)+cutMark {
		t.Errorf("the text ends in %q", text[len(text)-20:])
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "abc" + cutMark}, {"aé", 2, "a" + cutMark}, {"é", 1, cutMark}, {"", 0, ""},
	} {
		if got := cut(c.in, c.n); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestMode(t *testing.T) {
	for text, want := range map[string]Mode{"": BestEffort, "best-effort": BestEffort, "strict": Strict, "off": Off} {
		m := Mode(9)
		if err := m.UnmarshalText([]byte(text)); err != nil || m != want {
			t.Errorf("%q is %v, error %v", text, m, err)
		}
	}
	var m Mode
	if err := m.UnmarshalText([]byte("Strict")); err == nil {
		t.Error("an unknown mode is none")
	}
	if _, err := Open(Config{Mode: 9}, event.Database{}, nil, Deps{}); err == nil {
		t.Error("a store opens in an unknown mode")
	}
}

func TestActor(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(k string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == k {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		name        string
		getenv      func(string) string
		field, want string
	}{
		{"github", env("GITHUB_ACTIONS", "true", "GITHUB_SERVER_URL", "https://github.com", "GITHUB_REPOSITORY", "a/b", "GITHUB_RUN_ID", "5"), "ci_run", "https://github.com/a/b/actions/runs/5"},
		{"gitlab", env("GITLAB_CI", "true", "CI_JOB_URL", "https://u:p@gitlab.example/j/1?token=x"), "ci_run", "https://gitlab.example/j/1"},
		{"jenkins", env("JENKINS_URL", "https://ci", "BUILD_USER_ID", "jo"), "ci_actor", "jo"},
		{"no url", env("BUILD_URL", "token"), "ci_run", ""},
		{"pod", env("KUBERNETES_SERVICE_HOST", "10.0.0.1", "HOSTNAME", "web-1"), "pod", "web-1"},
		{"config", env(), "actor", "jo@example.com"},
	} {
		if got := newActor(Config{Actor: "jo@example.com"}, c.getenv)[c.field]; got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.name, c.field, got, c.want)
		}
	}
}

func BenchmarkEntry(b *testing.B) {
	s := fixed()
	s.deps.Rand = rand.Reader
	m := example()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.entry(m, draft{kind: kindOutcome, stage: stageCommit, outcome: m.Outcome}); err != nil {
			b.Fatal(err)
		}
	}
}
