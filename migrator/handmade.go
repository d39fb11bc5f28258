package migrator

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// A migrator that somebody has written by hand keeps its versions where no row of
// known tells. Its table is learnt from what is done with it: it was asked or
// made outside of any migration, and then one row of it is written beside DDL,
// with a value that reads as a version. From then on it is believed, also beside
// migrations that change data only.
//
// Three shapes are understood: a row a version (INSERT and DELETE), one row
// (UPDATE, or everything deleted and INSERTed again), and a marker among other
// settings: a row whose key says schema_version, or SQLite's user_version.
// Any column that is none of a version table's usual ones refuses a table.
//
// A setting with such a key is a version marker, whatever the table: that is what
// its key says. An application's own version (app_version) is none.
//
// The limits: a table that is just like a known tool's, by name or by columns, is
// told as that tool's. A first version that is written before the body, or beside
// data only, is not understood: the table is not believed yet. One that goes
// down through an INSERT of a lower version is told as up.

// handmade is the version table of a hand-written migrator.
type handmade struct {
	tool
	asked    bool // it was read outside of any migration
	made     bool // it was created, by itself
	believed bool // a mark beside DDL was seen
}

// handmadeTool stands for all of them in a toolSet, after those of known.
const handmadeTool toolSet = 1 << 31

// unknownTool is the name of a tool that is none of the known ones.
const unknownTool = "unknown"

// versionColumns hold a version and, by their name, hardly anything else.
var versionColumns = []string{
	"version", "version_id", "version_num", "version_no", "version_number", "schema_version", "db_version",
	"migration_version", "revision", "revision_id", "migration", "migration_id", "migration_name",
	"script", "script_name", "filename", "file_name", "patch", "patch_id", "changeset",
}

// nameColumns may hold a version in a table whose name says what it is for.
var nameColumns = []string{"name", "tag", "file", "number", "id"}

// besideColumns are what else a version table has.
var besideColumns = []string{
	"id", "seq", "rank", "installed_rank", "name", "title", "label", "description", "comment", "type",
	"checksum", "hash", "md5", "sha256", "applied", "applied_at", "applied_on", "applied_by",
	"installed_at", "installed_on", "installed_by", "executed_at", "executed_on", "executed_by",
	"run_at", "ran_at", "created_at", "created_on", "updated_at", "migrated_at", "upgraded_at", "deployed_at",
	"ts", "tstamp", "timestamp", "date", "time", "author", "username", "hostname",
	"duration", "duration_ms", "elapsed_ms", "took_ms", "execution_time", "execution_ms",
	"success", "ok", "status", "dirty", "batch", "direction",
}

// versionValue is how a version reads that stands for itself; a name may stand
// for one only in a table whose name says so.
var (
	versionValue = regexp.MustCompile(`^[vVrR]?\d[\w.\-]{0,200}$`)
	nameValue    = regexp.MustCompile(`^\w[\w.\-/ ]{0,200}$`)
)

// markerKey is the key of a setting that holds the schema's version.
var markerKey = regexp.MustCompile(`(?i)^(schema|db|database|migrations?)[_.\- ]?(version|revision)$`)

// userVersion is SQLite's own place for a version, in the file's header.
var userVersion = regexp.MustCompile(`(?i)^pragma\s+(?:\w+\s*\.\s*)?user_version\s*(?:=\s*(\d+)|\(\s*(\d+)\s*\))?$`)

const userVersionTable = "pragma user_version"

// handmadeRole is the role of a text that may touch a hand-made version table,
// where the text alone tells.
func handmadeRole(t *sqltext.Text) Role {
	to, ok := handmadeTouch(t, nil, nil)
	switch {
	case !ok:
		return 0
	case to.kind == touchRead || to.kind == touchProbe:
		return roleTable | roleRows
	}
	return roleTable
}

// handmade reads a statement as a touch of a hand-made version table, given what
// came before.
func (t *Tracker) handmade(cn *conn, c *Call) (touch, bool) {
	to, ok := handmadeTouch(c.Text, c, t.made)
	if !ok {
		return touch{}, false
	}
	r := t.run
	if r != nil {
		other := r.table != "" && r.table != to.table
		if other || r.tools.best() != nil && (r.table == "" || r.did) {
			return touch{}, false // in a tool's run, it is what the migration does
		}
	}
	within := cn.tx != nil && cn.tx.body != nil
	switch {
	case to.kind == touchCreate || to.kind == touchRead || to.kind == touchProbe:
		return to, !within
	case to.made.believed:
		return to, true
	case !to.made.asked && !to.made.made || c.Affected > 1:
		return touch{}, false
	}
	var body *migration
	if within {
		body = cn.tx.body
	} else if r != nil {
		body = r.open
	}
	return to, body != nil && body.ddl && !slices.Contains(body.acted, to.table)
}

// handmadeTouch reads a text as what a hand-written migrator does with its
// version table: one in learnt, or one whose name says so. c may be nil.
func handmadeTouch(t *sqltext.Text, c *Call, learnt map[string]*handmade) (touch, bool) {
	if t.Count != 1 || len(t.Statements) != 1 {
		return touch{}, false
	}
	s := &t.Statements[0]
	if t.Dialect == sqltext.SQLite && s.Operation.String() == "PRAGMA" {
		return pragmaTouch(t, s, learnt)
	}
	if len(s.Tables) != 1 {
		return touch{}, false
	}
	table := strings.ToLower(s.Tables[0].Name)
	if to, ok := markerTouch(s, table, c, learnt); ok {
		return to, true
	}
	h, named := learnt[table], plausible(table)
	if h == nil {
		if !named {
			return touch{}, false
		}
		h = &handmade{}
	}
	version, ok := h.versionColumn(s, named)
	if !ok {
		return touch{}, false
	}
	to := touch{table: table, tools: handmadeTool, stmt: s, made: h.with(version)}
	to.kind, ok = to.made.kindOf(s)
	if k := byDefault(table).best(); k != nil && k.bodyCreates && to.kind == touchCreate {
		return touch{}, false // it is the first migration's body
	}
	if !ok || to.kind.isMark() && to.kind != touchClear && !to.made.isVersion(s, c, named) {
		return touch{}, false
	}
	return to, true
}

// versionColumn is the column with the version among those that a statement
// names; "" where it names none. It is no version table if it has a column that
// such a table has not.
func (h *handmade) versionColumn(s *sqltext.Statement, named bool) (string, bool) {
	all := slices.Clone(s.Columns)
	for _, w := range s.Where {
		all = append(all, w.Column)
	}
	for _, column := range all {
		if !slices.Contains(versionColumns, column) && !slices.Contains(besideColumns, column) && !(named && slices.Contains(nameColumns, column)) {
			return "", false
		}
	}
	if h.version != "" {
		return h.version, true
	}
	likely := versionColumns
	if named {
		likely = append(slices.Clone(versionColumns), nameColumns...)
	}
	for _, column := range likely {
		if slices.Contains(all, column) {
			return column, true
		}
	}
	return "", len(all) == 0
}

// with is h, once its version's column is known.
func (h *handmade) with(version string) *handmade {
	if h.version == version && h.name != "" {
		return h
	}
	is := *h
	is.tool = tool{name: unknownTool, weak: true, version: version, style: h.style, seed: "0"}
	return &is
}

// kindOf tells what a statement does with a hand-made version table.
func (h *handmade) kindOf(s *sqltext.Statement) (touchKind, bool) {
	byVersion := len(s.Where) == 1 && s.Where[0].Column == h.version
	switch s.Operation.String() {
	case "CREATE TABLE":
		return touchCreate, slices.Contains(s.Columns, h.version)
	case "SELECT":
		if byVersion {
			return touchProbe, true
		}
		return touchRead, len(s.Where) == 0
	case "INSERT", "REPLACE":
		return touchInsert, slices.Contains(s.Columns, h.version)
	case "UPDATE":
		rows := h.believed && h.style == after
		return touchUpdate, !rows && slices.Contains(s.Columns, h.version)
	case "DELETE":
		if len(s.Where) == 0 {
			return touchClear, true
		}
		return touchDelete, byVersion
	case "TRUNCATE":
		return touchClear, true
	}
	return 0, false
}

// isVersion reports whether what a statement writes reads as a version. Without
// a call, what is bound is not known and may be.
func (h *handmade) isVersion(s *sqltext.Statement, c *Call, named bool) bool {
	v, ok := columnValue(s, h.version)
	if s.Operation.String() == "DELETE" {
		v, ok = s.Where[0].Value, true
	}
	if !ok || v.Kind == sqltext.Other {
		return false
	}
	if c == nil && v.Kind == sqltext.Param {
		return true
	}
	var text string
	if c != nil {
		text, ok = textOf(v, c.Args)
	} else {
		text = v.Literal
	}
	return ok && (versionValue.MatchString(text) || named && nameValue.MatchString(text))
}

// markerTouch reads a statement on a table of settings, one of which is the
// schema's version.
func markerTouch(s *sqltext.Statement, table string, c *Call, learnt map[string]*handmade) (touch, bool) {
	is := func(v sqltext.Value) bool {
		if v.Kind == sqltext.Literal {
			return markerKey.MatchString(v.Literal)
		}
		if c == nil || v.Kind != sqltext.Param {
			return false
		}
		text, ok := textOf(v, c.Args)
		return ok && markerKey.MatchString(text)
	}
	kind, version := touchUpdate, ""
	switch s.Operation.String() {
	case "SELECT":
		kind = touchRead
		fallthrough
	case "UPDATE":
		if len(s.Where) != 1 || !is(s.Where[0].Value) || len(s.Columns) == 0 {
			return touch{}, false
		}
		version = s.Columns[0]
	case "INSERT", "REPLACE":
		if len(s.Columns) < 2 || len(s.Values) < 2 || !is(s.Values[0]) {
			return touch{}, false
		}
		version = s.Columns[1]
	default:
		return touch{}, false
	}
	h := learnt[table]
	if h == nil {
		h = &handmade{asked: true} // the key says it
	}
	h = h.with(version)
	h.style = single
	to := touch{kind: kind, table: table, tools: handmadeTool, stmt: s, made: h}
	return to, kind == touchRead || h.isVersion(s, c, false)
}

// markerIn reports whether a statement binds the key of a setting that holds the
// schema's version.
func markerIn(s *sqltext.Statement, c *Call) bool {
	_, ok := markerTouch(s, "", c, nil)
	return ok
}

// pragmaTouch reads SQLite's PRAGMA user_version.
func pragmaTouch(t *sqltext.Text, s *sqltext.Statement, learnt map[string]*handmade) (touch, bool) {
	m := userVersion.FindStringSubmatch(strings.TrimSpace(t.SQL[s.Offset:s.End]))
	if m == nil {
		return touch{}, false
	}
	h := learnt[userVersionTable]
	if h == nil {
		h = &handmade{asked: true}
	}
	h = h.with("user_version")
	h.style = single
	to := touch{kind: touchRead, table: userVersionTable, tools: handmadeTool, stmt: s, made: h}
	if value := m[1] + m[2]; value != "" {
		set := *s
		set.Columns = []string{h.version}
		set.Values = []sqltext.Value{{Kind: sqltext.Literal, Literal: value}}
		to.kind, to.stmt = touchUpdate, &set
	}
	return to, true
}

// keep remembers a hand-made version table, and what was done with it.
func (t *Tracker) keep(to touch, err error) {
	h := to.made
	if h == nil || err != nil || t.made[to.table] == nil && len(t.made) >= maxTables {
		return
	}
	switch to.kind {
	case touchCreate:
		h.made = true
	case touchRead, touchProbe:
		h.asked = true
	case touchUpdate, touchClear:
		h.style, h.believed = single, true
	default:
		h.believed = true
	}
	t.made[to.table] = h
	if t.run != nil && t.run.table == to.table {
		t.run.made = h
	}
}

// noticed remembers a table that was made like a version table, though its name
// does not tell. What follows may.
func (t *Tracker) noticed(c *Call) {
	s := &c.Text.Statements[0]
	if c.Err != nil || c.Text.Count != 1 || s.Operation.String() != "CREATE TABLE" || !s.IfExists || len(s.Tables) != 1 {
		return
	}
	table := strings.ToLower(s.Tables[0].Name)
	h := &handmade{}
	version, ok := h.versionColumn(s, false)
	if !ok || version == "" || t.made[table] != nil || len(t.made) >= maxTables {
		return
	}
	t.made[table] = h.with(version)
	t.run.hopeful = true
}

// answer reads the version in a row, also where it is the only value of a row
// whose column goes by another name, as max(version) does.
func (h *handmade) answer(asked *sqltext.Text, c *Call) (string, bool) {
	if h.version == "" {
		if column, ok := h.versionColumn(&sqltext.Statement{Columns: c.Columns}, true); ok {
			h.version = column
		}
	}
	if len(c.Values) != 1 || strings.Contains(strings.ToLower(asked.SQL), "count(") {
		return "", false
	}
	s, ok := argument(c.Values[0])
	return s, ok && versionValue.MatchString(s)
}

// unfilled is the migration that a transaction was marked with before its body.
func (x *tx) unfilled(r *run) *migration {
	if r.made == nil || !r.made.believed || len(x.marked) != 1 {
		return nil
	}
	if m := x.marked[0]; m.count == 0 || m.early {
		m.early = true
		return m
	}
	return nil
}

// previous reads, from an UPDATE that names it, the version before.
func (r *run) previous(to touch, c *Call) {
	if to.made == nil || to.kind != touchUpdate || len(to.stmt.Where) != 1 || to.stmt.Where[0].Column != to.made.version {
		return
	}
	if v, ok := textOf(to.stmt.Where[0].Value, c.Args); ok {
		r.known, r.current = true, v
	}
}

// disown makes a migration nobody's, though it stands in a tool's run.
func (m *migration) disown() {
	m.alien = true
	m.ev.Tool, m.ev.Version, m.ev.Direction = unknownTool, nil, event.UnknownDirection
}
