package alert

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
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
		if !ok {
			return fmt.Errorf("%s.%s: there is no such field: use %s", at, name, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if err := d.value(f, from[name], at+"."+name); err != nil {
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
