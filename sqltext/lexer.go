package sqltext

import (
	"strings"
	"unicode/utf8"
)

// tokenKind is what a token is.
type tokenKind uint8

const (
	tokWord   tokenKind = iota // an identifier or keyword without quotes
	tokName                    // a quoted identifier
	tokString                  // any string-like literal, dollar quotes included
	tokNumber
	tokParam // $1, ?, :name, @name, @@name
	tokOp    // punctuation and operators, one or several bytes
	tokSemicolon
)

type token struct {
	kind       tokenKind
	start, end int // bytes of the text
}

// lexer splits a text into tokens by one dialect's rules of quoting. It decides
// nothing by guess: where the rules leave a doubt, doubt is set and the text is
// not certain.
type lexer struct {
	text    string
	dialect Dialect
	pos     int
	doubt   bool
	comment int // end of the comments that the text begins with
	tokens  []token
}

// lex reads the whole text.
func (l *lexer) lex() {
	if !utf8.ValidString(l.text) || strings.IndexByte(l.text, 0) >= 0 {
		l.doubt = true
		return
	}
	for l.pos < len(l.text) && !l.doubt {
		l.next()
	}
}

func (l *lexer) peek(n int) byte {
	if l.pos+n < len(l.text) {
		return l.text[l.pos+n]
	}
	return 0
}

func (l *lexer) emit(kind tokenKind, start int) {
	l.tokens = append(l.tokens, token{kind, start, l.pos})
}

func (l *lexer) next() {
	start, c := l.pos, l.text[l.pos]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		l.pos++
	case c == '-' && l.peek(1) == '-' && (l.dialect != MySQL || blank(l.peek(2)) || l.pos+2 == len(l.text)):
		l.line()
	case c == '#' && l.dialect == MySQL:
		l.line()
	case c == '/' && l.peek(1) == '*':
		l.block()
	case c == '\'':
		l.quoted('\'', l.dialect == MySQL)
		l.emit(tokString, start)
	case c == '"':
		// MySQL: a string, or a name in ANSI mode. SQLite: a string where no column
		// has that name. Others: by a setting, it may be. Taken for a literal, so that
		// nothing shows that might be one.
		l.quoted('"', l.dialect == MySQL)
		if l.dialect == PostgreSQL || l.dialect != MySQL && l.naming() {
			l.emit(tokName, start)
		} else {
			l.emit(tokString, start)
		}
	case c == '`' && (l.dialect == MySQL || l.dialect == SQLite):
		l.quoted('`', false)
		l.emit(tokName, start)
	case c == '[' && (l.dialect == SQLServer || l.dialect == SQLite):
		l.bracketed()
		l.emit(tokName, start)
	case c == '$' && l.dialect == PostgreSQL:
		l.dollar()
	case c == '$' && digit(l.peek(1)), c == '?' && digit(l.peek(1)):
		l.pos++
		l.digits()
		l.emit(tokParam, start)
	case c == '?' && l.dialect != PostgreSQL:
		l.pos++
		l.emit(tokParam, start)
	case (c == ':' || c == '@') && letter(l.peek(1)) && l.dialect != PostgreSQL:
		l.pos += 2
		l.word()
		l.emit(tokParam, start)
	case c == '@' && l.peek(1) == '@' && (l.dialect == MySQL || l.dialect == SQLServer):
		l.pos += 2
		l.word()
		l.emit(tokParam, start)
	case digit(c) || c == '.' && digit(l.peek(1)):
		l.number()
		l.emit(tokNumber, start)
	case letter(c):
		l.prefixed(start)
	case c == ';':
		l.pos++
		l.emit(tokSemicolon, start)
	case c == ':' && l.peek(1) == ':':
		l.pos += 2
		l.emit(tokOp, start)
	case c < ' ' || c == 0x7f || c == '`' || c == '\\' || c == '$':
		l.doubt = true
	default:
		l.pos++
		l.emit(tokOp, start)
	}
}

// prefixed reads a word, or the string that a word of one letter introduces.
func (l *lexer) prefixed(start int) {
	l.pos++
	l.word()
	if l.pos >= len(l.text) || l.text[l.pos] != '\'' {
		if strings.EqualFold(l.text[start:l.pos], "u") && strings.HasPrefix(l.text[l.pos:], "&") && l.dialect == PostgreSQL {
			l.unicode(start)
			return
		}
		l.emit(tokWord, start)
		return
	}
	word := strings.ToLower(l.text[start:l.pos])
	switch {
	case word == "e" && l.dialect == PostgreSQL:
		l.quoted('\'', true)
	case word == "n", word == "b", word == "x":
		l.quoted('\'', l.dialect == MySQL)
	case l.dialect == MySQL && strings.HasPrefix(word, "_"): // a character set: _utf8mb4'…'
		l.quoted('\'', true)
	default: // a word that touches a string: DATE'…'
		l.emit(tokWord, start)
		return
	}
	l.emit(tokString, start)
}

// unicode reads U&'…' or U&"…".
func (l *lexer) unicode(start int) {
	switch l.peek(1) {
	case '\'':
		l.pos++
		l.quoted('\'', false)
		l.emit(tokString, start)
	case '"':
		l.pos++
		l.quoted('"', false)
		l.emit(tokName, start)
	default:
		l.emit(tokWord, start)
	}
}

// quoted reads to the closing quote; a doubled quote stands for one.
func (l *lexer) quoted(quote byte, backslash bool) {
	for l.pos++; l.pos < len(l.text); l.pos++ {
		switch c := l.text[l.pos]; {
		case c == '\\' && backslash:
			l.pos++
		case c == '\\' && (quote == '\'' || l.dialect == Generic) && l.dialect != SQLite && l.dialect != SQLServer && l.peek(1) == quote:
			// Where strings end depends on a setting of the session
			// (standard_conforming_strings, NO_BACKSLASH_ESCAPES).
			l.doubt = true
			return
		case c == quote:
			if l.peek(1) == quote {
				l.pos++
				continue
			}
			l.pos++
			return
		}
	}
	l.pos, l.doubt = len(l.text), true
}

// naming reports whether no string can stand where something in double quotes has
// just been read.
func (l *lexer) naming() bool {
	if rest := strings.TrimLeft(l.text[l.pos:], " \t\r\n"); rest != "" && (rest[0] == '.' || rest[0] == '(') {
		return true
	}
	switch l.before(1) {
	case ".", "JOIN", "UPDATE", "TABLE", "INDEX", "VIEW", "TRIGGER", "EXISTS", "SET", "ADD", "COLUMN", "RENAME", "TO", "REFERENCES", "CONSTRAINT", "AS":
		return true
	case "FROM":
		return l.before(2) != "DISTINCT" // a IS DISTINCT FROM "b"
	case "INTO":
		return l.before(2) != "VACUUM"
	}
	return false
}

// before is the token n back, in upper case; "" where there is none.
func (l *lexer) before(n int) string {
	if n > len(l.tokens) {
		return ""
	}
	t := l.tokens[len(l.tokens)-n]
	return strings.ToUpper(l.text[t.start:t.end])
}

func (l *lexer) bracketed() {
	i := strings.IndexByte(l.text[l.pos:], ']')
	if i < 0 {
		l.doubt = true
		return
	}
	l.pos += i + 1
}

// dollar reads a parameter or a dollar-quoted string.
func (l *lexer) dollar() {
	start := l.pos
	if digit(l.peek(1)) {
		l.pos++
		l.digits()
		l.emit(tokParam, start)
		return
	}
	i := l.pos + 1
	for i < len(l.text) && (letter(l.text[i]) || digit(l.text[i]) && i > l.pos+1) {
		i++
	}
	if i >= len(l.text) || l.text[i] != '$' {
		l.doubt = true
		return
	}
	tag := l.text[l.pos : i+1]
	end := strings.Index(l.text[i+1:], tag)
	if end < 0 {
		l.doubt = true
		return
	}
	l.pos = i + 1 + end + len(tag)
	l.emit(tokString, start)
}

// line reads a comment. In PostgreSQL a carriage return ends it, too; whether it
// does elsewhere is not known of every database.
func (l *lexer) line() {
	ends := "\n"
	if l.dialect == PostgreSQL || l.dialect == Generic {
		ends = "\r\n"
	}
	i := strings.IndexAny(l.text[l.pos:], ends)
	if i < 0 {
		l.pos = len(l.text)
	} else {
		l.pos += i + 1
		l.doubt = l.dialect == Generic && l.text[l.pos-1] == '\r' && l.peek(0) != '\n'
	}
	l.leading()
}

// block reads a comment. They nest in PostgreSQL and SQL Server. What MySQL
// executes though it looks like one is a doubt.
func (l *lexer) block() {
	if l.dialect == MySQL && (l.peek(2) == '!' || l.peek(2) == '+' || l.peek(2) == 'M' && l.peek(3) == '!') {
		l.doubt = true
		return
	}
	nests := l.dialect == PostgreSQL || l.dialect == SQLServer
	depth := 1
	for l.pos += 2; l.pos < len(l.text); {
		switch {
		case l.text[l.pos] == '*' && l.peek(1) == '/':
			l.pos += 2
			if depth--; depth == 0 {
				l.leading()
				return
			}
		case l.text[l.pos] == '/' && l.peek(1) == '*':
			l.pos += 2
			if nests {
				depth++
			} else if l.dialect == Generic {
				l.doubt = true // whether it nests depends on the database
				return
			}
		default:
			l.pos++
		}
	}
	l.doubt = true
}

// leading notes a comment that stands before the first token.
func (l *lexer) leading() {
	if len(l.tokens) == 0 {
		l.comment = l.pos
	}
}

func (l *lexer) word() {
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		if !letter(c) && !digit(c) && c != '$' && !(c == '#' && l.dialect == SQLServer) {
			return
		}
		l.pos++
	}
}

func (l *lexer) digits() {
	for l.pos < len(l.text) && digit(l.text[l.pos]) {
		l.pos++
	}
}

// number reads all that touches a digit, so that no part of a literal that this
// does not know (1_000, 0x1F, 1e-5, 12abc) is left over.
func (l *lexer) number() {
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		sign := (c == '+' || c == '-') && (l.text[l.pos-1]|0x20) == 'e' && l.pos >= 2 && digit(l.text[l.pos-2]) && digit(l.peek(1))
		if !letter(c) && !digit(c) && c != '.' && !sign {
			return
		}
		l.pos++
	}
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// letter counts every byte of a character beyond ASCII as one.
func letter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

func blank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
