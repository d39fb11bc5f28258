package sqltext

import (
	"github.com/cespare/xxhash/v2"
)

// Exact identifies what a text says, literals included: two texts that differ in
// comments, white space and trailing semicolons only have the same sums. whole is
// that of the text, each those of its statements. It reads the text to its end,
// however long; ok is false where that is not possible without doubt.
func Exact(sql string, d Dialect) (whole uint64, each []uint64, ok bool) {
	l := lexer{text: sql, dialect: d}
	l.lex()
	if l.doubt {
		return 0, nil, false
	}
	all := xxhash.New()
	for tokens := l.tokens; len(tokens) > 0; {
		n := statementEnd(sql, tokens)
		if n > 0 {
			one := xxhash.New()
			for _, t := range tokens[:n] {
				text := sql[t.start:t.end]
				_, _ = one.WriteString(text)
				_, _ = one.WriteString("\x00")
				_, _ = all.WriteString(text)
				_, _ = all.WriteString("\x00")
			}
			_, _ = all.WriteString("\x01")
			each = append(each, one.Sum64())
		}
		tokens = tokens[min(n+1, len(tokens)):]
	}
	if len(each) == 1 {
		return each[0], each, true // the statement is the text
	}
	return all.Sum64(), each, true
}
