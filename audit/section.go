package audit

import (
	"encoding/json"

	"github.com/sqlwitness/sqlwitness/event"
)

// The sections of an entry.
const (
	sectionActor = "actor"
	sectionSQL   = "sql"
	sectionError = "error"
	sectionWhy   = "why"
)

const (
	maxText = 4 << 10 // bytes of one statement, reason or verdict
	// sqlFrame is more than the JSON around the statements takes.
	sqlFrame = 128
)

func (s *scribe) sections(e *entry, m *event.Migration, d draft) error {
	limit := maxSection
	if d.batch > 1 {
		limit = min(limit, maxBatch/d.batch)
	}
	if err := s.add(e, sectionActor, s.actor.section(d.login, s.session(e, m))); err != nil {
		return err
	}
	sql, err := statements(m, limit)
	if err != nil {
		return err
	}
	if err := s.add(e, sectionSQL, sql); err != nil {
		return err
	}
	if e.kind == kindOutcome {
		if err := s.add(e, sectionError, failure(m, d)); err != nil {
			return err
		}
	}
	return s.add(e, sectionWhy, why(s.cfg))
}

// session is the number that an intent notes.
func (s *scribe) session(e *entry, m *event.Migration) int64 {
	if e.kind != kindIntent {
		return 0
	}
	return s.deps.Session(m.ConnID)
}

// statements is the section of what was run: as many of the statements as fit.
func statements(m *event.Migration, limit int) (object, error) {
	if len(m.Body) == 0 {
		return nil, nil
	}
	total := max(m.Statements, len(m.Body))
	list, size := make([]any, 0, len(m.Body)), sqlFrame
	for i := range m.Body {
		st := statement(i+1, &m.Body[i])
		b, err := json.Marshal(st)
		if err != nil {
			return nil, err
		}
		if size += len(b) + 1; size > limit {
			break
		}
		list = append(list, st)
	}
	o := object{"statements": list, "total": total}
	if left := total - len(list); left > 0 {
		o["left_out"] = left
	}
	return o, nil
}

func statement(n int, b *event.BodyStatement) object {
	o := object{"n": n, "op": cut(b.Operation, maxField), "fp": cut(b.Fingerprint, maxField), "ns": nanoseconds(b.Duration)}
	if b.Text != "" {
		o["text"] = cut(b.Text, maxText)
	}
	if b.RowsAffected >= 0 {
		o["rows"] = integer(b.RowsAffected)
	}
	if b.Failed {
		o["failed"] = true
	}
	return o
}

// failure is the section of what went wrong. The server's message is not in it:
// many hold a value ("invalid input syntax for type integer: …"), and which do
// differs with the server's version and language.
func failure(m *event.Migration, d draft) object {
	o := object{}
	o.text("class", d.class)
	o.text("code", d.code)
	if m.Verdict != "" {
		o["verdict"] = cut(m.Verdict, maxText)
	}
	if f := m.Failing; f != nil {
		o["statement"] = f.Index
		o.text("op", f.Operation)
		o.text("fp", f.Fingerprint)
		if f.Position > 0 {
			o["position"] = f.Position
		}
		if f.Text != "" {
			o["text"] = cut(f.Text, maxText)
		}
	}
	return o
}

func why(cfg Config) object {
	o := object{}
	if cfg.Ticket != "" {
		o["ticket"] = cut(cfg.Ticket, maxText)
	}
	if cfg.Reason != "" {
		o["reason"] = cut(cfg.Reason, maxText)
	}
	return o
}
