package metrics

import (
	"slices"
	"strings"
)

// other stands for every label value beyond a cap.
const other = "other"

// render writes labels in the Prometheus text format: `{a="b",c="d"}`. A label
// without a value is left out, and without any the result is "".
func render(names, values []string) string {
	var b strings.Builder
	for i, v := range values {
		if v == "" {
			continue
		}
		if b.Len() == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		b.WriteString(names[i])
		b.WriteString(`="`)
		b.WriteString(escape(v))
		b.WriteByte('"')
	}
	if b.Len() == 0 {
		return ""
	}
	b.WriteByte('}')
	return b.String()
}

// maxLabel bounds a label value, in bytes: names that come from a DSN or from a
// tool may be of any length.
const maxLabel = 128

// escape makes a label value safe for the text format, which knows three
// escapes (backslash, quote, line feed) and asks for UTF-8.
func escape(v string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(clean(v))
}

// clean is as much of a value as a label shows. Control characters other than the
// line feed are allowed there but not by every reader, so they are replaced as
// bytes that are not UTF-8 are.
func clean(v string) string {
	if len(v) > maxLabel {
		v = v[:maxLabel]
	}
	v = strings.ToValidUTF8(v, "\uFFFD")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, v)
}

// overflow gives the labels of the series that stands for all that is beyond a
// cap: every value is "other". Failed calls have one of their own, so that an
// error never counts as a success.
func overflow(names, values []string) []string {
	values = slices.Clone(values)
	for i, v := range values {
		ofFailure := names[i] == "error_type" || names[i] == "error_class"
		if !ofFailure || v != "" {
			values[i] = other
		}
	}
	return values
}

// limit lets a bounded number of distinct values through and turns the rest
// into "other". It is guarded by its owner's lock.
type limit struct {
	max  int
	seen map[string]struct{}
}

func newLimit(n int) *limit { return &limit{max: n, seen: map[string]struct{}{}} }

func (l *limit) pass(v string) string {
	if _, ok := l.seen[v]; ok || v == "" {
		return v
	}
	if len(l.seen) >= l.max {
		return other
	}
	l.seen[v] = struct{}{}
	return v
}
