package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sqlwitness/sqlwitness/event"
)

// This file finds what was done by hand between two runs: it notes what the
// version tables and the schema are at the end of a run, and compares at the
// start of the next.

// The sections of an entry of kind state. They hold names of objects and of
// versions, and no policy deletes them.
const (
	sectionObjects = "objects"
	sectionHistory = "history"
)

const (
	maxHistory   = 5000 // rows of a version table that are compared
	maxHistories = 100  // version tables that one query reads
	maxDiff      = 50   // differences that an entry lists
)

// look is the text that a dialect looks at the database with.
type look struct {
	objects string // query: "object|what it is like", several rows for an object; the audit's own left out
	columns string // query: "table|column" of the tables, by the columns that version tables have
	quote   func(table string) string
	join    func(columns []string) string // expression: the columns' values with bars between
}

// historyTable is the columns by which a version table is known, and those of a
// row that tell which it is.
type historyTable struct{ columns, row []string }

var gooseTable = historyTable{[]string{"version_id", "is_applied"}, []string{"version_id", "is_applied"}}

var historyTables = [...]historyTable{
	{[]string{"version", "dirty"}, []string{"version", "dirty"}}, // golang-migrate
	gooseTable,
	{[]string{"id", "applied_at"}, []string{"id"}},                                                  // sql-migrate, adlio
	{[]string{"name", "group_id", "migrated_at"}, []string{"name", "group_id"}},                     // bun
	{[]string{"version", "description", "checksum"}, []string{"version", "checksum"}},               // darwin, Flyway
	{[]string{"id", "author", "filename", "md5sum"}, []string{"id", "author", "md5sum"}},            // Liquibase
	{[]string{"version", "description", "applied", "hash"}, []string{"version", "applied", "hash"}}, // atlas
}

// historyColumns are all the columns that tell a version table.
func historyColumns() []string {
	names := map[string]bool{}
	for _, h := range historyTables {
		for _, c := range h.columns {
			names[c] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// picture is what the version tables and the schema are like.
type picture struct {
	Objects map[string]string   `json:"objects"` // digests
	History map[string][]string `json:"history"` // rows, sorted
}

// RunStarted compares the version tables and the schema with what they were when
// the last run ended, and tells and records what was changed by hand since. It is
// to be called before the run changes anything. Where migrations were recorded
// since and no end of a run, as after a crash, it claims nothing. ours are tables
// that were made or changed on the way here, such as a tool's own: of them, and
// of version tables that are new, nothing is claimed either. Like the other
// methods it is bounded, and nothing fails for it.
func (s *Store) RunStarted(ctx context.Context, run *event.Run, ours []string) {
	s.between(ctx, func(ctx context.Context, c *sql.Conn) error {
		upto, err := s.readInbox(ctx, c)
		if err != nil {
			return err
		}
		return s.compareWithLast(ctx, c, run, ours, upto)
	})
}

// RunFinished notes what the version tables and the schema are at the end of a
// run: of several at once the one whose migration began or ended last, since its
// picture shows what the others have made.
func (s *Store) RunFinished(ctx context.Context, run *event.Run) {
	s.between(ctx, func(ctx context.Context, c *sql.Conn) error {
		var last state
		var known, later bool
		err := s.dialect.reading(ctx, c, func() (err error) {
			if later, err = s.later(ctx, c, run); err == nil && !later {
				last, known, err = s.lastState(ctx, c)
			}
			return err
		})
		if err != nil || later || known && !last.stale && run.Applied+run.RolledBack+run.Failures == 0 {
			return err // another run's to tell, or as it was when the run began
		}
		upto, err := s.readInbox(ctx, c)
		if err != nil {
			return err
		}
		var p picture
		err = s.dialect.reading(ctx, c, func() (err error) {
			p, err = s.picture(ctx, c)
			return err
		})
		if err != nil {
			return err
		}
		return s.noteState(ctx, c, p, upto)
	})
}

func (s *Store) between(ctx context.Context, f func(context.Context, *sql.Conn) error) {
	if s.cfg.Mode == Off || s.dialect == nil {
		return
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if s.ready(ctx) != nil { // reported by the entries that matter more
		return
	}
	if s.through(ctx, f) == nil {
		s.sealer.soon(ctx)
	}
}

// state is what an entry of kind state says.
type state struct {
	id      uuid.UUID
	at      time.Time
	schema  string
	history map[string]string // digests
	whole   picture           // empty where it did not fit or has been deleted
	stale   bool              // migrations were recorded since
}

// ofThisDatabase is a condition on the entry e, where a server has one trail for
// all its databases.
func (s *Store) ofThisDatabase() (string, error) {
	if s.dialect.system != "mysql" {
		return "", nil
	}
	name, err := canonical(s.db.Name)
	if err != nil {
		return "", err
	}
	return " AND " + s.dialect.recovery.containsIn("e.leaf", `"db":{"name":`+string(name)+`,`), nil
}

// later reports whether the last migration that began or ended in this database is
// another run's. To look at all of a database costs most where hundreds of runs
// end at once, and what all but one of them see is stale before it is written.
func (s *Store) later(ctx context.Context, c queryer, run *event.Run) (bool, error) {
	d := s.dialect
	of, err := s.ofThisDatabase()
	if err != nil || run.RunID == "" {
		return false, err
	}
	id, err := canonical(cut(run.RunID, maxField))
	if err != nil {
		return false, err
	}
	whose, err := strs(ctx, c, "SELECT CASE WHEN "+d.recovery.containsIn("e.leaf", `"run":`+string(id))+" THEN 'own' ELSE 'other' END FROM "+d.prefix+
		"entry e WHERE e.kind IN ('"+kindIntent+"', '"+kindOutcome+"')"+of+" ORDER BY e.id DESC LIMIT 1")
	return len(whose) == 1 && whose[0] == "other", err
}

// lastState reads the last state of this database.
func (s *Store) lastState(ctx context.Context, c queryer) (st state, known bool, err error) {
	d := s.dialect
	of, err := s.ofThisDatabase()
	if err != nil {
		return st, false, err
	}
	id, at, leaf, err := lastRow(ctx, c, "SELECT "+d.recovery.id("e.id")+", "+d.dbTime+", "+d.recovery.leaf+", EXISTS (SELECT 1 FROM "+d.prefix+
		"entry o WHERE o.id > e.id AND o.kind IN ('intent', 'outcome', 'recovered')"+strings.ReplaceAll(of, "e.leaf", "o.leaf")+
		") FROM "+d.prefix+"entry e WHERE e.kind = '"+KindState+"'"+of+" ORDER BY e.id DESC LIMIT 1", &st.stale)
	if err != nil || id == "" {
		return st, false, err
	}
	var l struct {
		Facts struct {
			Schema  string            `json:"schema"`
			History map[string]string `json:"history"`
		} `json:"facts"`
	}
	text, err := hex.DecodeString(leaf)
	if err != nil || json.Unmarshal(text, &l) != nil {
		return st, false, nil // verification's business
	}
	if st.id, err = uuid.Parse(id); err != nil {
		return st, false, nil
	}
	st.at, _ = time.Parse(time.RFC3339Nano, at)
	st.schema, st.history = l.Facts.Schema, l.Facts.History
	for section, into := range map[string]any{sectionObjects: &st.whole.Objects, sectionHistory: &st.whole.History} {
		body, err := strs(ctx, c, "SELECT "+d.recovery.body+" FROM "+d.prefix+"payload p WHERE entry = "+d.lit.id(st.id)+" AND section = '"+section+"'")
		if err != nil {
			return st, false, err
		}
		if len(body) == 1 {
			if text, err := hex.DecodeString(body[0]); err == nil {
				_ = json.Unmarshal(text, into) // what does not read is not compared in detail
			}
		}
	}
	return st, true, nil
}

// lastRow is the only row of a query; empty where there is none.
func lastRow(ctx context.Context, c queryer, query string, stale *bool) (id, at, leaf string, err error) {
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		return "", "", "", err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&id, &at, &leaf, stale); err != nil {
			return "", "", "", err
		}
	}
	return id, at, leaf, rows.Err()
}

// familiar are objects that nobody has made by hand: the tables given, version
// tables that were not there, and the sequences of both.
type familiar []string

func (f familiar) has(object string) bool {
	return slices.ContainsFunc(f, func(table string) bool {
		rest, ok := strings.CutPrefix(object, table)
		if !ok {
			_, name, qualified := strings.Cut(object, ".")
			if rest, ok = strings.CutPrefix(name, table); !qualified || !ok {
				return false
			}
		}
		return rest == "" || strings.HasPrefix(rest, "_") && strings.HasSuffix(rest, "_seq")
	})
}

// without leaves out what is familiar.
func (f familiar) without(objects map[string]string) map[string]string {
	rest := map[string]string{}
	for name, what := range objects {
		if !f.has(name) {
			rest[name] = what
		}
	}
	return rest
}

func (s *Store) compareWithLast(ctx context.Context, c *sql.Conn, run *event.Run, ours []string, upto string) error {
	var last state
	var now picture
	comparable := false
	err := s.dialect.reading(ctx, c, func() (err error) {
		last, comparable, err = s.lastState(ctx, c)
		if comparable = comparable && !last.stale; comparable {
			now, err = s.picture(ctx, c)
		}
		return err
	})
	if err != nil || !comparable {
		return err
	}
	changed := false
	spared := familiar(slices.Clone(ours))
	for table := range now.History {
		if last.history[table] == "" {
			spared = append(spared, table)
		}
	}
	for _, table := range slices.Sorted(maps.Keys(merged(last.history, digests(now.History)))) {
		before, after := last.history[table], digests(now.History)[table]
		if before == after {
			continue
		}
		changed = true
		if before == "" {
			continue // a tool's first look at this database
		}
		facts := object{"table": cut(table, maxField), "since": timestamp(last.at)}
		rows, whole := last.whole.History[table]
		if whole {
			facts["removed"], facts["added"] = listed(without(rows, now.History[table])), listed(without(now.History[table], rows))
		}
		s.found(ctx, c, last.id, KindHistory, table, facts, event.Finding{Trace: run.Trace, Kind: "history_edited", Object: table,
			Message: "the version table " + table + " was changed since " + timestamp(last.at) + " and no migration did it: " + difference(facts)})
	}
	if after := digest(now.Objects); after != last.schema {
		changed = true
	}
	before, objects := last.whole.Objects, now.Objects
	if before != nil {
		before, objects = spared.without(before), spared.without(objects)
	}
	if before != nil && digest(objects) != digest(before) || before == nil && digest(objects) != last.schema && len(spared) == 0 {
		facts := object{"since": timestamp(last.at)}
		if before != nil {
			var altered []string
			for name, was := range before {
				if is, ok := objects[name]; ok && is != was {
					altered = append(altered, name)
				}
			}
			slices.Sort(altered)
			names := func(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
			facts["removed"], facts["added"], facts["altered"] = listed(without(names(before), names(objects))), listed(without(names(objects), names(before))), listed(altered)
		}
		s.found(ctx, c, last.id, KindDrift, "", facts, event.Finding{Trace: run.Trace, Kind: "schema_drift",
			Message: "the schema was changed since " + timestamp(last.at) + " and no migration did it: " + difference(facts)})
	}
	if !changed {
		return nil
	}
	return s.noteState(ctx, c, now, upto) // so that it is told once
}

// found records a change by hand and tells of it, unless another process has.
func (s *Store) found(ctx context.Context, c *sql.Conn, state uuid.UUID, kind, object string, facts object, f event.Finding) {
	e, err := s.scribe.note(kind, facts, noted{id: derivedID(state, kind+" "+object), login: s.loggedIn()})
	if err != nil || s.put(ctx, c, e) != nil {
		return
	}
	f.Database, f.At = s.db, s.deps.Now()
	s.deps.Finding(f)
}

// noteState records a picture: digests in the leaf, and the whole in sections
// where it fits. upto is what readInbox has returned.
func (s *Store) noteState(ctx context.Context, c *sql.Conn, p picture, upto string) error {
	history := object{}
	for table, d := range digests(p.History) {
		history[cut(table, maxField)] = d
	}
	content := map[string]object{}
	for name, body := range map[string]object{sectionObjects: asObject(p.Objects), sectionHistory: asObject(p.History)} {
		if text, err := canonical(body); err == nil && len(text) <= maxSection {
			content[name] = body
		}
	}
	facts := object{"schema": digest(p.Objects), "objects": len(p.Objects), "history": history}
	facts.text("inbox", upto)
	return s.noteOn(ctx, c, KindState, facts, noted{content: content})
}

// picture looks at the database.
func (s *Store) picture(ctx context.Context, c queryer) (picture, error) {
	p := picture{Objects: map[string]string{}, History: map[string][]string{}}
	look := s.dialect.look
	rows, err := strs(ctx, c, look.objects)
	if err != nil {
		return p, err
	}
	parts := map[string][]string{}
	for _, r := range rows {
		name, what, _ := strings.Cut(r, "|")
		parts[name] = append(parts[name], what)
	}
	for name, what := range parts {
		slices.Sort(what)
		p.Objects[name] = shortHash(what)
	}
	columns, err := look.columnsOf(ctx, c)
	if err != nil {
		return p, err
	}
	return p, look.histories(ctx, c, columns, p.History)
}

// histories reads the rows of the version tables among those with these columns:
// many with one query, since there may be one for each of a thousand customers.
func (l look) histories(ctx context.Context, c queryer, columns map[string][]string, into map[string][]string) error {
	var tables, queries []string
	for table, has := range columns {
		i := slices.IndexFunc(historyTables[:], func(h historyTable) bool { return len(without(h.columns, has)) == 0 })
		if i < 0 {
			continue
		}
		queries = append(queries, fmt.Sprintf("SELECT %d AS which, line FROM (SELECT %s AS line FROM %s LIMIT %d) t%d",
			len(tables), l.join(historyTables[i].row), l.quote(table), maxHistory, len(tables)))
		tables, into[table] = append(tables, table), nil
	}
	for some := range slices.Chunk(queries, maxHistories) {
		err := lines(ctx, c, strings.Join(some, " UNION ALL "), func(which int, line string) {
			into[tables[which]] = append(into[tables[which]], line)
		})
		if err != nil {
			return err
		}
	}
	for _, of := range into {
		slices.Sort(of)
	}
	return nil
}

// lines hands over the rows of a query for numbers and texts.
func lines(ctx context.Context, c queryer, query string, take func(which int, line string)) error {
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var which int
		var line sql.NullString
		if err := rows.Scan(&which, &line); err != nil {
			return err
		}
		take(which, line.String)
	}
	return rows.Err()
}

// columnsOf are the columns of tables, of those by which version tables are known.
func (l look) columnsOf(ctx context.Context, c queryer) (map[string][]string, error) {
	rows, err := strs(ctx, c, l.columns)
	columns := map[string][]string{}
	for _, r := range rows {
		if i := strings.LastIndexByte(r, '|'); i >= 0 {
			columns[r[:i]] = append(columns[r[:i]], r[i+1:])
		}
	}
	return columns, err
}

// tables are those that have all of some columns.
func (l look) tables(ctx context.Context, c queryer, columns []string) (names []string, err error) {
	all, err := l.columnsOf(ctx, c)
	for table, has := range all {
		if len(without(columns, has)) == 0 {
			names = append(names, table)
		}
	}
	return names, err
}

func digests(history map[string][]string) map[string]string {
	m := make(map[string]string, len(history))
	for table, rows := range history {
		m[table] = shortHash(rows)
	}
	return m
}

func digest(objects map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		list = append(list, name+" "+objects[name])
	}
	return shortHash(list)
}

func shortHash(list []string) string {
	h := sha256.New()
	for _, s := range list {
		fmt.Fprintf(h, "%d %s\n", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func asObject[V any](m map[string]V) object {
	o := object{}
	for k, v := range m {
		o[k] = v
	}
	return o
}

func merged(a, b map[string]string) map[string]string {
	m := maps.Clone(b)
	for k, v := range a {
		m[k] = v
	}
	return m
}

// without is the elements of a that b has not.
func without(a, b []string) []string {
	has := make(map[string]bool, len(b))
	for _, s := range b {
		has[s] = true
	}
	var list []string
	for _, s := range a {
		if !has[s] {
			list = append(list, s)
		}
	}
	return list
}

// listed bounds a list of differences.
func listed(list []string) []string {
	out := make([]string, 0, min(len(list), maxDiff+1))
	for _, s := range list[:min(len(list), maxDiff)] {
		out = append(out, cut(s, maxField))
	}
	if more := len(list) - maxDiff; more > 0 {
		out = append(out, fmt.Sprintf("…and %d more", more))
	}
	return out
}

// difference says what an entry lists.
func difference(facts object) string {
	var parts []string
	for _, what := range []string{"removed", "added", "altered"} {
		if list, _ := facts[what].([]string); len(list) > 0 {
			parts = append(parts, what+" "+strings.Join(list[:min(len(list), 5)], ", "))
		}
	}
	if len(parts) == 0 {
		return "what exactly is not known any more"
	}
	return strings.Join(parts, "; ")
}
