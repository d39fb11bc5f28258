package sqlwitness

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
)

func TestConfigFromEnvironment(t *testing.T) {
	yaml := filepath.Join(t.TempDir(), "sqlwitness.yaml")
	text := "log: {level: warn}\nslow: {read: 50ms, lock: -1s}\naudit: {mode: strict, ticket: OPS-7}\ntext_cache: 100\n" +
		"no_probe: true\nflush_on_failure: true\nflush_on_signal: true\npush_url: http://push/x\ntextfile: a.prom\nsql_comment: true\nalerts: {env: staging}\n"
	if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configFrom(environ(map[string]string{
		"SQLWITNESS_CONFIG":     yaml,
		"SQLWITNESS_LOG_LEVEL":  "debug",
		"SQLWITNESS_SLOW_WRITE": "3s",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.LogLevel != "debug" {
		t.Errorf("a variable must win over the file: level %q", cfg.LogLevel)
	}
	if cfg.Slow.Read != 50*time.Millisecond || cfg.Slow.Write != 3*time.Second || cfg.Slow.Lock != -time.Second {
		t.Errorf("slow: %+v", cfg.Slow)
	}
	if !cfg.NoProbe || !cfg.FlushOnFailure || !cfg.FlushOnSignal || cfg.PushURL != "http://push/x" || cfg.Textfile != "a.prom" || !cfg.SQLComment || cfg.Alert.Env != "staging" {
		t.Errorf("config: %+v", cfg)
	}
	if cfg.Audit.Mode != audit.Strict || cfg.Audit.Ticket != "OPS-7" || cfg.TextCache != 100 {
		t.Errorf("config: %+v", cfg)
	}
}

// TestUnknownVariable: a slip in a variable's name is told by its name alone.
func TestUnknownVariable(t *testing.T) {
	t.Setenv("SQLWITNESS_AUDIT_KEYY", "hunter2")
	t.Setenv("SQLWITNESS_PORT_9464_TCP", "tcp://10.0.0.1:9464")
	t.Setenv("SQLWITNESS_DSN", "postgres://u:hunter2@h/d")
	cfg, err := ConfigFromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cfg.LogOutput = &log
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"SQLWITNESS_AUDIT_KEYY is no variable of sqlwitness"`) || strings.Contains(got, "hunter2") {
		t.Errorf("the log: %s", got)
	}
}

func environ(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestBadConfigSaysWhatAndWhere(t *testing.T) {
	dir := t.TempDir()
	bad := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name string
		vars map[string]string
		want []string
	}{
		{"missing file", map[string]string{"SQLWITNESS_CONFIG": dir + "/none.yaml"}, []string{"SQLWITNESS_CONFIG", "none.yaml", "no such file"}},
		{"unknown key", map[string]string{"SQLWITNESS_CONFIG": bad("a.yaml", "log: {levle: warn}\n")}, []string{"a.yaml", "levle", "[1:7]"}},
		{"no YAML", map[string]string{"SQLWITNESS_CONFIG": bad("b.yaml", "log: {level\n")}, []string{"b.yaml"}},
		{"wrong type", map[string]string{"SQLWITNESS_CONFIG": bad("c.yaml", "text_cache: lots\n")}, []string{"c.yaml", "[1:13]"}},
		{"no duration", map[string]string{"SQLWITNESS_SLOW_READ": "soon"}, []string{"SQLWITNESS_SLOW_READ", `"soon"`, "200ms"}},
		{"no boolean", map[string]string{"SQLWITNESS_DISABLED": "maybe"}, []string{"SQLWITNESS_DISABLED", `"maybe"`}},
		{"no mode", map[string]string{"SQLWITNESS_AUDIT": "sometimes"}, []string{"audit", `"sometimes"`, "strict"}},
		{"migrations", map[string]string{"SQLWITNESS_MIGRATIONS": dir + "/none"}, []string{"migrations", "/none", "no such"}},
		{"log output", map[string]string{"SQLWITNESS_LOG_OUTPUT": dir + "/no/such/dir/log"}, []string{"log output", "no such file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := configFrom(environ(c.vars))
			wantError(t, err, c.want)
		})
	}
	for _, c := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"level", Config{LogLevel: "loud"}, []string{"LogLevel", `"loud"`, "warn"}},
		{"text cache", Config{TextCache: 3}, []string{"TextCache", "3", "16"}},
		{"audit timeout", Config{Audit: audit.Config{Timeout: -1}}, []string{"Audit", "timeout"}},
		{"nil sink", Config{Sinks: []event.Sink{nil}}, []string{"Sinks", "0"}},
		{"listen", Config{Listen: "256.0.0.1:x"}, []string{"Listen", "127.0.0.1:9464"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.cfg)
			wantError(t, err, c.want)
		})
	}
}

func wantError(t *testing.T, err error, want []string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is no *Error", err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}
