package sqltext

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// Analyze reads a text. It never fails and never panics: what it cannot make
// out it leaves empty, and Certain tells whether the text was lexed to the end
// without doubt.
func Analyze(sql string, d Dialect) *Text {
	t := &Text{SQL: sql, Dialect: d}
	l := lexer{text: sql, dialect: d, tokens: make([]token, 0, min(len(sql)/4+4, 4096))}
	if len(sql) > MaxText {
		t.Truncated = true
		l.text = head(sql)
	}
	l.lex()
	t.Comment = strings.TrimSpace(l.text[:l.comment])
	t.Certain = !l.doubt && !t.Truncated
	t.split(l.text, l.tokens)
	if !t.Certain {
		t.Fingerprint = xxhash.Sum64String("\x00" + sql)
		return t
	}
	pieces := redact(l.text, l.tokens)
	t.Redacted = join(pieces)
	t.Fingerprint = fingerprint(pieces)
	t.Summary = summary(t.Statements)
	return t
}

// FingerprintHex is the fingerprint as 16 hexadecimal digits.
func (t *Text) FingerprintHex() string { return fmt.Sprintf("%016x", t.Fingerprint) }

// head is what is read of a text that is too long, whole characters only.
func head(sql string) string {
	n := MaxText
	for n > 0 && !utf8.RuneStart(sql[n]) {
		n--
	}
	return sql[:n]
}

// split finds the statements. A semicolon inside a routine's body ends none.
func (t *Text) split(text string, tokens []token) {
	params := 0
	for len(tokens) > 0 {
		n := statementEnd(text, tokens)
		if n > 0 {
			t.Count++
			if len(t.Statements) < MaxStatements {
				t.Statements = append(t.Statements, Statement{Offset: tokens[0].start, End: tokens[n-1].end})
				p := parser{text: text, dialect: t.Dialect, tokens: tokens[:n], params: params, st: &t.Statements[len(t.Statements)-1]}
				p.statement()
			}
			for _, tok := range tokens[:n] {
				if tok.kind == tokParam && tok.end-tok.start == 1 {
					params++
				}
			}
		}
		if n < len(tokens) {
			n++ // the semicolon
		}
		tokens = tokens[n:]
	}
}

// statementEnd counts the tokens before the semicolon that ends a statement.
func statementEnd(text string, tokens []token) int {
	routine, decided, depth := false, false, 0
	for i, tok := range tokens {
		switch tok.kind {
		case tokSemicolon:
			if depth == 0 {
				return i
			}
		case tokWord:
			if !strings.EqualFold(text[tokens[0].start:tokens[0].end], "create") {
				continue
			}
			switch strings.ToUpper(text[tok.start:tok.end]) {
			case "TABLE", "INDEX", "VIEW", "TYPE", "SCHEMA", "DATABASE", "SEQUENCE":
				decided = true // what follows are names
			case "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT":
				routine = routine || !decided && i < 12
			case "BEGIN":
				if routine {
					depth++
				}
			case "CASE":
				if depth > 0 && !before(text, tokens, i, "end") {
					depth++
				}
			case "END":
				if depth > 0 && !(i+1 < len(tokens) && ender(text[tokens[i+1].start:tokens[i+1].end])) {
					depth--
				}
			}
		}
	}
	return len(tokens)
}

func before(text string, tokens []token, i int, word string) bool {
	return i > 0 && strings.EqualFold(text[tokens[i-1].start:tokens[i-1].end], word)
}

// ender reports whether END is the end of a block that was not counted.
func ender(word string) bool {
	switch strings.ToUpper(word) {
	case "IF", "LOOP", "WHILE", "REPEAT":
		return true
	}
	return false
}

const maxSummary = 255

// summary follows OpenTelemetry's db.query.summary: operations and targets.
func summary(statements []Statement) string {
	var b strings.Builder
	add := func(word string) bool {
		if b.Len()+1+len(word) > maxSummary {
			return false
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
		return true
	}
	for i := range statements {
		if !add(statements[i].Operation.String()) {
			break
		}
		for _, t := range statements[i].Tables {
			if !add(t.String()) {
				return b.String()
			}
		}
	}
	return b.String()
}
