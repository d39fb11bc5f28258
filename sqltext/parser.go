package sqltext

import (
	"strconv"
	"strings"
)

// parser reads one statement's tokens. It understands as much of the grammar as
// its callers ask about and skips the rest: what it cannot make out stays empty.
type parser struct {
	text    string
	dialect Dialect
	tokens  []token
	i       int
	params  int // plain ? in the text before this statement
	counted int // tokens of the statement whose plain ? are in plain
	plain   int
	st      *Statement
}

// is reports whether the token n ahead is the given word or operator.
func (p *parser) is(n int, word string) bool {
	i := p.i + n
	if i >= len(p.tokens) {
		return false
	}
	t := p.tokens[i]
	return (t.kind == tokWord || t.kind == tokOp) && strings.EqualFold(p.text[t.start:t.end], word)
}

// accept steps over the given words if they come next.
func (p *parser) accept(words ...string) bool {
	for n, w := range words {
		if !p.is(n, w) {
			return false
		}
	}
	p.i += len(words)
	return true
}

func (p *parser) done() bool { return p.i >= len(p.tokens) }

func (p *parser) raw(i int) string { return p.text[p.tokens[i].start:p.tokens[i].end] }

// word is the token at hand in upper case, if it is a word.
func (p *parser) word() string {
	if p.done() || p.tokens[p.i].kind != tokWord {
		return ""
	}
	return strings.ToUpper(p.raw(p.i))
}

// name is an identifier's text without its quotes; ok is false if there is none.
func (p *parser) name(i int) (string, bool) {
	if i >= len(p.tokens) {
		return "", false
	}
	s := p.raw(i)
	switch p.tokens[i].kind {
	case tokWord:
		return s, true
	case tokName:
		if len(s) < 2 || s[0] == 'U' || s[0] == 'u' {
			return "", false
		}
		q := s[len(s)-1:]
		if q == "]" {
			return s[1 : len(s)-1], true
		}
		return strings.ReplaceAll(s[1:len(s)-1], q+q, q), true
	case tokString:
		// What is in double quotes may be a name, too; it is one only where a name
		// must stand, which callers see to.
		if s[0] == '"' && len(s) >= 2 {
			return strings.ReplaceAll(s[1:len(s)-1], `""`, `"`), true
		}
	}
	return "", false
}

// table reads a table's name, schema and all, and adds it to the statement.
func (p *parser) table() bool {
	first, ok := p.name(p.i)
	if !ok {
		return false
	}
	t := Table{Name: first}
	p.i++
	for p.is(0, ".") {
		next, ok := p.name(p.i + 1)
		if !ok {
			break
		}
		t.Schema, t.Name = t.Name, next
		p.i += 2
	}
	p.add(t)
	return true
}

const maxTables = 32

func (p *parser) add(t Table) {
	for _, have := range p.st.Tables {
		if have == t {
			return
		}
	}
	if len(p.st.Tables) < maxTables {
		p.st.Tables = append(p.st.Tables, t)
	}
}

// value reads a parameter or a literal; an expression is Other. It stops before
// a comma or a closing parenthesis at its own level.
func (p *parser) value() Value {
	v, start := Value{}, p.i
	sign := ""
	if p.is(0, "-") {
		sign = "-"
		p.i++
	}
	if !p.done() {
		switch t := p.tokens[p.i]; t.kind {
		case tokParam:
			v = Value{Kind: Param, Param: p.ordinal(p.raw(p.i))}
			p.i++
		case tokString:
			v = Value{Kind: Literal, Literal: unquote(p.raw(p.i))}
			p.i++
		case tokNumber:
			v = Value{Kind: Literal, Literal: sign + p.raw(p.i)}
			p.i++
		case tokWord:
			if w := p.word(); w == "TRUE" || w == "FALSE" {
				v = Value{Kind: Literal, Literal: strings.ToLower(w)}
				p.i++
			}
		}
	}
	p.cast()
	if !p.done() && !p.is(0, ",") && !p.is(0, ")") {
		switch p.word() {
		case "AND", "OR", "WHERE", "FROM", "ORDER", "LIMIT", "RETURNING", "ON", "GROUP", "AS", "LOCK", "FOR":
		default:
			v = Value{}
		}
	}
	if p.i == start {
		v = Value{}
	}
	return v
}

// cast steps over ::type.
func (p *parser) cast() {
	for p.is(0, "::") {
		p.i++
		for !p.done() && p.tokens[p.i].kind == tokWord {
			if w := p.word(); w == "AND" || w == "OR" || w == "FROM" || w == "WHERE" || w == "AS" {
				return
			}
			p.i++
		}
		for p.is(0, "[") || p.is(0, "]") {
			p.i++
		}
	}
}

// ordinal of a parameter as written: $3, ?, ?3, :name. Named ones have none.
func (p *parser) ordinal(raw string) int {
	if len(raw) > 1 {
		n, _ := strconv.Atoi(raw[1:])
		return n
	}
	// A plain ? counts those before it.
	if p.counted > p.i+1 { // stepped back
		p.counted, p.plain = 0, 0
	}
	for ; p.counted <= p.i; p.counted++ {
		if t := p.tokens[p.counted]; t.kind == tokParam && t.end-t.start == 1 {
			p.plain++
		}
	}
	return p.params + p.plain
}

// unquote is a string literal's value, as far as it is plain.
func unquote(s string) string {
	if strings.HasPrefix(s, "$") {
		if i := strings.IndexByte(s[1:], '$'); i >= 0 && len(s) >= 2*(i+2) {
			return s[i+2 : len(s)-i-2]
		}
		return ""
	}
	i := strings.IndexAny(s, `'"`)
	if i < 0 || len(s) < i+2 {
		return ""
	}
	q := s[i : i+1]
	return strings.ReplaceAll(s[i+1:len(s)-1], q+q, q)
}

// skip steps to the closing parenthesis of the one that was just opened, and
// over it.
func (p *parser) skip() {
	for depth := 1; !p.done(); p.i++ {
		switch {
		case p.is(0, "("):
			depth++
		case p.is(0, ")"):
			if depth--; depth == 0 {
				p.i++
				return
			}
		}
	}
}

// list reads the values of a parenthesised list.
func (p *parser) list() []Value {
	if !p.accept("(") {
		return nil
	}
	var vs []Value
	for !p.done() && !p.is(0, ")") {
		vs = append(vs, p.value())
		p.element()
		if !p.accept(",") {
			break
		}
	}
	p.accept(")")
	return vs
}

// element steps to the end of an element of a list.
func (p *parser) element() {
	for !p.done() && !p.is(0, ",") && !p.is(0, ")") {
		if p.accept("(") {
			p.skip()
			continue
		}
		p.i++
	}
}

// columns reads the names of a parenthesised list; nil where it is no such list.
func (p *parser) columns() []string {
	if !p.is(0, "(") || p.is(1, "SELECT") || p.is(1, "WITH") || p.is(1, "VALUES") {
		return nil
	}
	p.i++
	var names []string
	for !p.done() {
		name, ok := p.name(p.i)
		if ok {
			names = append(names, strings.ToLower(name))
		}
		p.element()
		if !p.accept(",") {
			break
		}
	}
	p.accept(")")
	return names
}
