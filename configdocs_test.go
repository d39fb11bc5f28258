package sqlwitness

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/eventlog"
)

// TestDocumentedConfiguration: docs/configuration.md has every key of the file,
// every variable and every field of Config, and no others.
func TestDocumentedConfiguration(t *testing.T) {
	text, err := os.ReadFile("docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	general, alerts, _ := strings.Cut(string(text), "\n## Alerts\n")
	alerts, _, _ = strings.Cut(alerts, "\n### The rules\n")

	variables := map[string]bool{}
	if _, err := configFrom(func(name string) string { variables[name] = true; return "" }); err != nil {
		t.Fatal(err)
	}
	delete(variables, "SQLWITNESS_CONFIG") // which names the file
	fields := map[string]bool{}
	structure(reflect.TypeFor[Config](), "", fields, func(f reflect.StructField) string { return f.Name },
		reflect.TypeFor[audit.Config](), reflect.TypeFor[dashboard.Config](), reflect.TypeFor[eventlog.Slow]())
	keys, alertKeys := map[string]bool{}, map[string]bool{}
	tag := func(f reflect.StructField) string { return f.Tag.Get("yaml") }
	structure(reflect.TypeFor[file](), "", keys, tag)
	structure(reflect.TypeFor[alert.Config](), "", alertKeys, tag, reflect.TypeFor[alert.Rule](), reflect.TypeFor[alert.Channel](), reflect.TypeFor[alert.Route](), reflect.TypeFor[alert.Suppression]())

	for _, c := range []struct {
		what, page string
		column     int
		want       map[string]bool
	}{{"key", general, 0, keys}, {"variable", general, 1, variables}, {"field", general, 2, fields}, {"key of alerts", alerts, 0, alertKeys}} {
		got := column(c.page, c.column)
		for _, name := range slices.Sorted(maps.Keys(c.want)) {
			if !got[name] {
				t.Errorf("docs/configuration.md lacks the %s %s", c.what, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if !c.want[name] {
				t.Errorf("docs/configuration.md has the %s %s, which there is not", c.what, name)
			}
		}
	}
}

// column is what stands in backquotes in a column of a page's tables.
func column(page string, n int) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(page) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") || strings.HasPrefix(line, "| – |") {
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[n], -1) {
				names[m[1]] = true
			}
		}
	}
	return names
}

// structure lists the fields of a struct by name, those of an unnamed struct or of
// one of these types after a dot, with the name of a map's key between.
func structure(typ reflect.Type, prefix string, into map[string]bool, name func(reflect.StructField) string, inside ...reflect.Type) {
	for f := range typ.Fields() {
		if !f.IsExported() {
			continue
		}
		path, of := prefix+name(f), f.Type
		switch of.Kind() {
		case reflect.Map:
			path, of = path+map[string]string{"rules": ".NAME", "expect": ".VERSION"}[path], of.Elem()
		case reflect.Slice:
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]() && (of.Name() == "" || slices.Contains(inside, of)) {
			structure(of, path+".", into, name, inside...)
		} else {
			into[path] = true
		}
	}
}

// TestDocumentedFiles: the configuration files that the pages show are read.
func TestDocumentedFiles(t *testing.T) {
	for _, page := range []string{"docs/configuration.md", "docs/alerts.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "```yaml\n")
		example, _, found := strings.Cut(rest, "```")
		if !found {
			t.Errorf("%s shows no file", page)
		}
		var f file
		if err := yaml.UnmarshalWithOptions([]byte(example), &f, yaml.Strict()); err != nil {
			t.Errorf("%s: %v", page, err)
		}
		if err := f.Alert.Check(); err != nil {
			t.Errorf("%s: %v", page, err)
		}
	}
}
