package drivertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

// play is one run of a case on one database.
type play struct {
	ctx   context.Context
	db    *sql.DB
	fake  *fakedb.DB // nil on a real database
	opts  fakedb.Options
	about aspect
	w     Wrapper

	mu       sync.Mutex
	outcomes []string
}

func newPlay(opts fakedb.Options, about aspect, w Wrapper) *play {
	return &play{
		ctx:   fakedb.Mark(context.Background(), "the caller's"),
		fake:  fakedb.New(opts),
		opts:  opts,
		about: about,
		w:     w,
	}
}

func (p *play) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.outcomes)
}

// do notes what a step came to.
func (p *play) do(step string, f func() (any, error)) {
	var v any
	var err error
	panicked := catch(func() { v, err = f() })
	s := fmt.Sprintf("%s: %v, error %s", step, v, p.describe(err))
	if panicked != nil {
		s = fmt.Sprintf("%s: panic %T %v", step, panicked, panicked)
	}
	p.note(s)
}

func (p *play) note(outcome string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outcomes = append(p.outcomes, outcome)
}

func catch(f func()) (panicked any) {
	defer func() { panicked = recover() }()
	f()
	return nil
}

// known are errors that callers compare with ==.
var known = map[error]string{
	context.Canceled:         "context.Canceled",
	context.DeadlineExceeded: "context.DeadlineExceeded",
	driver.ErrBadConn:        "driver.ErrBadConn",
	driver.ErrRemoveArgument: "driver.ErrRemoveArgument",
	driver.ErrSkip:           "driver.ErrSkip",
	io.EOF:                   "io.EOF",
	sql.ErrConnDone:          "sql.ErrConnDone",
	sql.ErrNoRows:            "sql.ErrNoRows",
	sql.ErrTxDone:            "sql.ErrTxDone",
}

// describe tells an error's type, text and identity, and those of the errors
// that it wraps.
func (p *play) describe(err error) string {
	if err == nil {
		return "none"
	}
	s := fmt.Sprintf("%T %q", err, err)
	if reflect.TypeOf(err).Comparable() {
		if name, ok := known[err]; ok {
			s += " which is " + name
		} else {
			s += p.origin(err)
		}
	}
	if e, ok := err.(interface{ SQLState() string }); ok {
		s += " SQLSTATE " + e.SQLState()
	}
	if w, ok := err.(interface{ Unwrap() error }); ok {
		s += " wrapping " + p.describe(w.Unwrap())
	}
	return s
}

// origin is the call that the parent answered with this very error.
func (p *play) origin(err error) string {
	if p.fake == nil {
		return ""
	}
	for _, c := range p.fake.Calls() {
		if c.Err == err {
			p.about.concerns(&c) // for the name of the method
			return " which is what " + c.Method + " returned"
		}
	}
	return ""
}

// on is what statements are executed on: a DB, a Conn or a Tx.
type on interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	PrepareContext(context.Context, string) (*sql.Stmt, error)
}

func (p *play) exec(x on, query string, args ...any) {
	p.do("exec "+query, func() (any, error) {
		res, err := x.ExecContext(p.ctx, query, args...)
		return p.result(res), err
	})
}

func (p *play) query(x on, query string, args ...any) {
	p.do("query "+query, func() (any, error) {
		rows, err := x.QueryContext(p.ctx, query, args...)
		if err != nil {
			return rows == nil, err
		}
		return p.read(rows), nil
	})
}

// prepared executes a statement twice and queries it once.
func (p *play) prepared(x on, query string, args ...any) {
	var stmt *sql.Stmt
	p.do("prepare "+query, func() (_ any, err error) {
		stmt, err = x.PrepareContext(p.ctx, query)
		return stmt == nil, err
	})
	if stmt == nil {
		return
	}
	for range 2 {
		p.do("exec prepared "+query, func() (any, error) {
			res, err := stmt.ExecContext(p.ctx, args...)
			return p.result(res), err
		})
	}
	p.do("query prepared "+query, func() (any, error) {
		rows, err := stmt.QueryContext(p.ctx, args...)
		if err != nil {
			return rows == nil, err
		}
		return p.read(rows), nil
	})
	p.do("close statement", func() (any, error) { return nil, stmt.Close() })
}

// every executes a text in each of the ways that there are.
func (p *play) every(x on, query string, args ...any) {
	p.exec(x, query, args...)
	p.query(x, query, args...)
	p.prepared(x, query, args...)
}

func (p *play) result(res sql.Result) string {
	if res == nil {
		return "no result"
	}
	id, idErr := res.LastInsertId()
	n, nErr := res.RowsAffected()
	return fmt.Sprintf("id %d (%s), %d affected (%s)", id, p.describe(idErr), n, p.describe(nErr))
}

// read reads rows to their end, and what else the case is about.
func (p *play) read(rows *sql.Rows) string {
	var b strings.Builder
	for {
		p.readSet(&b, rows)
		if p.about&resultSets == 0 || !rows.NextResultSet() {
			break
		}
		b.WriteString("; next set ")
	}
	fmt.Fprintf(&b, "; error %s; close error %s", p.describe(rows.Err()), p.describe(rows.Close()))
	return b.String()
}

func (p *play) readSet(b *strings.Builder, rows *sql.Rows) {
	columns, err := rows.Columns()
	fmt.Fprintf(b, "columns %v (%s)", columns, p.describe(err))
	if p.about&types != 0 {
		p.columnTypes(b, rows)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		err := rows.Scan(into...)
		fmt.Fprintf(b, " row (%s)", p.describe(err))
		for _, v := range values {
			fmt.Fprintf(b, " %T(%v)", v, v)
		}
	}
}

func (p *play) columnTypes(b *strings.Builder, rows *sql.Rows) {
	all, err := rows.ColumnTypes()
	fmt.Fprintf(b, " types (%s)", p.describe(err))
	for _, t := range all {
		length, lengthOK := t.Length()
		precision, scale, decimalOK := t.DecimalSize()
		nullable, nullableOK := t.Nullable()
		fmt.Fprintf(b, " %s:%s length %d,%t decimal %d,%d,%t nullable %t,%t scan %v",
			t.Name(), t.DatabaseTypeName(), length, lengthOK, precision, scale, decimalOK, nullable, nullableOK, t.ScanType())
	}
}

// begin begins a transaction, if it can be had.
func (p *play) begin(ctx context.Context, x interface {
	BeginTx(context.Context, *sql.TxOptions) (*sql.Tx, error)
}, opts *sql.TxOptions, then func(*sql.Tx)) {
	var tx *sql.Tx
	p.do("begin", func() (_ any, err error) {
		tx, err = x.BeginTx(ctx, opts)
		return tx == nil, err
	})
	if tx != nil {
		then(tx)
	}
}

func (p *play) commit(tx *sql.Tx) { p.do("commit", func() (any, error) { return nil, tx.Commit() }) }
func (p *play) rollback(tx *sql.Tx) {
	p.do("rollback", func() (any, error) { return nil, tx.Rollback() })
}

// conn takes the one connection.
func (p *play) conn(then func(*sql.Conn)) {
	var c *sql.Conn
	p.do("take a connection", func() (_ any, err error) {
		c, err = p.db.Conn(p.ctx)
		return c == nil, err
	})
	if c != nil {
		then(c)
		p.do("give it back", func() (any, error) { return nil, c.Close() })
	}
}

// settle waits until database/sql has put its connections back. It polls,
// because to ask for a connection would have another opened.
func (p *play) settle() {
	for end := time.Now().Add(patience / 4); p.db.Stats().InUse > 0 && time.Now().Before(end); {
		runtime.Gosched()
	}
}

// during cancels a step's context when the wanted call has been made.
func (p *play) during(step string, wanted func(fakedb.Call) bool, f func(context.Context) (any, error)) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	go func() {
		_ = p.fake.Await(ctx, wanted)
		cancel()
	}()
	p.do(step+", cancelled meanwhile", func() (any, error) { return f(ctx) })
}

// await waits for a call that database/sql makes by itself.
func (p *play) await(method string) {
	p.do("await "+method, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience/4)
		defer cancel()
		return nil, p.fake.Await(ctx, called(method))
	})
}

// awaitRollback waits for what database/sql does by itself to a transaction whose
// context is done: it rolls back, and closes the connection unless the driver
// can both reset and validate it.
func (p *play) awaitRollback() {
	p.await("Tx.Rollback")
	if kept := fakedb.ConnReset | fakedb.ConnValid; p.opts.Conn&kept != kept {
		p.await("Conn.Close")
	}
}

func called(method string) func(fakedb.Call) bool {
	return func(c fakedb.Call) bool { return c.Method == method }
}

func asked(query string) func(fakedb.Call) bool {
	return func(c fakedb.Call) bool { return c.Query == query }
}
