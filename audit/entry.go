package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/gowebpki/jcs"

	"github.com/sqlwitness/sqlwitness/event"
)

// The kinds and stages of an entry.
const (
	kindIntent  = "intent"
	kindOutcome = "outcome"
	kindLogOpen = "log.open" // which log it is; see log.go

	stageStart  = "start"  // before the first statement
	stageCommit = "commit" // in the migration's own transaction
	stageAfter  = "after"  // outside it
)

const (
	formatVersion = 1
	saltSize      = 32
	maxField      = 512      // bytes of a free text in the leaf, which so stays far under 60 KiB
	maxSection    = 60 << 10 // bytes of a section
	// maxBatch bounds the sections of all the entries of one write together: a
	// MySQL server takes 16 MiB in a packet, and the text holds each byte twice.
	maxBatch = 4 << 20
)

// entry is one record: a leaf that is kept, and sections that may be erased.
type entry struct {
	id, attempt uuid.UUID
	kind, stage string
	leaf        []byte // RFC 8785
	sections    []section
}

// section is a part of an entry that the leaf commits to.
type section struct {
	name string
	salt []byte
	body []byte // RFC 8785
}

// commitment binds a section to the leaf without showing it: without the salt a
// short text could be guessed, and with the salt erased it cannot be.
func (s section) commitment() string {
	mac := hmac.New(sha256.New, s.salt)
	mac.Write(s.body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// scribe makes entries.
type scribe struct {
	cfg         Config
	deps        Deps
	db          event.Database
	actor       actor
	log         atomic.Pointer[string] // id of the log that entries go to; nil before it is known
	toolVersion func(tool string) string
}

// draft is what the migration does not say about its entry.
type draft struct {
	attempt   uuid.UUID
	kind      string
	stage     string
	outcome   event.Outcome
	class     string // of the error; "" for that of the migration
	code      string
	guarantee event.Guarantee // as it will be if this entry gets where it is meant to go
	batch     int             // entries that are written together
	login     login
	prev      uuid.UUID // an earlier attempt at the same version that was interrupted; zero for none
}

func (s *scribe) entry(m *event.Migration, d draft) (*entry, error) {
	e := &entry{id: s.newID(), attempt: d.attempt, kind: d.kind, stage: d.stage}
	if err := s.sections(e, m, d); err != nil {
		return nil, err
	}
	leaf, err := canonical(s.header(e, m, d))
	if err != nil {
		return nil, err
	}
	e.leaf = leaf
	return e, nil
}

func (s *scribe) header(e *entry, m *event.Migration, d draft) object {
	c := object{}
	for _, sec := range e.sections {
		c[sec.name] = sec.commitment()
	}
	h := object{
		"v":           formatVersion,
		"id":          e.id.String(),
		"attempt":     e.attempt.String(),
		"kind":        e.kind,
		"stage":       e.stage,
		"client_time": timestamp(s.deps.Now()),
		"tool":        cut(m.Tool, maxField),
		"version":     nil,
		"direction":   string(m.Direction),
		"mode":        s.cfg.Mode.String(),
		"db":          object{"system": cut(s.db.System, maxField), "name": cut(s.db.Name, maxField)},
		"c":           c,
	}
	if m.Version != nil {
		h["version"] = cut(*m.Version, maxField)
	}
	h.text("tool_version", s.toolVersion(m.Tool))
	if id := s.log.Load(); id != nil {
		h["log_id"] = *id
	}
	h.text("after", m.After)
	if d.prev != uuid.Nil {
		h["prev_attempt"] = d.prev.String()
	}
	h.text("lib", s.deps.Library)
	h.text("run", m.RunID)
	h.text("migration", m.MigrationID)
	h.text("correlation", m.CorrelationID)
	if !m.Start.IsZero() {
		h["started"] = timestamp(m.Start)
	}
	if e.kind != kindOutcome {
		if m.Atomic {
			h["atomic"] = true
		}
		return h
	}
	h["outcome"] = string(d.outcome)
	h["guarantee"] = string(d.guarantee)
	h["atomic"] = m.Atomic
	h["statements"] = integer(int64(m.Statements))
	h["duration_ns"] = nanoseconds(m.Duration)
	h["lock_wait_ns"] = nanoseconds(m.LockWait)
	h.text("error_class", d.class)
	h.text("sqlstate", d.code)
	return h
}

// newID makes an entry's id. A NewID that makes no UUIDs does not keep an entry
// from being written.
func (s *scribe) newID() uuid.UUID {
	id, err := uuid.Parse(s.deps.NewID())
	if err != nil {
		return uuid.Must(uuid.NewV7())
	}
	return id
}

// add salts a section and adds it to the entry; an empty one is left out.
func (s *scribe) add(e *entry, name string, body object) error {
	if len(body) == 0 {
		return nil
	}
	text, err := canonical(body)
	if err != nil {
		return err
	}
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(s.deps.Rand, salt); err != nil {
		return fmt.Errorf("salt: %w", err)
	}
	e.sections = append(e.sections, section{name: name, salt: salt, body: text})
	return nil
}

// object is a JSON object.
type object map[string]any

// text sets a free text, which is left out where it is empty.
func (o object) text(key, value string) {
	if value != "" {
		o[key] = cut(value, maxField)
	}
}

// canonical writes RFC 8785 bytes.
func canonical(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(b)
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// nanoseconds are always a string: they pass 2^53 after a hundred days.
func nanoseconds(d time.Duration) string { return strconv.FormatInt(int64(d), 10) }

// integer is a number where every JSON reader keeps it exact (I-JSON, RFC 7493),
// else a string.
func integer(n int64) any {
	const limit = 1 << 53
	if n >= limit || n <= -limit {
		return strconv.FormatInt(n, 10)
	}
	return n
}

// cutMark ends a text that is not whole.
const cutMark = "…(cut)"

// cut shortens a text to at most n bytes and the mark, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 { // a continuation byte of UTF-8
		n--
	}
	return s[:n] + cutMark
}
