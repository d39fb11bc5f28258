package eventlog

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/lines.jsonl")

// The lines are read by people's dashboards and alerts: a change of this file
// is a change of a public interface.
func TestLines(t *testing.T) {
	const golden = "testdata/lines.jsonl"
	seen := map[string]bool{}
	var kept strings.Builder
	for line := range strings.Lines(written(t, "debug", samples)) {
		if !seen[line] {
			kept.WriteString(line)
		}
		seen[line] = true
	}
	if *update {
		if err := os.WriteFile(golden, []byte(kept.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(kept.String(), "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("line %d is\n%s\nwant\n%s", i+1, got[min(i, len(got)-1)], line)
		}
	}
	if len(kept.String()) != len(want) {
		t.Errorf("%d more bytes than wanted", len(kept.String())-len(want))
	}
}
