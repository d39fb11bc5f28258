package alert

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// labels are what a matcher may ask for.
var labels = []string{"rule", "severity", "db", "system", "migration", "tool", "service", "env", "object", "class"}

// matcher is one condition on a label, in Alertmanager's syntax:
// rule="lock_wait", migration=~"0042.*", env!=dev. A regular expression has to
// match the whole value. A label that is absent has the value "".
type matcher struct {
	label string
	op    string // = != =~ !~
	value string
	re    *regexp.Regexp
}

func (m matcher) matches(values map[string]string) bool {
	v := values[m.label]
	switch m.op {
	case "=":
		return v == m.value
	case "!=":
		return v != m.value
	case "=~":
		return m.re.MatchString(v)
	}
	return !m.re.MatchString(v)
}

type matchers []matcher

// match reports whether all of them match; no matcher matches everything.
func (ms matchers) match(values map[string]string) bool {
	return !slices.ContainsFunc(ms, func(m matcher) bool { return !m.matches(values) })
}

// names reports a matcher that asks for a rule which there is not: it would never
// match.
func (ms matchers) names() error {
	for _, m := range ms {
		if m.label == "rule" && m.op == "=" && m.value != "" && !slices.Contains(Rules(), m.value) {
			return fmt.Errorf("there is no rule %q: use %s", m.value, strings.Join(Rules(), ", "))
		}
	}
	return nil
}

var matcherForm = regexp.MustCompile(`^\s*"?([A-Za-z_][A-Za-z0-9_]*)"?\s*(=~|!~|!=|=)\s*`)

// parseMatchers reads a comma-separated list, in braces or not.
func parseMatchers(text string) (matchers, error) {
	rest := strings.TrimSpace(text)
	if open := strings.HasPrefix(rest, "{"); open || strings.HasSuffix(rest, "}") {
		inner, closed := strings.CutSuffix(rest, "}")
		if !open || !closed {
			return nil, fmt.Errorf("%q: a brace is missing", text)
		}
		rest = inner[1:]
	}
	var list matchers
	for strings.TrimSpace(rest) != "" {
		form := matcherForm.FindStringSubmatch(rest)
		if form == nil {
			return nil, fmt.Errorf("%q: expected label=\"value\" (or != =~ !~) at %q", text, strings.TrimSpace(rest))
		}
		m := matcher{label: form[1], op: form[2]}
		if !slices.Contains(labels, m.label) {
			return nil, fmt.Errorf("%q: no label %q: use %s", text, m.label, strings.Join(labels, ", "))
		}
		var err error
		if m.value, rest, err = matcherValue(rest[len(form[0]):]); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		if strings.HasSuffix(m.op, "~") {
			if m.re, err = regexp.Compile("^(?s:" + m.value + ")$"); err != nil {
				return nil, fmt.Errorf("%q: %w", text, err)
			}
		}
		list = append(list, m)
		rest = strings.TrimSpace(rest)
		if rest == "" {
			break
		}
		if rest[0] != ',' {
			return nil, fmt.Errorf("%q: expected a comma at %q", text, rest)
		}
		rest = rest[1:]
	}
	return list, nil
}

// matcherValue reads a value, quoted with Go's escapes or bare up to a comma.
func matcherValue(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, ',')
		if end < 0 {
			end = len(s)
		}
		value = strings.TrimSpace(s[:end])
		if strings.ContainsAny(value, "\"{}=~! \t\n") {
			return "", "", fmt.Errorf("quote the value %s", value)
		}
		return value, s[end:], nil
	}
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		// A regular expression may hold escapes that are none of a string's: \d.
		if quoted = rawQuoted(s); quoted == "" {
			return "", "", fmt.Errorf("the quote in %s is not closed", s)
		}
		return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`), s[len(quoted):], nil
	}
	value, err = strconv.Unquote(quoted)
	return value, s[len(quoted):], err
}

func rawQuoted(s string) string {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i+1]
		}
	}
	return ""
}
