package main

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
)

// trailEntry is what a report reads of an entry of the audit trail;
// docs/audit-format.md is the reference.
type trailEntry struct {
	id       string // 32 hex digits
	sections map[string]json.RawMessage

	Attempt    string    `json:"attempt"`
	Kind       string    `json:"kind"`
	ClientTime time.Time `json:"client_time"`
	Started    time.Time `json:"started"`
	Tool       string    `json:"tool"`
	Version    *string   `json:"version"`
	After      string    `json:"after"`
	Direction  string    `json:"direction"`
	DB         struct {
		System string `json:"system"`
		Name   string `json:"name"`
	} `json:"db"`
	Run         string `json:"run"`
	Correlation string `json:"correlation"`
	Outcome     string `json:"outcome"`
	Guarantee   string `json:"guarantee"`
	Statements  int    `json:"statements"`
	Duration    nanos  `json:"duration_ns"`
	LockWait    nanos  `json:"lock_wait_ns"`
	ErrorClass  string `json:"error_class"`
	SQLState    string `json:"sqlstate"`
	Facts       struct {
		Resolution string `json:"resolution"`
	} `json:"facts"`
}

// nanos is how the trail writes a duration.
type nanos time.Duration

func (n *nanos) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	*n = nanos(v)
	return err
}

type trailStatements struct {
	Statements []struct {
		Operation   string `json:"op"`
		Fingerprint string `json:"fp"`
		Duration    nanos  `json:"ns"`
		Text        string `json:"text"`
		Failed      bool   `json:"failed"`
	} `json:"statements"`
	Total   int `json:"total"`
	LeftOut int `json:"left_out"`
}

type trailError struct {
	Statement int    `json:"statement"`
	Position  int    `json:"position"`
	Operation string `json:"op"`
	Text      string `json:"text"`
	Verdict   string `json:"verdict"`
}

// newestEntries is how far back a report looks for its run.
const newestEntries = 10_000

// reportOfTrail reads the entries of one run: the one named, or the last.
func reportOfTrail(ctx context.Context, dsn, run string) (*runReport, error) {
	db, t, err := openTrail(dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, t.reading)
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	entries, err := t.entries(ctx, tx)
	if class, _ := event.Classify(err); class == event.ClassMissingObject {
		return nil, errors.New("there are no audit tables in this database: no migration has run through the witness here, or they were dropped")
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	if run == "" {
		if run = lastRun(entries); run == "" {
			return nil, errors.New("the audit trail has no migration")
		}
	}
	if entries = entriesOf(run, entries); len(entries) == 0 {
		return nil, fmt.Errorf("there is no run %q in the newest %d entries of the audit trail", run, newestEntries)
	}
	for _, e := range entries {
		if err := t.sections(ctx, tx, e); err != nil {
			return nil, fmt.Errorf("read the audit trail: %w", err)
		}
	}
	r := reportOfEntries(run, entries)
	r.entries = len(entries)
	return r, nil
}

// lastRun is the run of the newest entry of a migration; "" where there is none.
// What else is in the trail, notes and states, is of no run.
func lastRun(entries []*trailEntry) string {
	for _, e := range slices.Backward(entries) {
		if e.Run != "" {
			return e.Run
		}
	}
	return ""
}

// entriesOf are those of a run, and after them how its attempts ended that another
// process found open. These name the attempt and no run, and their ids may sort
// before the intent's.
func entriesOf(run string, entries []*trailEntry) (list []*trailEntry) {
	attempts := map[string]bool{}
	for _, e := range entries {
		if e.Run == run {
			attempts[e.Attempt] = true
			list = append(list, e)
		}
	}
	for _, e := range entries {
		if e.Kind == audit.KindRecovered && attempts[e.Attempt] {
			list = append(list, e)
		}
	}
	return list
}

// trail is how a database keeps the audit trail.
type trail struct {
	entry, payload, id string
	key                func(id string) any // as the payload's key is compared
	where              string
	reading            *sql.TxOptions
}

// openTrail opens the database that a URL names.
func openTrail(dsn string) (*sql.DB, *trail, error) {
	db, system, err := openAudited(dsn)
	if err != nil {
		return nil, nil, err
	}
	// A serializable transaction, which may be the database's default, could be what
	// ends a migration's. SQLite knows no other.
	reading := &sql.TxOptions{Isolation: sql.LevelReadCommitted, ReadOnly: true}
	bytes := func(id string) any { b, _ := hex.DecodeString(id); return b } // it comes from the database as hex
	switch system {
	case "postgresql":
		return db, &trail{"sqlwitness.entry", "sqlwitness.payload", "replace(id::text, '-', '')", func(id string) any { return id }, "entry = $1::uuid", reading}, nil
	case "mysql":
		return db, &trail{"sqlwitness.entry", "sqlwitness.payload", "lower(hex(id))", bytes, "entry = ?", reading}, nil
	}
	return db, &trail{"sqlwitness_entry", "sqlwitness_payload", "lower(hex(id))", bytes, "entry = ?", nil}, nil
}

// entries are the newest ones, oldest first: their ids sort by time.
func (t *trail) entries(ctx context.Context, tx *sql.Tx) (list []*trailEntry, err error) {
	rows, err := tx.QueryContext(ctx, fmt.Sprintf("SELECT %s, leaf FROM %s ORDER BY id DESC LIMIT %d", t.id, t.entry, newestEntries))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		e := &trailEntry{sections: map[string]json.RawMessage{}}
		var leaf []byte
		if err := rows.Scan(&e.id, &leaf); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(leaf, e); err != nil {
			return nil, fmt.Errorf("entry %s: its leaf is not as docs/audit-format.md says; check it with sqlwitness audit verify: %w", e.id, err)
		}
		list = append(list, e)
	}
	slices.Reverse(list)
	return list, rows.Err()
}

// sections reads those of an entry that have not been erased.
func (t *trail) sections(ctx context.Context, tx *sql.Tx, e *trailEntry) error {
	rows, err := tx.QueryContext(ctx, fmt.Sprintf("SELECT section, body FROM %s WHERE %s", t.payload, t.where), t.key(e.id))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var body []byte
		if err := rows.Scan(&name, &body); err != nil {
			return err
		}
		e.sections[name] = body
	}
	return rows.Err()
}

// reportOfEntries puts the entries of a run, oldest first, together.
func reportOfEntries(run string, entries []*trailEntry) *runReport {
	r := &runReport{ID: run}
	attempts := map[string]*reportMigration{}
	for _, e := range entries {
		if e.Kind == audit.KindRecovered {
			attempts[e.Attempt].resolve(audit.Resolution(e.Facts.Resolution))
			continue
		}
		r.Tool, r.System, r.Database, r.Correlation = e.Tool, e.DB.System, e.DB.Name, e.Correlation
		r.extend(e.Started, e.ClientTime)
		m := attempts[e.Attempt]
		if m == nil {
			m = &reportMigration{ID: e.Attempt, Start: e.Started, End: e.ClientTime}
			attempts[e.Attempt] = m
			r.Migrations = append(r.Migrations, m)
		}
		m.After, m.Direction = cmp.Or(e.After, m.After), e.Direction
		if e.Version != nil {
			m.Version = *e.Version
		}
		if e.Kind == "outcome" {
			r.outcome(m, e)
		}
		r.Who = who(e.sections, r.Who)
	}
	r.Outcome = "ok"
	for _, m := range r.Migrations {
		switch m.Outcome {
		case "failed", "interrupted":
			r.Outcome = "failed"
		case "":
			r.Outcome = "not finished"
			r.Notes = append(r.Notes, fmt.Sprintf("Migration %s has an intent and no outcome: it is still running, or its process or the database died.", m.Name()))
		}
	}
	r.count()
	r.Notes = append(r.Notes, "Made from the audit trail, which has each statement's duration and not its start: statements are drawn one after the other. Whether the trail was altered is for sqlwitness audit verify to say.")
	return r
}

// resolve notes how another process has found that it ended. An outcome of its own
// that is certain stays.
func (m *reportMigration) resolve(how audit.Resolution) {
	if m.Outcome != "" && m.Outcome != "interrupted" {
		return
	}
	switch m.Outcome = "interrupted"; how {
	case audit.Committed:
		m.Outcome, m.Verdict = "applied", "its process ended before it had the answer to its commit, which went through"
	case audit.RolledBack:
		m.Verdict = "its process ended in the middle, and the transaction was rolled back: nothing of it remains"
	default:
		m.Verdict = "its process ended in the middle, not in one transaction: a part of it may remain"
	}
}

func (r *runReport) outcome(m *reportMigration, e *trailEntry) {
	if m.Outcome != "" && m.Outcome != "interrupted" {
		return // of two outcomes the one in the transaction is the true one
	}
	m.Outcome, m.Guarantee, m.Statements = e.Outcome, e.Guarantee, e.Statements
	m.Start, m.End, m.LockWait = e.Started, e.Started.Add(time.Duration(e.Duration)), time.Duration(e.LockWait)
	m.Error = strings.TrimSpace(e.ErrorClass + " " + e.SQLState)
	var failure trailError
	if body := e.sections["error"]; body != nil && json.Unmarshal(body, &failure) == nil {
		m.FailingIndex, m.FailingPosition, m.FailingText, m.Verdict = failure.Statement, failure.Position, cmp.Or(failure.Text, failure.Operation), failure.Verdict
	}
	var all trailStatements
	if body := e.sections["sql"]; body == nil || json.Unmarshal(body, &all) != nil {
		return
	}
	at := m.Start
	for _, s := range all.Statements {
		end := at.Add(time.Duration(s.Duration))
		r.Slow = append(r.Slow, &reportStatement{Migration: m.ID, Summary: s.Operation, Text: s.Text, Fingerprint: s.Fingerprint,
			Start: at, End: end, Failed: s.Failed, Approximate: true})
		at = end
	}
	if all.LeftOut > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("The trail left out %s of %s.", plural(all.LeftOut, "statement"), m.Name()))
	}
}

// who migrated and why, as the sections say.
func who(sections map[string]json.RawMessage, before []string) []string {
	var actor map[string]struct{ Value, Trust string }
	var why struct{ Ticket, Reason string }
	// A section that is not there, or that somebody has spoilt, tells nothing.
	_ = json.Unmarshal(sections["why"], &why)
	if json.Unmarshal(sections["actor"], &actor) != nil || len(actor) == 0 {
		return before
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(actor)) {
		parts = append(parts, fmt.Sprintf("%s %s (%s)", name, actor[name].Value, actor[name].Trust))
	}
	list := []string{"By " + strings.Join(parts, ", ") + "."}
	if why.Ticket != "" || why.Reason != "" {
		list = append(list, "Why: "+sentence(strings.TrimSpace(why.Ticket+" "+why.Reason)))
	}
	return list
}
