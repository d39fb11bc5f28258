package migrator

import (
	"database/sql/driver"
	"reflect"
	"strconv"
	"strings"

	"github.com/sqlwitness/sqlwitness/sqltext"
)

// textOf is the value that a literal or a bound parameter gives.
func textOf(v sqltext.Value, args []driver.NamedValue) (string, bool) {
	switch v.Kind {
	case sqltext.Literal:
		return v.Literal, true
	case sqltext.Param:
		if v.Param >= 1 && v.Param <= len(args) {
			return argument(args[v.Param-1].Value)
		}
	}
	return "", false
}

// argument writes a bound value as a tool's version is written. Drivers that
// check their own values let any Go type through.
func argument(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(r.Int(), 10), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(r.Uint(), 10), true
	case reflect.String:
		return r.String(), true
	}
	return "", false
}

// list reads an array as drivers and tools bind it: {1,2} and [1,2].
func list(s string) []string {
	if len(s) < 2 || (s[0] != '{' || s[len(s)-1] != '}') && (s[0] != '[' || s[len(s)-1] != ']') {
		return []string{s}
	}
	parts := strings.Split(s[1:len(s)-1], ",")
	for i := range parts {
		parts[i] = strings.Trim(strings.TrimSpace(parts[i]), `"`)
	}
	return parts
}

func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "t", "true", "1":
		return true
	}
	return false
}

func isFalse(s string) bool {
	switch strings.ToLower(s) {
	case "f", "false", "0":
		return true
	}
	return false
}

// compare orders versions: numbers by value, everything else by text.
func compare(a, b string) int {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	if errX == nil && errY == nil {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	return strings.Compare(a, b)
}

// literals are the quoted strings of a text and its bound strings: the names
// that a question to the catalog may be about.
func literals(t *sqltext.Text, args []driver.NamedValue) []string {
	var names []string
	for i, a := range args {
		if i == maxNames {
			return names
		}
		if s, ok := a.Value.(string); ok {
			names = append(names, s)
		}
	}
	for rest := t.SQL; len(names) < maxNames; {
		_, after, ok := strings.Cut(rest, "'")
		if !ok {
			break
		}
		name, after, ok := strings.Cut(after, "'")
		if !ok {
			break
		}
		names = append(names, name)
		rest = after
	}
	return names
}

// maxNames bounds how many names of one question are looked at.
const maxNames = 8

// tableName is a name without its schema and quotes, in lower case.
func tableName(s string) string {
	if i := strings.LastIndexByte(s, '.'); i >= 0 {
		s = s[i+1:]
	}
	return strings.ToLower(strings.Trim(s, "\"`[]"))
}
