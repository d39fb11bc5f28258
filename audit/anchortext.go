package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

const (
	// maxLine bounds a line of an anchor's text; a longer one is passed over.
	maxLine = 1 << 20
	// maxNesting is of JSON in JSON strings, as container runtimes write it.
	maxNesting = 3

	signature   = "— "     // how a signature line of a note begins
	escapedDash = `\u2014` // and how some write its dash in JSON
)

// Notes finds the signed notes in any text: as they are, and in the strings of
// JSON lines. f is called with each; what is no note is passed over.
func Notes(text io.Reader, f func(note []byte) error) error {
	in := bufio.NewReaderSize(text, 64<<10)
	var window [4][]byte // the last lines
	var note []byte      // a note whose signatures are being read
	for {
		line, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if isSignature := bytes.HasPrefix(line, []byte(signature)); isSignature && note == nil && len(window[3]) == 0 && len(window[0]) > 0 {
			note = append(bytes.Join(window[:], []byte("\n")), '\n')
			note = append(append(note, line...), '\n')
		} else if isSignature && note != nil {
			note = append(append(note, line...), '\n')
		} else if note != nil {
			if err := f(note); err != nil {
				return err
			}
			note = nil
		}
		copy(window[:], window[1:])
		window[3] = line
		if e := inJSON(line, maxNesting, f); e != nil {
			return e
		}
		if err != nil { // the end of the text
			if note != nil {
				return f(note)
			}
			return nil
		}
	}
}

// readLine is the next line without its end; nil for one that is too long.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) <= maxLine {
			line = append(line, part...)
		} else {
			line = make([]byte, 0, maxLine) // and no part fits any more
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimRight(line, "\r\n"), err
		}
	}
}

// inJSON finds notes in the strings of a JSON text that looks as if it had some.
func inJSON(text []byte, depth int, f func([]byte) error) error {
	if depth == 0 || !bytes.Contains(text, []byte(signature)) && !bytes.Contains(text, []byte(escapedDash)) {
		return nil
	}
	if i := bytes.IndexByte(text, '{'); i >= 0 { // a time or a level may come first
		text = text[i:]
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil // no JSON, or its end
		}
		s, ok := token.(string)
		if !ok {
			continue
		}
		if bytes.Contains([]byte(s), []byte("\n\n"+signature)) {
			if err := f([]byte(s)); err != nil {
				return err
			}
			continue
		}
		if err := inJSON([]byte(s), depth-1, f); err != nil {
			return err
		}
	}
}
