package sqlwitness

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// FuzzConfig: whatever stands in the file that SQLWITNESS_CONFIG names, it is
// taken, or refused with an error that says of what.
func FuzzConfig(f *testing.F) {
	f.Add("listen: 127.0.0.1:9464\nlog: {level: warn, output: stdout}\nslow: {read: 200ms, ddl: -1s}\ntext_cache: 64\n")
	f.Add("audit: {mode: strict, actor: ann, ticket: OPS-1, key: PRIVATE+KEY+shop+00000000+AAAA}\n")
	f.Add("dashboard: {hosts: [a.example], token: s3cret, public: true}\npush_url: http://u:p@gateway:9091/metrics/job/x\n")
	f.Add("alerts: {env: prod, channels: [{name: chat, kind: slack, url: env:HOOK}]}\n")
	f.Add("log: &a {level: *a}\n")
	f.Fuzz(func(t *testing.T, text string) {
		var in file
		_ = yaml.Unmarshal([]byte(text), &in)
		if in.Log.Output != "" || in.Migrations != "" || in.Audit.Key != "" || in.Audit.AnchorFile != "" {
			return // it names files of this machine
		}
		path := filepath.Join(t.TempDir(), "sqlwitness.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := configFrom(func(name string) string {
			if name == "SQLWITNESS_CONFIG" {
				return path
			}
			return ""
		})
		if err == nil {
			_, err = cfg.complete()
		}
		if err == nil {
			return
		}
		if e := (*Error)(nil); !errors.As(err, &e) || e.Op == "" || strings.TrimSpace(e.Err.Error()) == "" {
			t.Errorf("refused with %q: of what?", err)
		}
	})
}
