package alert

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"github.com/sqlwitness/sqlwitness/event"
)

// decoder fills an event from a map of YAML: its fields by their names in
// snake case, embedded ones as if they were its own. A time is written as a
// duration since the scenario's begin.
type decoder struct{ begin time.Time }

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	errorType    = reflect.TypeFor[error]()
)

func (d decoder) decode(to any, from map[string]any, at string) error {
	return d.structure(reflect.ValueOf(to).Elem(), from, at)
}

func (d decoder) structure(to reflect.Value, from map[string]any, at string) error {
	fields := map[string]reflect.Value{}
	for _, f := range reflect.VisibleFields(to.Type()) {
		if !f.Anonymous {
			fields[snake(f.Name)] = to.FieldByIndex(f.Index)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		f, ok := fields[name]
		value := from[name]
		if !ok && name == "sqlstate" { // as in the log
			f, ok = fields["sql_state"]
		}
		if in, ms := strings.CutSuffix(name, "_ms"); !ok && ms && fields[in].IsValid() && fields[in].Type() == durationType {
			f, ok = fields[in], true
			value = fmt.Sprint(value, "ms")
		}
		if !ok {
			return fmt.Errorf("%s.%s: there is no such field: use %s", at, name, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if err := d.value(f, value, at+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func (d decoder) value(to reflect.Value, from any, at string) error {
	mismatch := func(want string) error { return fmt.Errorf("%s: %v is not %s", at, from, want) }
	text, isText := from.(string)
	switch {
	case from == nil:
		return nil
	case to.Type() == durationType || to.Type() == timeType:
		v, err := time.ParseDuration(text)
		if err != nil {
			return mismatch("a duration such as 3s")
		}
		if to.Type() == timeType {
			to.Set(reflect.ValueOf(d.begin.Add(v)))
			return nil
		}
		to.SetInt(int64(v))
		return nil
	case to.Type() == errorType:
		if !isText {
			return mismatch("a text")
		}
		to.Set(reflect.ValueOf(errors.New(text)))
		return nil
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		return d.value(to.Elem(), from, at)
	case reflect.Struct:
		m, ok := from.(map[string]any)
		if !ok {
			return mismatch("a map")
		}
		return d.structure(to, m, at)
	case reflect.Slice:
		list, ok := from.([]any)
		if !ok {
			return mismatch("a list")
		}
		to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
		for i, v := range list {
			if err := d.value(to.Index(i), v, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case reflect.String:
		if !isText {
			return mismatch("a text: quote it")
		}
		to.SetString(text)
	case reflect.Bool:
		b, ok := from.(bool)
		if !ok {
			return mismatch("true or false")
		}
		to.SetBool(b)
	default:
		n := reflect.ValueOf(from)
		if !n.CanConvert(to.Type()) || isText {
			return mismatch("a number")
		}
		to.Set(n.Convert(to.Type()))
	}
	return nil
}

// lineOf is file:line of a place in a document of a file.
func lineOf(path string, document int, place string) string {
	where := filepath.Base(path)
	file, err := parser.ParseFile(path, 0)
	if err != nil || document >= len(file.Docs) {
		return where
	}
	p, err := yaml.PathString(place)
	if err != nil {
		return where
	}
	node, err := p.FilterNode(file.Docs[document].Body)
	if err != nil || node == nil {
		return where
	}
	return fmt.Sprintf("%s:%d", where, node.GetToken().Position.Line)
}

// TestAMistakeInAScenarioIsNamed: who writes a corpus elsewhere has the messages
// alone.
func TestAMistakeInAScenarioIsNamed(t *testing.T) {
	for _, test := range []struct{ kind, text, want string }{
		{"migration", `{outcom: failed}`, "migration.outcom: there is no such field: use after, "},
		{"migration", `{version: 42}`, "migration.version: 42 is not a text: quote it"},
		{"migration", `{duration: 3}`, "migration.duration: 3 is not a duration such as 3s"},
		{"migration", `{duration_ms: 1500, sqlstate: "42601"}`, ""},
		{"migration", `{duration_ms: long}`, "migration.duration_ms: longms is not a duration such as 3s"},
		{"migration", `{failing: [1]}`, "migration.failing: [1] is not a map"},
		{"migration", `{failing: {index: x}}`, "migration.failing.index: x is not a number"},
	} {
		var from map[string]any
		if err := yaml.Unmarshal([]byte(test.text), &from); err != nil {
			t.Fatal(err)
		}
		var m event.Migration
		err := (decoder{time.Now()}).decode(&m, from, test.kind)
		if test.want == "" && (err != nil || m.Duration != 1500*time.Millisecond || m.SQLState != "42601") || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%s: %v, %+v: want %s", test.text, err, m, test.want)
		}
	}
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte("name: a\n---\nname: b\n# why\ntimeline:\n  - {at: 1s, close: true}\n  - at: 2s\n    look: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string]string{"$.timeline[1]": "mine.yaml:7", "$.timeline[0]": "mine.yaml:6", "$.none": "mine.yaml"} {
		if got := lineOf(path, 1, place); got != want {
			t.Errorf("%s is at %s: want %s", place, got, want)
		}
	}
}

// snake writes RunID as run_id, LockWait as lock_wait and SQLState as sql_state.
func snake(name string) string {
	var b strings.Builder
	r := []rune(name)
	for i, c := range r {
		if unicode.IsUpper(c) && i > 0 && (unicode.IsLower(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
