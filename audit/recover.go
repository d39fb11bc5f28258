package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sqlwitness/sqlwitness/event"
)

// Resolution is how a migration ended whose process did not live to say so.
type Resolution string

const (
	// Committed: its commit went through; only the answer was lost.
	Committed Resolution = "committed"
	// RolledBack: it was one transaction, which did not commit. The body of a
	// migration that ends its own transaction is beyond this.
	RolledBack Resolution = "rolled_back"
	// StillRunning: its process has ended, its session on the server has not. It is
	// told and not recorded, and resolved by whoever looks next.
	StillRunning Resolution = "still_running"
	// Unknown: it was not one transaction, so that a part of it may remain.
	Unknown Resolution = "unknown"
)

// Recovery is a migration that a process left open.
type Recovery struct {
	// Migration is what the record holds of it. Its Outcome is Interrupted, its
	// Verdict says what is there now and what to do.
	Migration  *event.Migration
	Resolution Resolution
}

// recoveryWindow is how far back open migrations are looked for: the ids sort by
// time, so that a long trail costs no more than a short one.
const recoveryWindow = 30 * 24 * time.Hour

// maxRecovered bounds what one look resolves.
const maxRecovered = 100

// recovery is the text that a dialect asks with.
type recovery struct {
	id func(column string) string // expression: an id as text
	// containsIn is an expression: the bytes of a column contain the text.
	containsIn func(column, text string) string

	leaf  string                 // expression: e.leaf in hexadecimal
	body  string                 // expression: a section's body in hexadecimal
	busy  func(sessionOf) string // query: sessions that may still be at it; nil where there are none
	known func(sessionOf) bool   // whether that query can be asked
	// marked is a query: how many rows of goose's version table say that a version is
	// applied, and were there at a time already; nil where that is not asked.
	marked func(table string, version int64, at time.Time) string
}

// sessionOf is what is known of a migration's session.
type sessionOf struct {
	id     int64  // the server's number; 0 where it was not noted
	user   string // of the record's own connection, as for the address
	client string
	before time.Time // the session was there already; by the server's clock
	ended  bool      // its process has ended: a session that sleeps will never go on
}

// lookBack is done once, when the store first meets its tables: the guards are
// looked at, and what earlier processes left open is resolved. None of it keeps a
// migration from running.
func (s *Store) lookBack(ctx context.Context, c *sql.Conn) {
	if s.looked.Swap(true) {
		return
	}
	s.restore(ctx, c)
	s.recover(ctx, c)
}

// Recover looks for migrations that a process left open and resolves those whose
// session has ended. A store does so by itself when it is first used; a process
// that lives long may call it again. What it resolves is recorded, and like what
// is still running told to Deps.Recovered.
func (s *Store) Recover(ctx context.Context) error {
	if s.cfg.Mode == Off || s.dialect == nil {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if first := !s.looked.Load(); first {
		return s.ready(ctx) // which does
	}
	return s.through(ctx, s.recover)
}

func (s *Store) recover(ctx context.Context, c *sql.Conn) error {
	var list []open
	err := s.dialect.reading(ctx, c, func() (err error) {
		list, err = s.openAttempts(ctx, c)
		return err
	})
	for _, o := range list {
		s.resolve(ctx, c, o)
	}
	return err
}

// open is an attempt whose end is not recorded.
type open struct {
	attempt   uuid.UUID
	entry     string // id of its intent, or of the outcome that says interrupted
	at        time.Time
	committed bool // an outcome in the migration's transaction is there
	answered  bool // its process has said that it does not know
	leaf      leafOf
}

// leafOf is what recovery reads of a leaf.
type leafOf struct {
	Tool        string  `json:"tool"`
	Version     *string `json:"version"`
	After       string  `json:"after"`
	Direction   string  `json:"direction"`
	Run         string  `json:"run"`
	Migration   string  `json:"migration"`
	Correlation string  `json:"correlation"`
	Started     string  `json:"started"`
	Atomic      bool    `json:"atomic"`
	DB          struct {
		System string `json:"system"`
		Name   string `json:"name"`
	} `json:"db"`
}

// openAttempts are the intents without an outcome, and the outcomes that say that
// the answer to a commit was lost, none of which has been resolved.
func (s *Store) openAttempts(ctx context.Context, c queryer) ([]open, error) {
	d := s.dialect
	since := d.lit.id(earliest(s.deps.Now().Add(-recoveryWindow)))
	when := func(what string) string { return "CASE WHEN " + what + " THEN " }
	const outcome = "e.kind = 'outcome'"
	lost := outcome + " AND e.stage = 'after' AND " + d.recovery.containsIn("e.leaf", `"outcome":"interrupted"`)
	// One pass over the window, whose length is all that it depends on: there is
	// no index on attempts, and a search for each would be quadratic.
	rows, err := c.QueryContext(ctx, "SELECT "+d.recovery.id("e.attempt")+
		", MIN("+when("e.kind = 'intent' OR "+lost)+d.recovery.id("e.id")+" END)"+
		", MAX("+when(lost)+d.recovery.id("e.id")+" END)"+
		", MAX("+when(outcome+" AND e.stage = 'commit'")+"1 ELSE 0 END)"+
		" FROM "+d.prefix+"entry e WHERE e.id >= "+since+" AND e.kind IN ('intent', 'outcome', 'recovered') GROUP BY e.attempt"+
		" HAVING MAX("+when("e.kind = 'recovered'")+"1 ELSE 0 END) = 0"+
		" AND (MAX("+when(outcome)+"1 ELSE 0 END) = 0 OR MAX("+when(lost)+"1 ELSE 0 END) = 1) LIMIT "+strconv.Itoa(maxRecovered))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []open
	for rows.Next() {
		var attempt string
		var first, answer sql.NullString
		var o open
		if err := rows.Scan(&attempt, &first, &answer, &o.committed); err != nil {
			return nil, err
		}
		o.entry, o.answered = first.String, answer.Valid
		if answer.Valid {
			o.entry = answer.String
		}
		if o.attempt, err = uuid.Parse(attempt); err == nil && !s.mine(o.attempt) {
			list = append(list, o)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	var whole []open
	for _, o := range list {
		if s.read(ctx, c, &o) {
			whole = append(whole, o)
		}
	}
	return whole, nil
}

// read completes an attempt with what its entry says; false for one that is
// another database's, or not of this form, which is verification's business.
func (s *Store) read(ctx context.Context, c queryer, o *open) bool {
	d := s.dialect
	id, err := uuid.Parse(o.entry)
	if err != nil {
		return false
	}
	rows, err := c.QueryContext(ctx, "SELECT "+d.dbTime+", "+d.recovery.leaf+" FROM "+d.prefix+"entry e WHERE e.id = "+d.lit.id(id))
	if err != nil {
		return false
	}
	defer rows.Close()
	var at, leaf string
	if !rows.Next() || rows.Scan(&at, &leaf) != nil || rows.Err() != nil {
		return false
	}
	if o.at, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return false
	}
	text, err := hex.DecodeString(leaf)
	if err != nil || json.Unmarshal(text, &o.leaf) != nil {
		return false
	}
	return d.system != "mysql" || o.leaf.DB.Name == s.db.Name // a server has one trail for all its databases
}

// mine reports whether this store is at that attempt itself.
func (s *Store) mine(attempt uuid.UUID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.attempts {
		if a.id == attempt {
			return true
		}
	}
	return false
}

// resolve finds out how an attempt ended, unless it has not.
func (s *Store) resolve(ctx context.Context, c *sql.Conn, o open) {
	r := Recovery{Migration: s.migrationOf(o), Resolution: Committed}
	if !o.committed {
		var running, known bool
		err := s.dialect.reading(ctx, c, func() error {
			running, known = s.running(ctx, c, o)
			return nil
		})
		switch {
		case err != nil || !known:
			return
		case running:
			r.Resolution = StillRunning
		case o.leaf.Atomic && !markApart[o.leaf.Tool]:
			r.Resolution = RolledBack
		case s.marked(ctx, c, o):
			r.Resolution = Committed
		default:
			r.Resolution = Unknown
		}
	}
	r.Migration.Verdict = verdicts[r.Resolution]
	if r.Resolution != StillRunning && !s.recorded(ctx, c, o, r) {
		return
	}
	s.deps.Recovered(r)
}

// marked reports whether a migration was applied for whose mark, which commits by
// itself, there was no answer: the tool's version table has it, and had it when the
// answer was lost. What was put into the table later may be somebody's repair. Of
// the tools goose alone notes the server's time with the mark; of several tables
// like its own it is not known which is meant.
func (s *Store) marked(ctx context.Context, c *sql.Conn, o open) (yes bool) {
	d := s.dialect
	if d.recovery.marked == nil || !o.answered || o.leaf.Tool != "goose" || o.leaf.Direction != string(event.Up) || o.leaf.Version == nil {
		return false
	}
	version, err := strconv.ParseInt(*o.leaf.Version, 10, 64)
	if err != nil {
		return false
	}
	_ = d.reading(ctx, c, func() error { // what cannot be read tells nothing
		tables, err := d.look.tables(ctx, c, gooseTable.columns)
		if err != nil || len(tables) != 1 {
			return err
		}
		n, err := strs(ctx, c, d.recovery.marked(d.look.quote(tables[0]), version, o.at))
		yes = err == nil && len(n) == 1 && n[0] != "0"
		return err
	})
	return yes
}

// markApart are tools that mark a migration in a second transaction, after its
// body's: that the mark's did not commit says nothing of the body's.
var markApart = map[string]bool{"darwin": true, "gormigrate": true}

var verdicts = map[Resolution]string{
	Committed:    "the process ended before it had the answer to its commit, which went through: the migration is applied",
	RolledBack:   "the process ended in the middle and the transaction was rolled back: nothing of the migration remains, run it again",
	StillRunning: "the process has ended and its session has not: wait for it, or end the session, before running the migration again",
	Unknown:      "the process ended in the middle of a migration that is not one transaction: a part of it may remain, compare the schema with its statements before running it again",
}

// running reports whether a migration may still be going on. The answer is not
// known where neither the process nor the session can be seen from here.
func (s *Store) running(ctx context.Context, c *sql.Conn, o open) (running, known bool) {
	who := s.actorOf(ctx, c, o.entry)
	ended := o.answered
	if !ended {
		alive, seen := processAlive(who)
		if alive {
			return false, false // it will say for itself how it ends
		}
		ended = seen
	}
	if s.dialect.recovery.busy == nil { // only its own process writes
		return false, ended
	}
	session := sessionOf{user: who["db_user"], client: who["db_client"], before: o.at, ended: ended}
	session.id, _ = strconv.ParseInt(who["db_session"], 10, 64)
	if !s.dialect.recovery.known(session) {
		return false, false
	}
	rows, err := strs(ctx, c, s.dialect.recovery.busy(session))
	if err != nil || len(rows) != 1 {
		return false, false
	}
	if rows[0] != "0" {
		return true, ended || session.id != 0
	}
	// What it did before its session ended can be seen by now.
	over, err := strs(ctx, c, "SELECT 'x' FROM "+s.dialect.prefix+"entry WHERE attempt = "+s.dialect.lit.id(o.attempt)+" AND kind = 'outcome' AND stage = 'commit'")
	return false, err == nil && len(over) == 0
}

// uuidText is an id in the form of the leaves.
func uuidText(id string) string {
	u, err := uuid.Parse(id)
	if err != nil {
		return ""
	}
	return u.String()
}

// actorOf reads who an entry says was at it; empty where that has been erased.
func (s *Store) actorOf(ctx context.Context, c queryer, entry string) map[string]string {
	id, err := uuid.Parse(entry)
	if err != nil {
		return nil
	}
	rows, err := strs(ctx, c, "SELECT "+s.dialect.recovery.body+" FROM "+s.dialect.prefix+"payload p WHERE entry = "+s.dialect.lit.id(id)+" AND section = '"+sectionActor+"'")
	if err != nil || len(rows) != 1 {
		return nil
	}
	return fieldsOf(rows[0])
}

// fieldsOf reads a section of fields in hexadecimal; none where it is not of this
// form.
func fieldsOf(section string) map[string]string {
	text, err := hex.DecodeString(section)
	if err != nil {
		return nil
	}
	var fields map[string]struct{ Value string }
	if json.Unmarshal(text, &fields) != nil {
		return nil
	}
	who := map[string]string{}
	for name, f := range fields {
		who[name] = f.Value
	}
	return who
}

// processAlive reports whether the process of an entry lives, and whether that
// can be seen from here.
func processAlive(who map[string]string) (alive, seen bool) {
	i := strings.LastIndexByte(who["process"], '/')
	pid, err := strconv.Atoi(who["pid"])
	if i < 0 || err != nil || who["process"][:i] != processTable() {
		return false, false
	}
	if who["process"] == process() && pid == os.Getpid() {
		return true, true
	}
	return processStart(pid) == who["process"][i+1:], true
}

// recorded writes how an attempt ended, and reports false where another process
// has done so or nobody can. All processes make the same id for it.
func (s *Store) recorded(ctx context.Context, c *sql.Conn, o open, r Recovery) bool {
	facts := object{"resolution": string(r.Resolution), "tool": cut(o.leaf.Tool, maxField), "entry": uuidText(o.entry)}
	if o.leaf.Version != nil {
		facts["version"] = cut(*o.leaf.Version, maxField)
	}
	e, err := s.scribe.note(KindRecovered, facts, noted{id: derivedID(o.attempt, KindRecovered), attempt: o.attempt, login: s.loggedIn()})
	if err != nil || s.put(ctx, c, e) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.previous[attemptKey(r.Migration)] = o.attempt
	return true
}

// derivedID is an id that every process makes of another one, for an entry that
// there must be one of. It sorts where that one does.
func derivedID(from uuid.UUID, what string) uuid.UUID {
	sum := sha256.Sum256(append([]byte(what), from[:]...))
	id := from
	copy(id[6:], sum[:])
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80
	return id
}

// earliest is the first id of a time.
func earliest(t time.Time) (id uuid.UUID) {
	ms := t.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	return id
}

// migrationOf is what the record says of a migration.
func (s *Store) migrationOf(o open) *event.Migration {
	start, err := time.Parse(time.RFC3339Nano, o.leaf.Started)
	if err != nil {
		start = o.at
	}
	return &event.Migration{
		Trace:     event.Trace{CorrelationID: o.leaf.Correlation, RunID: o.leaf.Run, MigrationID: o.attempt.String()},
		Database:  s.db,
		Tool:      o.leaf.Tool,
		Version:   o.leaf.Version,
		After:     o.leaf.After,
		Direction: event.Direction(o.leaf.Direction),
		Outcome:   event.Interrupted,
		Start:     start,
		Atomic:    o.leaf.Atomic,
		Guarantee: event.Around,
	}
}

// earlier is the interrupted attempt that a migration repeats; zero for none.
func (s *Store) earlier(m *event.Migration) uuid.UUID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.previous[attemptKey(m)]
}

// attemptKey is what two attempts at the same migration have in common when they
// start: many tools tell the version at the end.
func attemptKey(m *event.Migration) string {
	version := "after " + m.After
	if m.Version != nil {
		version = *m.Version
	}
	return m.Tool + "\x00" + version
}
