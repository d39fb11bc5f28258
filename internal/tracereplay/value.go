package tracereplay

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseValue reads a recorded value: 3(int64), true(bool), text(string),
// time:2026-11-23T12:16:09Z, NULL. A value of a type of the tool's own stays
// Foreign.
func ParseValue(s string) driver.Value {
	if s == "NULL" {
		return nil
	}
	if text, ok := strings.CutPrefix(s, "time:"); ok {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return t
		}
	}
	i := strings.LastIndexByte(s, '(')
	if i < 0 || !strings.HasSuffix(s, ")") {
		return Foreign{Text: s}
	}
	text, kind := s[:i], s[i+1:len(s)-1]
	var v driver.Value
	var err error
	switch kind {
	case "string":
		v = text
	case "[]uint8", "[]byte", "bytes":
		v = []byte(text)
	case "bool":
		v, err = strconv.ParseBool(text)
	case "int64":
		v, err = strconv.ParseInt(text, 10, 64)
	case "int":
		v, err = strconv.Atoi(text)
	case "int32":
		var n int64
		n, err = strconv.ParseInt(text, 10, 32)
		v = int32(n)
	case "uint64":
		v, err = strconv.ParseUint(text, 10, 64)
	case "uint32":
		var n uint64
		n, err = strconv.ParseUint(text, 10, 32)
		v = uint32(n)
	case "float64":
		v, err = strconv.ParseFloat(text, 64)
	default:
		return Foreign{Type: kind, Text: text}
	}
	if err != nil {
		return Foreign{Type: kind, Text: text}
	}
	return v
}

// Foreign is a value of a type that only the tool or the driver knows.
type Foreign struct{ Type, Text string }

func (f Foreign) String() string { return fmt.Sprintf("%s(%s)", f.Text, f.Type) }

func parseValues(ss []string) []driver.Value {
	vs := make([]driver.Value, len(ss))
	for i, s := range ss {
		vs[i] = ParseValue(s)
	}
	return vs
}

func parseArgs(ss []string) []driver.NamedValue {
	nvs := make([]driver.NamedValue, len(ss))
	for i, s := range ss {
		nvs[i] = driver.NamedValue{Ordinal: i + 1, Value: ParseValue(s)}
	}
	return nvs
}
