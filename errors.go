package sqlwitness

import "strings"

// Error is an error of the witness itself: a configuration that does not hold,
// a parent driver that is not there, or, in audit.Strict, a record that could
// not be written. Errors of the parent driver are never wrapped in it.
type Error struct {
	Op   string // what was being done
	Err  error  // what went wrong
	Hint string // what to do about it; may be ""
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("sqlwitness: ")
	b.WriteString(e.Op)
	b.WriteString(": ")
	b.WriteString(e.Err.Error())
	if e.Hint != "" {
		b.WriteString(" (")
		b.WriteString(e.Hint)
		b.WriteString(")")
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }
