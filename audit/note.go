package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/google/uuid"
)

// The kinds of entries that no migration makes.
const (
	KindRecovered = "recovered" // how a migration ended whose process did not live to say so

	KindGuard     = "manual.guard"           // a guard of the audit tables was off
	KindHistory   = "manual.history_edit"    // a tool's version table was changed between two runs
	KindDrift     = "manual.schema_drift"    // the schema was changed between two runs
	KindForeign   = "manual.ddl_out_of_band" // DDL past the witness, as an event trigger saw it
	KindForce     = "manual.force"           // a version was set by hand
	KindUnlocked  = "manual.lock_released"   // a lock of a migration's was released, or its session ended, by hand
	KindConfig    = "config.changed"         // our own configuration
	KindServer    = "config.server"          // the server's, or a role's, as seen on the wire
	KindState     = "state"                  // version tables and schema at the end of a run
	KindPolicy    = "retention.policy"
	KindHold      = "retention.hold"
	KindRelease   = "retention.release"
	KindPrune     = "retention.prune"
	KindErase     = "retention.erase"
	KindVerified  = "verify.run"     // somebody has verified the record
	KindExported  = "export.run"     // somebody has read all of it
	KindReported  = "report.run"     // somebody has read what it has of a run
	KindDegraded  = "audit.degraded" // the database did not take entries, and does again
	KindRotated   = "key.rotated"    // another key signs from now on
	KindGivenUp   = "log.recovered"  // a part of the log was lost, and somebody answers for it
	stageNote     = "note"           // of every entry of these kinds
	maxFactsBytes = 48 << 10
)

// kindPattern is what a kind may look like: it is written into SQL as it is.
var kindPattern = regexp.MustCompile(`^[a-z][a-z_]{0,15}(\.[a-z_]{1,24})?$`)

// noted is what goes with a note beside its facts.
type noted struct {
	id      uuid.UUID // zero for a new one
	attempt uuid.UUID // that it speaks of; zero for none
	login   login
	reason  string            // "" for the configuration's
	ticket  string            // the same
	content map[string]object // further sections by name
}

// note makes an entry that no migration makes. Its facts are in the leaf, and so
// are kept forever: they name objects and versions, never a person or a value.
func (s *scribe) note(kind string, facts object, n noted) (*entry, error) {
	if !kindPattern.MatchString(kind) {
		return nil, fmt.Errorf("audit: %q is no kind of entry: lower-case words with one dot between them, as in manual.force", kind)
	}
	e := &entry{id: n.id, attempt: n.attempt, kind: kind, stage: stageNote}
	if e.id == uuid.Nil {
		e.id = s.newID()
	}
	if e.attempt == uuid.Nil {
		e.attempt = e.id
	}
	if err := s.add(e, sectionActor, s.actor.section(n.login, 0)); err != nil {
		return nil, err
	}
	cfg := s.cfg
	if n.reason != "" || n.ticket != "" {
		cfg.Reason, cfg.Ticket = n.reason, n.ticket
	}
	if err := s.add(e, sectionWhy, why(cfg)); err != nil {
		return nil, err
	}
	for name, body := range n.content {
		if err := s.add(e, name, body); err != nil {
			return nil, err
		}
	}
	c := object{}
	for _, sec := range e.sections {
		c[sec.name] = sec.commitment()
	}
	h := object{
		"v":           formatVersion,
		"id":          e.id.String(),
		"attempt":     e.attempt.String(),
		"kind":        kind,
		"stage":       e.stage,
		"client_time": timestamp(s.deps.Now()),
		"mode":        s.cfg.Mode.String(),
		"db":          object{"system": cut(s.db.System, maxField), "name": cut(s.db.Name, maxField)},
		"c":           c,
		"facts":       facts,
	}
	h.text("lib", s.deps.Library)
	if id := s.log.Load(); id != nil {
		h["log_id"] = *id
	}
	leaf, err := canonical(h)
	if err != nil {
		return nil, err
	}
	if len(leaf) > maxSection {
		return nil, errors.New("audit: the facts of an entry are longer than 60 KiB")
	}
	e.leaf = leaf
	return e, nil
}

// Note records something that is no migration: a change of configuration, an
// intervention by hand. The kind is one of the Kind constants or of that form.
// The facts go into the leaf, which no retention ever deletes: texts of SQL must
// have been redacted, and nothing in them may be secret or name a person. They
// must be JSON values; texts are cut at 4 KiB.
//
// It blocks as the other methods do and goes to the spool where the database does
// not take it. The error is one about the arguments, or Strict's [*Error].
func (s *Store) Note(ctx context.Context, kind string, facts map[string]any) error {
	if s.cfg.Mode == Off {
		return nil
	}
	clean, err := cleanFacts(facts)
	if err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	readyErr := s.ready(ctx)
	if s.state.Load() == stateInMemory {
		return s.inMemory("record a note")
	}
	e, err := s.scribe.note(kind, clean, noted{login: s.loggedIn()})
	if err != nil {
		return err
	}
	if readyErr == nil {
		readyErr = s.write(ctx, e)
	}
	if readyErr != nil {
		return s.instead("record a note", readyErr, e)
	}
	return nil
}

// cleanFacts are facts as an entry takes them.
func cleanFacts(facts map[string]any) (object, error) {
	b, err := json.Marshal(facts)
	if err != nil {
		return nil, fmt.Errorf("audit: the facts are no JSON: %w", err)
	}
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, fmt.Errorf("audit: the facts are no JSON object: %w", err)
	}
	for k, v := range o {
		o[k] = cutFact(v)
	}
	if b, _ = json.Marshal(o); len(b) > maxFactsBytes {
		return nil, fmt.Errorf("audit: the facts take %d bytes; an entry has room for %d", len(b), maxFactsBytes)
	}
	return o, nil
}

func cutFact(v any) any {
	switch v := v.(type) {
	case string:
		return cut(v, maxText)
	case []any:
		for i := range v {
			v[i] = cutFact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = cutFact(v[k])
		}
	}
	return v
}
