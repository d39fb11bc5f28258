package eventlog

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// key is a row of a table in docs/events.md.
type key struct {
	kind   string
	always bool
}

// documented reads the tables: by event, and under "" the keys of every line.
func documented(t *testing.T) map[string]map[string]key {
	t.Helper()
	text, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("^\\| `([a-z0-9_.]+)` \\| ([a-z ]+) \\| (always|if [^|]+?)(:[^|]*)? \\|$")
	events := map[string]map[string]key{"": {}}
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "### "); ok {
			section = name
			events[section] = map[string]key{}
			continue
		}
		if strings.HasPrefix(line, "| `") {
			m := row.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("%s: this row does not read: %s", section, line)
				continue
			}
			if _, twice := events[section][m[1]]; twice {
				t.Errorf("%s: %s is there twice", section, m[1])
			}
			events[section][m[1]] = key{m[2], m[3] == "always"}
		}
	}
	return events
}

// flat names the keys of a line with their types, those of an object after a dot.
func flat(prefix string, m map[string]any, into map[string]string) map[string]string {
	for k, v := range m {
		switch v := v.(type) {
		case nil:
			into[prefix+k] = "null"
		case string:
			into[prefix+k] = "string"
		case float64:
			into[prefix+k] = "number"
		case bool:
			into[prefix+k] = "bool"
		case []any:
			into[prefix+k] = "array"
		case map[string]any:
			into[prefix+k] = "object"
			flat(prefix+k+".", v, into)
		}
	}
	return into
}

func TestDocumentation(t *testing.T) {
	docs := documented(t)
	common := docs[""]
	delete(docs, "")
	seen := map[string]map[string]int{} // event, key, lines with it
	types := map[string]map[string]bool{}
	lines := map[string]int{}
	for _, line := range parsed(t, written(t, "debug", samples)) {
		name := line["event"].(string)
		keys := flat("", line, map[string]string{})
		for k, want := range common {
			if keys[k] != want.kind {
				t.Errorf("%s: %s is %q", name, k, keys[k])
			}
			delete(keys, k)
		}
		if docs[name] == nil {
			t.Errorf("%s is not documented", name)
			continue
		}
		if seen[name] == nil {
			seen[name] = map[string]int{}
		}
		lines[name]++
		for k, kind := range keys {
			seen[name][k]++
			want, ok := docs[name][k]
			if !ok {
				t.Errorf("%s: %s is not documented", name, k)
			} else if !slices.Contains(strings.Split(want.kind, " or "), kind) {
				t.Errorf("%s: %s is a %s, documented as a %s", name, k, kind, want.kind)
			}
			id := name + " " + k
			if types[id] == nil {
				types[id] = map[string]bool{}
			}
			types[id][kind] = true
		}
	}
	for name, keys := range docs {
		if lines[name] == 0 {
			t.Errorf("%s is documented and never written", name)
		}
		for k, want := range keys {
			switch n := seen[name][k]; {
			case n == 0:
				t.Errorf("%s: %s is documented and never written", name, k)
			case want.always && n != lines[name]:
				t.Errorf("%s: %s is in %d of %d lines, documented as always there", name, k, n, lines[name])
			case !want.always && n == lines[name]:
				t.Errorf("%s: %s is always there, documented as not", name, k)
			case len(types[name+" "+k]) != len(strings.Split(want.kind, " or ")):
				t.Errorf("%s: %s is %v, documented as a %s", name, k, slices.Collect(maps.Keys(types[name+" "+k])), want.kind)
			}
		}
	}
}
