package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/google/uuid"
)

// record is a place in the tree with all that belongs to it, as it is read back.
type record struct {
	idx      int64
	seal     []byte    // the leaf of the tree
	hash     []byte    // leaf_hash, as it is stored; nil where there is none (an export)
	sealed   uuid.UUID // column seal.entry: which entry it is of
	found    bool      // the entry is there
	id       uuid.UUID // columns of the entry
	attempt  uuid.UUID
	kind     string
	stage    string
	leaf     []byte
	facts    facts
	sections []readSection
}

type readSection struct {
	name       string
	salt, body []byte
}

// commit is the MAC that a leaf has to hold of the section. It is section's
// commitment without its allocations.
func (s readSection) commit() (sum [sha256.Size]byte) {
	var pad [sha256.BlockSize]byte
	if len(s.salt) > len(pad) {
		return sum // no salt of ours is that long
	}
	copy(pad[:], s.salt)
	for i := range pad {
		pad[i] ^= 0x36
	}
	h := sha256.New()
	h.Write(pad[:])
	h.Write(s.body)
	h.Sum(sum[:0])
	for i := range pad {
		pad[i] ^= 0x36 ^ 0x5c
	}
	h.Reset()
	h.Write(pad[:])
	h.Write(sum[:])
	h.Sum(sum[:0])
	return sum
}

// header is the part of a leaf that verification reads.
type header struct {
	id, attempt uuid.UUID
	kind, stage string
	log         string
	sections    []commitment
}

// commitment is what a leaf says of a section.
type commitment struct {
	name string
	mac  [sha256.Size]byte
}

var errForm = errors.New("not a leaf")

// readHeader takes a leaf apart.
func readHeader(leaf []byte) (h header, err error) {
	err = h.read(leaf)
	return h, err
}

// read takes a leaf apart. The leaf is RFC 8785, so that there is no space
// between its tokens; no other text is taken. It does without a general decoder,
// which would be most of what verification costs, and uses again what memory the
// header has.
func (h *header) read(leaf []byte) error {
	log := h.log
	h.reset()
	has, read := 0, true
	text := func(value []byte) []byte {
		t := plain(value)
		read = read && t != nil // what is not read would not be checked
		return t
	}
	err := fields(leaf, func(key, value []byte) error {
		switch string(key) {
		case "id":
			h.id, _ = uuid.ParseBytes(text(value))
			has |= 1
		case "attempt":
			h.attempt, _ = uuid.ParseBytes(text(value))
		case "kind":
			h.kind = word(text(value))
			has |= 2
		case "stage":
			h.stage = word(text(value))
		case "log_id":
			if h.log = log; string(text(value)) != log {
				h.log = string(text(value))
			}
		case "c":
			has |= 4
			h.sections = h.sections[:0]
			return fields(value, func(name, value []byte) error {
				c := commitment{name: word(name)}
				const encoded = 44 // characters, the last of them padding
				var mac [encoded / 4 * 3]byte
				text := plain(value)
				if len(text) != encoded {
					return errForm
				}
				if n, err := base64.StdEncoding.Decode(mac[:], text); err != nil || n != len(c.mac) {
					return errForm
				}
				c.mac = [sha256.Size]byte(mac[:])
				h.sections = append(h.sections, c)
				return nil
			})
		}
		return nil
	})
	if err == nil && (has != 1|2|4 || !read) {
		err = errForm
	}
	return err
}

// reset empties the header and keeps its memory.
func (h *header) reset() { *h = header{sections: h.sections[:0]} }

// word is a text as a string; those that are in nearly every record cost nothing.
func word(b []byte) string {
	switch string(b) {
	case kindIntent:
		return kindIntent
	case kindOutcome:
		return kindOutcome
	case stageStart:
		return stageStart
	case stageCommit:
		return stageCommit
	case stageAfter:
		return stageAfter
	case sectionActor:
		return sectionActor
	case sectionSQL:
		return sectionSQL
	case sectionError:
		return sectionError
	case sectionWhy:
		return sectionWhy
	}
	return string(b)
}

// plain is a JSON string without an escape; nil for every other value.
func plain(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' || bytes.IndexByte(value, '\\') >= 0 {
		return nil
	}
	return value[1 : len(value)-1]
}

// fields calls f with each key and value of a JSON object in canonical form. It
// checks no more of the form than it needs to find them.
func fields(object []byte, f func(key, value []byte) error) error {
	n := len(object)
	if n < 2 || object[0] != '{' || object[n-1] != '}' {
		return errForm
	}
	for i := 1; i < n-1; {
		key := stringEnd(object, i)
		if key < 0 || key >= n-1 || object[key] != ':' {
			return errForm
		}
		end := valueEnd(object, key+1)
		if end < 0 || end > n-1 || end == key+1 {
			return errForm
		}
		if err := f(object[i+1:key-1], object[key+1:end]); err != nil {
			return err
		}
		if end < n-1 && object[end] != ',' {
			return errForm
		}
		i = end + 1
	}
	return nil
}

// stringEnd is where the string that begins at i has ended; -1 for none.
func stringEnd(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for end := i + 1; ; {
		quote := bytes.IndexByte(b[end:], '"')
		if quote < 0 {
			return -1
		}
		end += quote + 1
		escapes := 0
		for b[end-2-escapes] == '\\' { // b[i] is none
			escapes++
		}
		if escapes%2 == 0 {
			return end
		}
	}
}

// valueEnd is where the value that begins at i has ended: at the comma or the
// bracket that is not its own.
func valueEnd(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return -1
}

// exportLine is docs/audit-format.md, "The export".
type exportLine struct {
	Type     string                   `json:"type"` // "entry" or "checkpoint"
	Idx      *int64                   `json:"idx,omitempty"`
	Seal     string                   `json:"seal,omitempty"`
	Leaf     string                   `json:"leaf,omitempty"`
	DBTime   string                   `json:"db_time,omitempty"`
	XID      string                   `json:"xid,omitempty"`
	Sections map[string]exportSection `json:"sections,omitempty"`
	Erased   []string                 `json:"erased,omitempty"` // names of sections that are gone
	Note     string                   `json:"note,omitempty"`
}

type exportSection struct {
	Salt string `json:"salt"` // base64
	Body string `json:"body"`
}

// line is the record as a line of an export.
func (r *record) line(h header) exportLine {
	l := exportLine{Type: "entry", Idx: &r.idx, Seal: string(r.seal), Leaf: string(r.leaf), DBTime: r.facts.dbTime, XID: r.facts.xid}
	for _, s := range r.sections {
		if l.Sections == nil {
			l.Sections = map[string]exportSection{}
		}
		l.Sections[s.name] = exportSection{Salt: base64.StdEncoding.EncodeToString(s.salt), Body: string(s.body)}
	}
	for _, c := range h.sections {
		if _, ok := l.Sections[c.name]; !ok {
			l.Erased = append(l.Erased, c.name)
		}
	}
	return l
}

// record is the line as it was read from the tables, as far as an export has it.
func (l *exportLine) record() (*record, error) {
	if l.Idx == nil {
		return nil, errForm
	}
	h, err := readHeader([]byte(l.Leaf))
	if err != nil {
		return nil, err
	}
	r := &record{idx: *l.Idx, seal: []byte(l.Seal), found: true, sealed: h.id, id: h.id, attempt: h.attempt, kind: h.kind, stage: h.stage,
		leaf: []byte(l.Leaf), facts: facts{dbTime: l.DBTime, xid: l.XID}}
	for name, s := range l.Sections {
		salt, err := base64.StdEncoding.DecodeString(s.Salt)
		if err != nil {
			return nil, errForm
		}
		r.sections = append(r.sections, readSection{name, salt, []byte(s.Body)})
	}
	return r, nil
}

// expectedSeal is the leaf of the tree that the record's columns make.
func (r *record) expectedSeal(buf []byte) []byte {
	return appendSealLeaf(buf[:0], r.id, r.leaf, r.facts)
}

// at is the database's time of the entry; zero if it cannot be read.
func (r *record) at() time.Time {
	t, err := time.Parse(time.RFC3339Nano, r.facts.dbTime)
	if err != nil {
		return time.Time{}
	}
	return t
}
