package alert

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// FuzzConfig: whatever stands in the file, a configuration is taken or refused
// with a reason, and no secret of it is printed.
func FuzzConfig(f *testing.F) {
	f.Add("service: shop\nenv: prod\nrules:\n  lock_wait: {for: 5s, severity: critical}\nexpect: {\"42\": 1h}\n")
	f.Add("channels:\n- {name: chat, kind: slack, url: 'https://hooks.slack.com/services/T0/B0/s3cret'}\nroutes:\n- {match: '{severity=\"critical\"}', to: [chat], continue: true}\n")
	f.Add("suppressions:\n- {match: 'rule=\"lock_wait\"', reason: known, created_by: ann, created: 2026-01-01T00:00:00Z, expires: 2026-01-02T00:00:00Z}\n")
	f.Add("channels: [{name: x, kind: exec, command: []}]")
	f.Fuzz(func(t *testing.T, text string) {
		var c Config
		if err := yaml.NewDecoder(strings.NewReader(text), yaml.Strict()).Decode(&c); err != nil {
			return
		}
		if err := c.Check(); err != nil && err.Error() == "" {
			t.Error("refused without a reason")
		}
		for _, ch := range c.Channels {
			if s := ch.URL.String() + ch.Key.String(); s != redacted+redacted {
				t.Errorf("a secret prints as %q", s)
			}
		}
	})
}

// FuzzSuppressions: a file of suppressions is refused, or is the same once it has
// been saved and read again.
func FuzzSuppressions(f *testing.F) {
	f.Add([]byte(`[{"match":"rule=\"lock_wait\"","reason":"known","created_by":"ann","created":"2026-01-01T00:00:00Z","expires":"2026-01-02T00:00:00Z"}]`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`{"match":"x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "suppressions.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := LoadSuppressions(path)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("%v: which file?", err)
			}
			return
		}
		if SaveSuppressions(path, list) != nil {
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, text) {
				t.Errorf("refused, and the file was changed: %v", err)
			}
			return
		}
		saved, err := LoadSuppressions(path)
		if err != nil {
			t.Fatalf("what was saved does not load: %v", err)
		}
		if err := SaveSuppressions(path, saved); err != nil {
			t.Fatalf("what was saved is refused: %v", err)
		}
		if again, err := LoadSuppressions(path); err != nil || !reflect.DeepEqual(again, saved) {
			t.Errorf("saved again it is %+v, before %+v (%v)", again, saved, err)
		}
	})
}
