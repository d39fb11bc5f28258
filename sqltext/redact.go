package sqltext

import (
	"strings"

	"github.com/cespare/xxhash/v2"
)

// piece is a token as it may be shown.
type piece struct {
	text  string
	space bool // white space or a comment stood before it
	fold  bool // its case does not matter
}

const placeholder = "?"

// redact turns every literal into "?", and lists of nothing else into one.
// Comments are left out: they may hold anything.
func redact(text string, tokens []token) []piece {
	for len(tokens) > 0 && tokens[len(tokens)-1].kind == tokSemicolon {
		tokens = tokens[:len(tokens)-1]
	}
	pieces := make([]piece, 0, len(tokens))
	for i, t := range tokens {
		p := piece{text: text[t.start:t.end], space: i > 0 && tokens[i-1].end < t.start}
		switch t.kind {
		case tokString, tokNumber:
			p.text = placeholder
		case tokWord:
			if isBoolean(p.text) {
				p.text = placeholder
			} else {
				p.fold = true
			}
		}
		pieces = collapse(append(pieces, p), t.kind)
	}
	return pieces
}

func isBoolean(word string) bool {
	return (len(word) == 4 && strings.EqualFold(word, "true")) || (len(word) == 5 && strings.EqualFold(word, "false"))
}

// collapse shortens what ends in "?, ?" or "(?), (?)". Lists of parameters are
// as long as the caller's data, so they collapse too.
func collapse(pieces []piece, kind tokenKind) []piece {
	n := len(pieces)
	last := pieces[n-1].text
	switch {
	case n >= 3 && isValue(pieces[n-1], kind) && pieces[n-2].text == "," && isPlaceholder(pieces[n-3].text):
		pieces[n-3].text = placeholder
		return pieces[:n-2]
	case n >= 7 && last == ")" && isPlaceholder(pieces[n-2].text) && pieces[n-3].text == "(" && pieces[n-4].text == "," &&
		pieces[n-5].text == ")" && isPlaceholder(pieces[n-6].text) && pieces[n-7].text == "(":
		return pieces[:n-4]
	}
	return pieces
}

func isValue(p piece, kind tokenKind) bool { return kind == tokParam || p.text == placeholder }

// isPlaceholder reports whether a piece is "?" or a parameter.
func isPlaceholder(s string) bool {
	return s == placeholder || len(s) > 1 && (s[0] == '$' || s[0] == '?') && digit(s[1])
}

// maxRedacted bounds a redacted text.
const maxRedacted = 4096

func join(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		if b.Len()+len(p.text)+1 > maxRedacted {
			b.WriteString(" …")
			break
		}
		if p.space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.text)
	}
	return b.String()
}

// fingerprint hashes the normal form: case folded, one space between tokens,
// parameters like literals.
func fingerprint(pieces []piece) uint64 {
	buf := make([]byte, 0, 512)
	for _, p := range pieces {
		switch {
		case p.fold:
			for i := range len(p.text) {
				c := p.text[i]
				if 'A' <= c && c <= 'Z' {
					c += 'a' - 'A'
				}
				buf = append(buf, c)
			}
		case isPlaceholder(p.text):
			buf = append(buf, placeholder...)
		default:
			buf = append(buf, p.text...)
		}
		buf = append(buf, ' ')
	}
	return xxhash.Sum64(buf)
}
