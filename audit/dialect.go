package audit

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
)

// dialect is what the database systems differ in. It is text alone: each
// statement goes without arguments, so that PostgreSQL takes several in one
// round trip and a pooler between has no prepared statement to lose. Values are
// written in hexadecimal, which needs no quoting rule.
type dialect struct {
	system    string
	atomicDDL bool // a transaction holds DDL
	oneWriter bool // the database has one writer at a time

	session string // run once on each connection of the store's own
	limits  string // put before each step and write on it
	begin   string // run before what is read together, see reading; "" where it needs nothing
	onDisk  string // query: the database's file, "" for one in memory
	whoami  string // query: three rows, see login
	have    string // query: the names of the steps that are done
	steps   []step // what makes the tables

	guards     []guard                            // the triggers that those have
	guardState string                             // query: "table||" for each table, "table|trigger|…" for each trigger
	judge      func(g guard, state string) string // what is wrong with a trigger; "" for nothing
	privileges string                             // query: "table|what is too much|fix" for each account; "" where there are none

	recovery recovery
	look     look

	rows    func([]*entry) []string // the statements that write entries, for whole
	write   func([]*entry) []string // through the store's own connection, in this order
	abandon string                  // what a failed step or write leaves behind is ended by this
	aside   func([]*entry) string   // through the store's own connection before inTx; nil where all goes in the transaction
	inTx    func([]*entry) string   // one round trip in the migration's transaction
	undo    string                  // makes that transaction usable again where inTx failed; "" where it stays so

	hint func(database, user string) string

	lit      literals
	prefix   string // of the tables' names
	dbTime   string // expression: an entry's db_time as RFC 3339 text
	xid      string // expression: the transaction that wrote an entry, "''" where there is no such thing
	packed   bool   // scan reads many rows as one value
	fenced   bool   // a join for each row has to be asked for: the planner would rather read a whole table for each batch
	identity []fact // what makes this database another one than its copy
	// whole makes the texts that run statements as one write, or not at all.
	whole func(statements []string) []string
}

// fact is something about a database and the query that asks for it.
type fact struct{ name, query string }

// step makes one part of the tables, whole or not at all.
type step struct{ name, sql string }

// tables of the format, in the order in which they are made.
var tables = [...]string{"entry", "payload", "seal", "node", "checkpoint"}

func dialectOf(system string) *dialect {
	switch system {
	case "postgresql":
		return postgres()
	case "mysql", "mariadb":
		return mysql()
	case "sqlite":
		return sqlite()
	}
	return nil
}

// Setup lists the statements that make the tables, for a role that may; nil for
// a database system that has none. A store runs them by itself where its own
// role may. Each is to be sent as it is, alone; those whose object is there
// already are to be left out.
func Setup(system string) []string {
	d := dialectOf(system)
	if d == nil {
		return nil
	}
	list := make([]string, len(d.steps))
	for i, s := range d.steps {
		list[i] = s.sql
	}
	return list
}

// setupRounds is how often what is missing is made: others may be making it too.
const setupRounds = 4

// setup makes the tables that are missing.
func (d *dialect) setup(ctx context.Context, c *sql.Conn) error {
	var last error
	for range setupRounds {
		missing, err := d.missing(ctx, c)
		if err != nil || len(missing) == 0 {
			return err
		}
		for _, s := range missing {
			if last = d.run(ctx, c, s.sql); last != nil && !d.overtaken(last) {
				return last
			}
		}
	}
	if missing, err := d.missing(ctx, c); err != nil || len(missing) == 0 {
		return err
	}
	return last
}

// overtaken reports whether a step failed because another process takes it.
func (d *dialect) overtaken(err error) bool {
	switch class, code := event.Classify(err); class {
	case event.ClassDuplicateObject, event.ClassConstraint, event.ClassDeadlock, event.ClassSerialization:
		return true
	case event.ClassLockTimeout:
		return !d.oneWriter
	default:
		return code == "XX000" // PostgreSQL: tuple concurrently updated
	}
}

func (d *dialect) missing(ctx context.Context, c *sql.Conn) ([]step, error) {
	names, err := strs(ctx, c, d.have)
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, n := range names {
		have[n] = true
	}
	var missing []step
	for _, s := range d.steps {
		if !have[s.name] {
			missing = append(missing, s)
		}
	}
	return missing, nil
}

// store writes entries through the store's own connection.
func (d *dialect) store(ctx context.Context, c *sql.Conn, entries []*entry) error {
	return d.run(ctx, c, d.write(entries)...)
}

func (d *dialect) run(ctx context.Context, c *sql.Conn, texts ...string) error {
	for _, text := range texts {
		if _, err := c.ExecContext(ctx, d.limits+text); err != nil {
			if d.abandon != "" {
				_, _ = c.ExecContext(context.WithoutCancel(ctx), d.abandon)
			}
			return err
		}
	}
	return nil
}

// reading runs f, which reads through c and writes nothing, at READ COMMITTED
// whatever the database's default is. A serializable transaction of ours can be
// part of a cycle that ends a migration's on PostgreSQL, and locks what it reads on
// MySQL. Each query of f sees what was committed when it began. It is a
// transaction, and no setting of the session: that would stay with the server's
// side of a transaction pooler, for whoever gets that next.
//
// A query of f that fails ends the transaction: f does not go on after it.
func (d *dialect) reading(ctx context.Context, c *sql.Conn, f func() error) error {
	if d.begin == "" {
		return f()
	}
	if _, err := c.ExecContext(ctx, d.begin); err != nil {
		return err
	}
	err := f()
	end := "COMMIT"
	if err != nil {
		end = "ROLLBACK"
	}
	if _, endErr := c.ExecContext(ctx, end); endErr != nil {
		_ = c.Raw(func(any) error { return driver.ErrBadConn }) // closes it
		err = cmp.Or(err, endErr)
	}
	return err
}

// queryer is a *sql.Conn, a *sql.DB or a *sql.Tx.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// strs is the only column of a query.
func strs(ctx context.Context, c queryer, query string) ([]string, error) {
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s sql.NullString
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s.String)
	}
	return list, rows.Err()
}

// literals is how a dialect writes values.
type literals struct {
	id     func(b [16]byte) string
	bytes  func(b []byte) string
	text   func(s string) string
	read   func(column string) string // expression: an id as its 16 bytes
	ignore string                     // a word after INSERT of sections, where a repeated write may find them there
}

// insertEntries is one INSERT of all entries. extra is an expression for the
// column that is named with it.
func (l literals) insertEntries(table, column, extra string, entries []*entry) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + table + " (id, attempt, kind, stage, leaf" + column + ") VALUES ")
	for i, e := range entries {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(" + l.id(e.id) + ", " + l.id(e.attempt) + ", '" + e.kind + "', '" + e.stage + "', " + l.bytes(e.leaf) + extra + ")")
	}
	return b.String()
}

// insertPayload is one INSERT of the sections of all entries; "" if they have none.
func (l literals) insertPayload(table string, entries []*entry) string {
	var b strings.Builder
	for _, e := range entries {
		for _, s := range e.sections {
			if b.Len() == 0 {
				b.WriteString("INSERT " + l.ignore + "INTO " + table + " (entry, section, salt, body) VALUES ")
			} else {
				b.WriteString(", ")
			}
			b.WriteString("(" + l.id(e.id) + ", '" + s.name + "', " + l.bytes(s.salt) + ", " + l.bytes(s.body) + ")")
		}
	}
	return b.String()
}

// hexQuoted is X'…', which MySQL and SQLite share.
func hexQuoted(b []byte) string { return "X'" + hex.EncodeToString(b) + "'" }

// ended reports whether an error says that the server has rolled the whole
// transaction back, and that a commit would now succeed with nothing in it.
func (d *dialect) ended(err error) bool {
	class, _ := event.Classify(err)
	return d.undo == "" && class == event.ClassDeadlock
}
