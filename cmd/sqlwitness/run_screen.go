package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

// screen is stderr as a tool and the witness share it: the tool's own lines, and
// on a terminal a last line that is rewritten while something runs. It is safe
// for concurrent use.
type screen struct {
	out      io.Writer
	terminal bool
	columns  func() int

	mu    sync.Mutex
	drawn bool // the last line is a status
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out}
	if f, ok := out.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		s.terminal = true
		s.columns = func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 80
			}
			return width
		}
	}
	return s
}

// Write writes lines that stay.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.drawn {
		return s.out.Write(p)
	}
	s.drawn = false
	var b bytes.Buffer
	b.WriteString(clearLine)
	b.Write(p)
	if _, err := s.out.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// status shows what runs now, on a terminal only; "" takes it away.
func (s *screen) status(text string) {
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if text == "" && !s.drawn {
		return
	}
	s.drawn = text != ""
	// A line as wide as the terminal would wrap, and only its end be rewritten.
	_, _ = io.WriteString(s.out, clearLine+fit(text, s.columns()-1))
}

// fit cuts a text to a number of characters.
func fit(text string, width int) string {
	r := []rune(text)
	if width < 1 || len(r) <= width {
		return text
	}
	return string(r[:width-1]) + "…"
}

// plain has a space for what would steer a terminal or turn the text around: names
// may hold anything.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}
