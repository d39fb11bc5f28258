package migrator

import (
	"slices"
	"strings"

	"github.com/sqlwitness/sqlwitness/sqltext"
)

// touch is what a statement does to a version table.
type touch struct {
	kind  touchKind
	table string // lower case, without schema
	tools toolSet
	stmt  *sqltext.Statement
	sure  bool // the columns tell that it is a version table, or the name does
	made  *handmade
}

// shown are the tools whose table it is, as far as a touch tells: where only the
// name is plausible, those that make sure of their table, or ask it for a
// version, as an application does not. A mere read shows nothing.
func (to *touch) shown() (s toolSet) {
	if to.sure || to.kind == touchCreate {
		return to.tools
	}
	for i := range known {
		if to.kind == touchProbe && known[i].probes && to.tools.has(i) {
			s |= 1 << i
		}
	}
	return s
}

type touchKind uint8

const (
	touchCreate touchKind = iota
	touchRead
	touchProbe // asks for one version
	touchInsert
	touchDelete
	touchUpdate
	touchClear // takes every row out
	touchSeed  // a row that is no version
)

// isMark reports whether a touch changes which versions are recorded.
func (k touchKind) isMark() bool { return k >= touchInsert }

// touchOf reads a text as a touch of a version table: by the columns that it
// names, by a default name, by a plausible one, or by one learnt before.
func touchOf(t *sqltext.Text, learnt map[string]toolSet) (touch, bool) {
	s := tableStatement(t)
	if s == nil {
		return touch{}, false
	}
	table := strings.ToLower(s.Tables[0].Name)
	named := byDefault(table) | learnt[table]
	sure := touch{table: table, stmt: s, sure: true}
	likely := touch{table: table, stmt: s}
	for i := range known {
		k := &known[i]
		kind, how := k.reads(s, named.has(i), plausible(table))
		if how == isNot || !(hand{t, s, table}).isOf(k, kind) {
			continue
		}
		to := &likely
		if how == isSurely {
			to = &sure
		}
		if to.tools == 0 || to.kind == kind {
			to.kind = kind
			to.tools |= 1 << i
		}
	}
	if sure.tools != 0 {
		return sure, true
	}
	return likely, likely.tools != 0
}

// tableStatement is the statement of a text that can touch a version table. A
// text of several statements can only create one, and what belongs to it.
func tableStatement(t *sqltext.Text) *sqltext.Statement {
	if t.Count != len(t.Statements) || t.Count == 0 || t.Count > 3 {
		return nil
	}
	var found *sqltext.Statement
	for i := range t.Statements {
		s := &t.Statements[i]
		switch op := s.Operation.String(); {
		case t.Count == 1, op == "CREATE TABLE" && found == nil:
			found = s
		case op != "CREATE INDEX" && op != "CREATE SCHEMA":
			return nil
		}
	}
	if found == nil || len(found.Tables) == 0 {
		return existsStatement(t)
	}
	return found
}

// existsStatement is the query of SELECT EXISTS (query), by which some tools ask
// for a version; nil if a text is anything else.
func existsStatement(t *sqltext.Text) *sqltext.Statement {
	const head = "select exists"
	s := &t.Statements[0]
	at := s.Offset
	if t.Count != 1 || s.End-at > maxCatalogText || s.End-at < len(head) || !strings.EqualFold(t.SQL[at:at+len(head)], head) {
		return nil
	}
	from, to := strings.IndexByte(t.SQL[at:s.End], '('), strings.LastIndexByte(t.SQL[:s.End], ')')
	if from < 0 || to <= at+from {
		return nil
	}
	from += at + 1
	inner := sqltext.Analyze(t.SQL[from:to], t.Dialect)
	if inner.Count != 1 || len(inner.Statements) != 1 || len(inner.Statements[0].Tables) != 1 {
		return nil
	}
	query := inner.Statements[0]
	query.Offset += from
	query.End += from
	return &query
}

// match is how well a statement fits a tool's version table.
type match uint8

const (
	isNot    match = iota
	isLikely       // by a name that is merely plausible
	isSurely       // by its columns, or by a default or learnt name
)

// reads tells what a statement is to a tool, if its table is the tool's.
func (k *tool) reads(s *sqltext.Statement, named, likely bool) (touchKind, match) {
	var how match
	switch {
	case named, !k.weak && k.shaped(s.Columns):
		how = isSurely
	case k.weak && likely && !k.fixed:
		how = isLikely
	default:
		return 0, isNot
	}
	kind, ok := k.kindOf(s, named)
	if !ok {
		return 0, isNot
	}
	return kind, how
}

// shaped reports whether columns are those of a tool's version table.
func (k *tool) shaped(columns []string) bool {
	return covers(columns, k.key) && covers(k.columns, columns)
}

// kindOf tells what a statement on a tool's version table does.
func (k *tool) kindOf(s *sqltext.Statement, named bool) (kind touchKind, ok bool) {
	switch s.Operation.String() {
	case "CREATE TABLE":
		return touchCreate, !k.bodyCreates && k.shaped(s.Columns)
	case "SELECT":
		switch {
		case len(s.Tables) != 1 && !named || !covers(k.columns, s.Columns):
			return 0, false
		case whereNames(s, k.version):
			return touchProbe, true
		case len(s.Where) > 0:
			return touchRead, k.shaped(s.Columns) && whereWithin(s, k.columns)
		case len(s.Columns) == 0:
			return touchRead, named
		}
		return touchRead, k.shaped(s.Columns)
	case "INSERT", "REPLACE":
		if len(s.Columns) == 0 {
			return touchSeed, named && k.style == single
		}
		return touchInsert, k.style != single && k.shaped(s.Columns)
	case "UPDATE":
		return touchUpdate, k.style == single && len(s.Columns) == 1 && s.Columns[0] == k.version
	case "DELETE":
		if len(s.Where) == 0 && k.style == around {
			return touchClear, named
		}
		return touchDelete, (k.style == after || k.style == first) && whereWithin(s, k.columns) &&
			(whereNames(s, k.version) || k.row != "" && whereNames(s, k.row) || s.Returning)
	case "TRUNCATE":
		return touchClear, named && k.style == around
	}
	return 0, false
}

// hand is how a statement is written.
type hand struct {
	text  *sqltext.Text
	stmt  *sqltext.Statement
	table string
}

// isOf reports whether a statement is written as a tool writes it.
func (h hand) isOf(k *tool, kind touchKind) bool {
	if k.upper != either && !k.upper.allows(h.upper()) {
		return false
	}
	if kind.isMark() && k.marks != either && !k.marks.allows(h.upper()) {
		return false
	}
	if kind == touchCreate || kind == touchSeed {
		return true
	}
	if k.quoted != either && !k.quoted.allows(h.quoted()) {
		return false
	}
	if k.literal == either || !kind.isMark() && kind != touchProbe || kind == touchClear {
		return true
	}
	v, ok := markValue(h.stmt, k)
	return !ok || v.Kind == sqltext.Other || k.literal.allows(v.Kind == sqltext.Literal)
}

func (h hand) upper() bool {
	return h.stmt.Offset < len(h.text.SQL) && h.text.SQL[h.stmt.Offset] < 'a'
}

// quoted reports whether the table's name is quoted where it first stands.
func (h hand) quoted() bool {
	sql := h.text.SQL[min(h.stmt.Offset, len(h.text.SQL)):]
	for i := range len(sql) - len(h.table) { // a text in lower case may have another length
		if strings.EqualFold(sql[i+1:i+1+len(h.table)], h.table) {
			return strings.IndexByte("\"`[", sql[i]) >= 0
		}
	}
	return false
}

// markValue is the version in a statement, as a value of the text.
func markValue(s *sqltext.Statement, k *tool) (sqltext.Value, bool) {
	for _, w := range s.Where {
		if w.Column == k.version || k.row != "" && w.Column == k.row {
			return w.Value, true
		}
	}
	return columnValue(s, k.version)
}

// columnValue is what an INSERT or UPDATE puts into a column.
func columnValue(s *sqltext.Statement, column string) (sqltext.Value, bool) {
	if i := slices.Index(s.Columns, column); i >= 0 && i < len(s.Values) {
		return s.Values[i], true
	}
	return sqltext.Value{}, false
}

func whereNames(s *sqltext.Statement, column string) bool {
	return slices.ContainsFunc(s.Where, func(c sqltext.Cond) bool { return c.Column == column })
}

func whereWithin(s *sqltext.Statement, columns []string) bool {
	return !slices.ContainsFunc(s.Where, func(c sqltext.Cond) bool { return !slices.Contains(columns, c.Column) })
}

// covers reports whether set has every element of part, and part has any.
func covers(set, part []string) bool {
	for _, p := range part {
		if !slices.Contains(set, p) {
			return false
		}
	}
	return true
}

// lockTableOf reads a text as a call on a tool's lock table.
func lockTableOf(t *sqltext.Text) (tools toolSet, release, ok bool) {
	if t.Count != 1 || len(t.Statements) != 1 || len(t.Statements[0].Tables) == 0 {
		return 0, false, false
	}
	s := &t.Statements[0]
	table := strings.ToLower(s.Tables[0].Name)
	for i := range known {
		l := known[i].lock
		if l == nil || !l.named(table) && !(strings.Contains(table, "lock") && l.shaped(s)) {
			continue
		}
		return 1 << i, l.releases(s), true
	}
	return 0, false, false
}

func (l *lockTable) named(table string) bool {
	return table == l.suffix || strings.HasSuffix(table, l.suffix) && strings.Contains(table, "migration")
}

// shaped reports whether a statement names the lock table's columns.
func (l *lockTable) shaped(s *sqltext.Statement) bool {
	switch s.Operation.String() {
	case "INSERT", "CREATE TABLE":
		if len(l.columns) == 1 {
			return len(s.Columns) <= 2 && covers([]string{"id", l.columns[0]}, s.Columns) && slices.Contains(s.Columns, l.columns[0])
		}
		return covers(s.Columns, l.columns)
	case "DELETE":
		return len(l.columns) == 1 && len(s.Where) == 1 && s.Where[0].Column == l.columns[0]
	}
	return false
}

// releases reports whether a statement gives the lock back.
func (l *lockTable) releases(s *sqltext.Statement) bool {
	op := s.Operation.String()
	if l.held == "" {
		return op == "DELETE"
	}
	v, ok := columnValue(s, l.held)
	return op == "UPDATE" && ok && v.Kind == sqltext.Literal && isFalse(v.Literal) && whereNames(s, "locked_by")
}
