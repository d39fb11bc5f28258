package dashboard_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var increased = regexp.MustCompile(`increase\(([a-z_]+)\{`)

// TestBorn: a series is born with the first event that it counts, at 3 if a
// process has failed three migrations before it is scraped, and is gone with the
// process. Whatever counts events on the dashboard counts those.
func TestBorn(t *testing.T) {
	promtool := program(t, "promtool")
	b := board(t)
	all := b.expressions()
	for _, a := range b.Annotations.List {
		all = append(all, expression{"annotation " + a.Name, a.Expr})
	}
	fill := strings.NewReplacer("$__rate_interval", "1m", "$__range", "1m", "$job", ".*", "$instance", ".*", "$db", ".*")
	type object = map[string]any
	var cases []object
	for _, e := range all {
		m := increased.FindStringSubmatch(e.text)
		if m == nil {
			continue
		}
		cases = append(cases, object{
			"name":         e.where,
			"interval":     "15s",
			"input_series": []object{{"series": m[1] + `{job="shop", instance="a", outcome="failed", place="lost"}`, "values": "_x40 3 3 stale"}},
			"promql_expr_test": []object{
				{"expr": "sum(" + fill.Replace(e.text) + ")", "eval_time": "10m15s", "exp_samples": []object{{"labels": "{}", "value": 3}}},
				{"expr": "sum(" + fill.Replace(e.text) + ")", "eval_time": "10m45s", "exp_samples": []object{{"labels": "{}", "value": 3}}},
			},
		})
	}
	if len(cases) < 10 {
		t.Fatalf("%d expressions count events", len(cases))
	}
	text, err := yaml.Marshal(object{"evaluation_interval": "15s", "tests": cases})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "born.yaml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
