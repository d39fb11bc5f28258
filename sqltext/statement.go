package sqltext

import "strings"

// statement reads one statement.
func (p *parser) statement() {
	st := p.st
	st.Operation = p.operation()
	st.Class = operations[st.Operation].class
	switch st.Operation.String() {
	case "SELECT", "VALUES", "FETCH":
		p.selects()
		if len(st.Locks) > 0 && len(st.Tables) == 0 {
			st.Class = ClassLock
		}
	case "INSERT", "REPLACE":
		p.insert()
	case "UPDATE":
		p.update()
	case "DELETE":
		p.delete()
	case "MERGE":
		p.accept("INTO")
		p.table()
		p.rest()
	case "TRUNCATE":
		p.accept("TABLE")
		p.accept("ONLY")
		p.tables()
	case "CREATE TABLE":
		p.createTable()
	case "CREATE INDEX":
		p.index("ON")
	case "DROP INDEX":
		p.index("ON")
	case "CREATE VIEW", "CREATE MATERIALIZED VIEW", "CREATE SEQUENCE", "ALTER TABLE", "ALTER VIEW", "ALTER SEQUENCE":
		p.exists()
		p.accept("ONLY")
		p.table()
	case "DROP TABLE", "DROP VIEW", "DROP MATERIALIZED VIEW", "DROP SEQUENCE":
		p.exists()
		p.tables()
	case "CREATE TRIGGER", "DROP TRIGGER", "CREATE POLICY":
		p.after("ON")
	case "COPY":
		p.table()
	case "VACUUM", "ANALYZE", "CLUSTER", "REINDEX", "OPTIMIZE", "REFRESH", "RENAME":
		p.maintain()
	case "COMMENT":
		if p.accept("ON", "TABLE") {
			p.table()
		}
	case "LOCK":
		p.lock()
	case "UNLOCK":
		st.Locks = append(st.Locks, LockCall{Function: "unlock tables", Kind: "table", Action: LockReleaseAll, Column: -1})
	case "EXECUTE", "CALL":
		p.applock()
	case "EXPLAIN":
		p.rest()
	}
}

// kinds are the words after CREATE, ALTER and DROP, as they are told apart.
var kinds = [...]struct{ word, name string }{
	{"TABLE", "TABLE"}, {"INDEX", "INDEX"}, {"VIEW", "VIEW"}, {"MATERIALIZED", "MATERIALIZED VIEW"}, {"SCHEMA", "SCHEMA"},
	{"DATABASE", "DATABASE"}, {"SEQUENCE", "SEQUENCE"}, {"FUNCTION", "FUNCTION"}, {"PROCEDURE", "PROCEDURE"},
	{"TRIGGER", "TRIGGER"}, {"TYPE", "TYPE"}, {"DOMAIN", "DOMAIN"}, {"EXTENSION", "EXTENSION"},
	{"ROLE", "ROLE"}, {"USER", "ROLE"}, {"GROUP", "ROLE"}, {"POLICY", "POLICY"}, {"SYSTEM", "SYSTEM"},
}

// operation reads the words that say what the statement does.
func (p *parser) operation() Operation {
	for p.accept("(") {
	}
	word := p.word()
	switch word {
	case "WITH":
		p.with()
		word = p.word()
		if word == "WITH" {
			return 0
		}
	case "CREATE", "ALTER", "DROP":
		return p.define(word)
	case "START":
		p.i++
		p.accept("TRANSACTION")
		return operationOf("BEGIN")
	case "END", "ABORT":
		p.i++
		if word == "END" {
			return operationOf("COMMIT")
		}
		return operationOf("ROLLBACK")
	case "ROLLBACK":
		p.i++
		if p.is(0, "TO") || p.is(1, "TO") {
			return operationOf("ROLLBACK TO")
		}
		return operationOf("ROLLBACK")
	case "EXEC":
		p.i++
		return operationOf("EXECUTE")
	case "ANALYSE":
		word = "ANALYZE"
	case "DESCRIBE", "DESC":
		word = "SHOW"
	}
	op := operationOf(word)
	if word == "" || op == 0 {
		return 0
	}
	p.i++
	return op
}

// with steps over the common table expressions.
func (p *parser) with() {
	p.i++
	p.accept("RECURSIVE")
	for !p.done() {
		if _, ok := p.name(p.i); !ok {
			return
		}
		p.i++
		if p.accept("(") {
			p.skip()
		}
		if !p.accept("AS") {
			return
		}
		p.accept("NOT")
		p.accept("MATERIALIZED")
		if !p.accept("(") {
			return
		}
		p.skip()
		if !p.accept(",") {
			return
		}
	}
}

// define reads what CREATE, ALTER or DROP is about: the first word of a known
// kind among those that may stand before it.
func (p *parser) define(verb string) Operation {
	p.i++
	for n := 0; n < 12 && p.i+n < len(p.tokens); n++ {
		t := p.tokens[p.i+n]
		if t.kind != tokWord && n == 0 {
			break
		}
		word := strings.ToUpper(p.text[t.start:t.end])
		if t.kind == tokWord && links(word) {
			break
		}
		for _, k := range kinds {
			if word == k.word && t.kind == tokWord {
				for j := range n {
					switch strings.ToUpper(p.raw(p.i + j)) {
					case "TEMP", "TEMPORARY":
						p.st.Temporary = true
					}
				}
				p.i += n + 1
				p.accept("VIEW")
				if p.accept("CONCURRENTLY") {
					p.st.Concurrently = true
				}
				if op := operationOf(verb + " " + k.name); op != 0 {
					return op
				}
				return operationOf(verb)
			}
		}
	}
	return operationOf(verb)
}

// links reports whether a word of CREATE, ALTER or DROP stands behind what the
// statement is about: CREATE PUBLICATION p FOR TABLE t is about no table.
func links(word string) bool {
	switch word {
	case "FOR", "ON", "AS", "WITH", "IN", "FROM", "BY", "ADD", "SET", "TO", "USING":
		return true
	}
	return false
}

// exists steps over IF EXISTS and IF NOT EXISTS.
func (p *parser) exists() {
	if p.accept("IF", "EXISTS") || p.accept("IF", "NOT", "EXISTS") {
		p.st.IfExists = true
	}
}

func (p *parser) tables() {
	for p.table() && p.accept(",") {
	}
}

// after reads the table that follows a word.
func (p *parser) after(word string) {
	for ; !p.done(); p.i++ {
		if p.accept(word) {
			p.accept("ONLY")
			p.table()
			return
		}
	}
}

// index reads the table of an index; its own name is none.
func (p *parser) index(on string) {
	if p.accept("CONCURRENTLY") {
		p.st.Concurrently = true
	}
	p.exists()
	p.after(on)
}

func (p *parser) createTable() {
	p.exists()
	if !p.table() {
		return
	}
	if !p.is(0, "(") {
		p.rest()
		return
	}
	p.i++
	for !p.done() {
		switch word := p.word(); word {
		case "CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "KEY", "INDEX", "EXCLUDE", "LIKE", "FULLTEXT", "SPATIAL":
		default:
			if name, ok := p.name(p.i); ok {
				p.st.Columns = append(p.st.Columns, strings.ToLower(name))
			}
		}
		p.element()
		if !p.accept(",") {
			break
		}
	}
	p.accept(")")
}

func (p *parser) insert() {
	for p.accept("OR") || p.accept("IGNORE") || p.accept("REPLACE") || p.accept("ABORT") || p.accept("FAIL") || p.accept("ROLLBACK") ||
		p.accept("LOW_PRIORITY") || p.accept("DELAYED") || p.accept("HIGH_PRIORITY") {
	}
	p.accept("INTO")
	p.accept("TABLE")
	if !p.table() {
		return
	}
	if p.accept("AS") {
		p.i++
	}
	p.st.Columns = p.columns()
	switch {
	case p.accept("VALUES"), p.accept("VALUE"):
		p.st.Values = p.list()
	case p.accept("SET"):
		p.sets()
	case p.accept("SELECT"):
		for !p.done() {
			p.st.Values = append(p.st.Values, p.selected())
			if !p.accept(",") {
				break
			}
		}
	}
	p.rest()
}

// selected reads one value of a select list, also within a function's
// parentheses: unnest($2::bigint[]).
func (p *parser) selected() Value {
	if p.i+1 < len(p.tokens) && p.tokens[p.i].kind == tokWord && p.is(1, "(") {
		start := p.i
		p.i += 2
		v := p.value()
		if p.accept(")") {
			return v
		}
		p.i = start
		p.toComma()
		return Value{}
	}
	v := p.value()
	p.toComma()
	return v
}

// toComma steps to the next comma, or the end of the select list.
func (p *parser) toComma() {
	for !p.done() && !p.is(0, ",") && !p.is(0, "FROM") && !p.is(0, "WHERE") && !p.is(0, "RETURNING") && !p.is(0, "ON") {
		if p.accept("(") {
			p.skip()
			continue
		}
		p.i++
	}
}

// sets reads column = value pairs.
func (p *parser) sets() {
	for !p.done() {
		name, ok := p.name(p.i)
		if !ok {
			return
		}
		p.i++
		for p.is(0, ".") {
			if name, ok = p.name(p.i + 1); !ok {
				return
			}
			p.i += 2
		}
		if !p.accept("=") {
			return
		}
		p.st.Columns = append(p.st.Columns, strings.ToLower(name))
		p.st.Values = append(p.st.Values, p.value())
		for !p.done() && !p.is(0, ",") && !p.is(0, "WHERE") && !p.is(0, "RETURNING") && !p.is(0, "FROM") && !p.is(0, "ON") {
			if p.accept("(") {
				p.skip()
				continue
			}
			p.i++
		}
		if !p.accept(",") {
			return
		}
	}
}

func (p *parser) update() {
	for p.accept("OR") || p.accept("IGNORE") || p.accept("ONLY") || p.accept("LOW_PRIORITY") {
	}
	if !p.table() {
		return
	}
	for !p.done() && !p.is(0, "SET") {
		p.i++
	}
	p.accept("SET")
	p.sets()
	p.rest()
}

func (p *parser) delete() {
	for p.accept("LOW_PRIORITY") || p.accept("QUICK") || p.accept("IGNORE") {
	}
	p.accept("FROM")
	p.accept("ONLY")
	p.table()
	p.rest()
}

// selects reads a query's list, tables and conditions.
func (p *parser) selects() {
	p.accept("DISTINCT")
	p.accept("ALL")
	for column := 0; !p.done() && !p.is(0, "FROM"); column++ {
		start := p.i
		if name, ok := p.name(p.i); ok && !p.is(1, "(") {
			p.i++
			for p.is(0, ".") {
				if name, ok = p.name(p.i + 1); !ok {
					break
				}
				p.i += 2
			}
			if ok && (p.done() || p.is(0, ",") || p.is(0, "FROM")) {
				p.st.Columns = append(p.st.Columns, strings.ToLower(name))
			}
		}
		p.calls(start, column)
		if !p.accept(",") {
			break
		}
	}
	p.rest()
}

// calls looks for lock functions in one element of the select list, and steps
// over it.
func (p *parser) calls(start, column int) {
	p.i = start
	depth := 0
	for !p.done() {
		switch {
		case p.is(0, "("):
			depth++
		case p.is(0, ")"):
			depth--
		case depth == 0 && (p.is(0, ",") || p.is(0, "FROM") || p.is(0, "WHERE") || p.is(0, "UNION") || p.is(0, "ORDER") || p.is(0, "LIMIT")):
			return
		case p.tokens[p.i].kind == tokWord && p.is(1, "("):
			// Inside another expression the answer is not the column's value.
			at := column
			if depth > 0 {
				at = -1
			}
			if p.lockFunction(at) {
				continue
			}
		}
		p.i++
	}
}

// rest reads what is left of a statement: the tables after FROM and JOIN, the
// conditions after WHERE, RETURNING, and lock functions in between.
func (p *parser) rest() {
	depth := 0
	for !p.done() {
		switch {
		case p.comparesFrom():
			continue
		case p.accept("FROM"), p.accept("JOIN"), p.accept("USING"):
			p.accept("ONLY")
			p.accept("LATERAL")
			p.sources()
			continue
		case depth == 0 && p.is(0, "WHERE"):
			p.i++
			p.conditions()
			continue
		case p.accept("RETURNING"):
			p.st.Returning = true
			continue
		case p.is(0, "("):
			depth++
		case p.is(0, ")"):
			depth--
		case p.tokens[p.i].kind == tokWord && p.is(1, "("):
			if p.lockFunction(-1) {
				continue
			}
		}
		p.i++
	}
}

// comparesFrom steps over a FROM behind which no table stands: that of IS
// DISTINCT FROM, and those in the parentheses of some functions.
func (p *parser) comparesFrom() bool {
	if p.accept("DISTINCT", "FROM") {
		return true
	}
	if !p.is(1, "(") || !p.is(0, "EXTRACT") && !p.is(0, "TRIM") && !p.is(0, "SUBSTRING") && !p.is(0, "OVERLAY") {
		return false
	}
	p.i += 2
	p.skip()
	return true
}

// sources reads a list of tables with their aliases.
func (p *parser) sources() {
	for {
		if p.is(1, "(") || p.is(0, "(") { // a function, a subquery, or USING (…)
			return
		}
		if !p.table() {
			return
		}
		if p.accept("AS") {
			p.i++
		} else if w := p.word(); w != "" && !ends(w) {
			p.i++
		}
		if !p.accept(",") {
			return
		}
	}
}

// ends reports whether a word ends a table's name and is no alias.
func ends(word string) bool {
	switch word {
	case "WHERE", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "ON", "USING", "GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET",
		"FETCH", "FOR", "UNION", "EXCEPT", "INTERSECT", "SET", "RETURNING", "WINDOW", "LOCK", "PROCEDURE", "INTO", "VALUES", "SELECT", "AS", "WITH":
		return true
	}
	return false
}

// conditions reads column = value pairs joined by AND. It gives up at anything
// else, since a condition beside an OR does not hold by itself.
func (p *parser) conditions() {
	start, open := p.i, 0
	var conds []Cond
	for {
		for p.accept("(") {
			open++
		}
		name, ok := p.name(p.i)
		if !ok {
			break
		}
		p.i++
		for p.is(0, ".") {
			if name, ok = p.name(p.i + 1); !ok {
				break
			}
			p.i += 2
		}
		if !ok || !p.accept("=") {
			break
		}
		any := p.accept("ANY", "(")
		conds = append(conds, Cond{Column: strings.ToLower(name), Value: p.value()})
		if any {
			p.accept(")")
		}
		for open > 0 && p.accept(")") {
			open--
		}
		if !p.accept("AND") {
			break
		}
	}
	if p.is(0, "OR") {
		conds = nil
	}
	p.st.Where = conds
	p.i = start
	for !p.done() && !p.is(0, "RETURNING") {
		if p.tokens[p.i].kind == tokWord && p.is(1, "(") && p.lockFunction(-1) {
			continue
		}
		if p.comparesFrom() {
			continue
		}
		if p.is(0, "FROM") || p.is(0, "JOIN") {
			p.i++
			p.sources()
			continue
		}
		p.i++
	}
}

// maintain reads the table of VACUUM, ANALYZE and the like.
func (p *parser) maintain() {
	if p.accept("(") {
		p.skip()
	}
	for p.accept("FULL") || p.accept("FREEZE") || p.accept("VERBOSE") || p.accept("ANALYZE") || p.accept("MATERIALIZED", "VIEW") ||
		p.accept("TABLE") || p.accept("INDEX") || p.accept("SCHEMA") || p.accept("DATABASE") || p.accept("SYSTEM") {
	}
	if p.accept("CONCURRENTLY") {
		p.st.Concurrently = true
	}
	p.table()
}
