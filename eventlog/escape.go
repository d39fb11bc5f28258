package eventlog

import (
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// appendPrintable appends a line of JSON, with what would steer a terminal or
// turn the text around written as an escape. JSON asks for that below U+0020
// alone; a name or a message may hold U+009B, which some terminals take for the
// beginning of a command, or U+202E, after which text reads from right to left.
// Outside of strings JSON has no such character, so that the line means the same.
func appendPrintable(to, line []byte) []byte {
	from := 0
	for i := 0; i < len(line); {
		if b := line[i]; b < 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRune(line[i:])
		if !unicode.IsPrint(r) || r == utf8.RuneError && n == 1 {
			to = append(to, line[from:i]...)
			from = i + n
			if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
				to = fmt.Appendf(to, `\u%04x\u%04x`, high, low)
			} else {
				to = fmt.Appendf(to, `\u%04x`, r)
			}
		}
		i += n
	}
	return append(to, line[from:]...)
}
