package metrics

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sqlwitness/sqlwitness/event"
)

func TestNoFamilyGrowsPastItsCap(t *testing.T) {
	const limit = 50
	s := New(Config{MaxSeries: limit})
	for _, f := range s.families {
		if len(f.Labels) == 0 {
			continue
		}
		for i := range 10 * limit {
			values := make([]string, len(f.Labels))
			for j := range values {
				values[j] = "value" + strconv.Itoa(i)
			}
			if len(values) > 1 {
				values[i%len(values)] = ""
			}
			switch f.Kind {
			case KindHistogram:
				f.histogram(values...).Observe(1)
			case KindCounter:
				f.counter(values...).Inc()
			}
		}
	}
	for name, f := range scrape(t, s) {
		declared := s.family(name)
		if len(declared.Labels) == 0 || declared.Kind == KindGauge {
			continue
		}
		var others, total uint64
		for _, m := range f.GetMetric() {
			n := m.GetHistogram().GetSampleCount() + uint64(m.GetCounter().GetValue())
			total += n
			if l := labelsOf(m); l[declared.Labels[0]] == other {
				others += n
			}
		}
		if n := len(f.GetMetric()); n > limit {
			t.Errorf("%s has %d series", name, n)
		}
		if total < 10*limit || others == 0 {
			t.Errorf("%s: %d counted, %d of them as other: some are lost", name, total, others)
		}
	}
}

func TestDefaultCaps(t *testing.T) {
	s := New(Config{})
	for i := range 3000 {
		c := s.Connector(event.Database{System: "sqlite", Name: "tenant" + strconv.Itoa(i)})
		c.Operation("OP"+strconv.Itoa(i), Steady).Observe(1)
		c.Failed("SELECT", Steady, fmt.Sprintf("%05d", i), 1)
	}
	namespaces, types := map[string]bool{}, map[string]bool{}
	var count uint64
	f := scrape(t, s)[operationDuration]
	for _, m := range f.GetMetric() {
		l := labelsOf(m)
		namespaces[l["db_namespace"]] = true
		types[l["error_type"]] = true
		count += m.GetHistogram().GetSampleCount()
	}
	if n := len(f.GetMetric()); n > 1000 || n < 990 {
		t.Errorf("%d series", n)
	}
	if len(namespaces) != 101 || !namespaces[other] {
		t.Errorf("%d namespaces", len(namespaces))
	}
	if len(types) > 102 || !types[other] {
		t.Errorf("%d error types", len(types))
	}
	if count != 6000 {
		t.Errorf("%d observations of 6000", count)
	}
}

// A name may come from a DSN or a tool: it must neither end a label nor a line,
// nor upset the registry, which refuses what it cannot read with a panic.
func FuzzLabelValue(f *testing.F) {
	for _, v := range []string{"shop", `a"b`, `a\`, `\"`, `\\"`, "a\nb", "a\r\x00\x7fb", "\xff\xfe", `x"} 1` + "\n# TYPE evil counter", "{}", "a,b=c", strings.Repeat("é", 200)} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		s := New(Config{})
		s.Connector(event.Database{System: "sqlite", Name: v}).Operation("SELECT", Steady).Observe(1)
		s.Error(v)
		got := scrape(t, s)
		if len(got[operationDuration].GetMetric()) != 1 || len(got[errorsTotal].GetMetric()) != 1 || len(got) > 11 {
			t.Fatalf("%q: %d families", v, len(got))
		}
		value := labelsOf(got[errorsTotal].GetMetric()[0])["component"]
		if value != labelsOf(got[operationDuration].GetMetric()[0])["db_namespace"] {
			t.Fatalf("%q: two readings", v)
		}
		if !utf8.ValidString(value) || len(value) > 3*maxLabel {
			t.Fatalf("%q: became %q", v, value)
		}
		plain := len(v) <= maxLabel && utf8.ValidString(v) && !strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f })
		if plain && value != v {
			t.Fatalf("%q: became %q", v, value)
		}
	})
}

func TestNamesOfFamilies(t *testing.T) {
	var names []string
	for _, f := range Families() {
		names = append(names, f.Name)
		if f.Kind == KindCounter != strings.HasSuffix(f.Name, "_total") {
			t.Errorf("%s is a %s", f.Name, f.Kind)
		}
		if strings.ContainsAny(f.Help, "\\\n") || !strings.HasSuffix(f.Help, ".") {
			t.Errorf("%s: HELP %q", f.Name, f.Help)
		}
		for _, l := range f.Labels {
			if slices.Contains([]string{"sql", "query", "text", "pid", "host", "migration_version"}, l) || l == "version" && f.Name != buildInfo {
				t.Errorf("%s has label %s", f.Name, l)
			}
		}
	}
	if slices.Sort(names); len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("a name is there twice: %v", names)
	}
}
