package metrics

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/metrics.md is the reference that dashboards and rules are written by.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	table, _, _ := strings.Cut(string(text), "\n## ")
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| `") {
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "| `"), "`")
			if documented[name] != "" {
				t.Errorf("%s is documented twice", name)
			}
			documented[name] = strings.TrimSpace(line)
		}
	}
	for _, f := range Families() {
		labels := "none"
		if len(f.Labels) > 0 {
			labels = "`" + strings.Join(f.Labels, "` `") + "`"
		}
		want := "| `" + f.Name + "` | " + string(f.Kind) + " | " + labels + " | " + f.Help + " |"
		if got := documented[f.Name]; got != want {
			t.Errorf("docs/metrics.md says\n%s\nand should say\n%s", got, want)
		}
		delete(documented, f.Name)
	}
	for name := range documented {
		t.Errorf("docs/metrics.md has %s, which is not exposed", name)
	}
}

func TestDocumentedBuckets(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range []string{operationDuration, overhead, lockWait} {
		if le := strings.Join(boundsOf(family).le, " "); !strings.Contains(string(text), "| "+le) {
			t.Errorf("docs/metrics.md does not have the buckets of %s: %s", family, le)
		}
	}
}

// TestNamedMetrics: a metric that any page names is exposed.
func TestNamedMetrics(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../docs/runbooks/*.md", "../dashboard/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
		if filepath.Base(page) == "audit-format.md" { // whose sqlwitness_… are tables
			continue
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\b(?:sqlwitness|db_client)_[a-z0-9_]+(?:…|\{)?`).FindAllString(string(text), -1) {
			name = strings.TrimSuffix(name, "{")
			prefix, several := strings.CutSuffix(name, "…")
			if !slices.ContainsFunc(Families(), func(f Family) bool {
				series := f.Kind == KindHistogram && slices.Contains([]string{f.Name + "_bucket", f.Name + "_sum", f.Name + "_count"}, name)
				return f.Name == name || series || several && strings.HasPrefix(f.Name, prefix)
			}) {
				t.Errorf("%s names %s, which is not exposed", page, name)
			}
		}
	}
}
