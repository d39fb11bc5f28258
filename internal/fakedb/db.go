package fakedb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Error is the driver's own error. Each is a new one, so that its identity can
// be told.
type Error struct{ Text string }

func (e *Error) Error() string { return "fakedb: " + e.Text }

// Call is one call of the driver. Columns and their types are not recorded: it
// is nobody's concern how often they are asked for.
type Call struct {
	Conn   int    // which connection, from 1; 0 for the driver and the connector
	Method string // "Conn.ExecContext"
	Query  string
	Args   []driver.NamedValue
	Opts   driver.TxOptions

	Context  bool // there was one
	Deadline bool // with a deadline
	Mark     any  // and what Mark has put into it

	Err error // what it was answered with
}

func (c Call) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "conn %d %s", c.Conn, c.Method)
	if c.Query != "" {
		fmt.Fprintf(&b, " %q", c.Query)
	}
	for _, a := range c.Args {
		fmt.Fprintf(&b, " %s#%d=%T(%v)", a.Name, a.Ordinal, a.Value, a.Value)
	}
	if c.Opts != (driver.TxOptions{}) {
		fmt.Fprintf(&b, " %+v", c.Opts)
	}
	if c.Context {
		fmt.Fprintf(&b, " ctx(deadline=%t mark=%v)", c.Deadline, c.Mark)
	}
	if c.Err != nil {
		fmt.Fprintf(&b, " -> %T %v", c.Err, c.Err)
	}
	return b.String()
}

type markKey struct{}

// Mark marks a context, to see in a Call whether the same one has come through.
func Mark(ctx context.Context, v any) context.Context { return context.WithValue(ctx, markKey{}, v) }

// Fault is what happens at a call: nothing, if it is zero.
type Fault struct {
	Err   error
	Panic any
	Wait  bool // until the context is done; its error is the answer
}

// DB is a scripted database. It is safe for concurrent use.
type DB struct {
	opts Options

	mu      sync.Mutex
	calls   []Call
	next    map[string][]Fault
	uses    map[string]int // of texts that fail a number of times
	conns   int
	open    int
	changed chan struct{} // closed at the next call
}

// New makes a database whose driver has the optional interfaces. It panics if
// there is no such driver, see the package documentation.
func New(opts Options) *DB {
	d := &DB{opts: opts, next: map[string][]Fault{}, uses: map[string]int{}, changed: make(chan struct{})}
	c := &conn{db: d}
	d.connType(c)
	d.stmtType(&stmt{conn: c})
	d.rowsType(&rows{conn: c})
	return d
}

// Calls returns the calls so far.
func (d *DB) Calls() []Call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

// Open returns how many connections are open.
func (d *DB) Open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

// Next scripts the next call of a method, after those that it was called for
// before. It comes before what the statement's text says.
func (d *DB) Next(method string, f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next[method] = append(d.next[method], f)
}

// Await waits until a call has been made that is the one wanted.
func (d *DB) Await(ctx context.Context, wanted func(Call) bool) error {
	for {
		d.mu.Lock()
		found, changed := slices.ContainsFunc(d.calls, wanted), d.changed
		d.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// noContext stands for the context in methods that have none.
var noContext context.Context

// call records a call and does what its script says.
func (d *DB) call(ctx context.Context, c Call, script Fault) error {
	if ctx != nil {
		c.Context = true
		_, c.Deadline = ctx.Deadline()
		c.Mark = ctx.Value(markKey{})
	}
	d.mu.Lock()
	if n := d.next[c.Method]; len(n) > 0 {
		script, d.next[c.Method] = n[0], n[1:]
	}
	i := len(d.calls)
	c.Args = slices.Clone(c.Args)
	c.Err = script.Err
	d.calls = append(d.calls, c)
	close(d.changed)
	d.changed = make(chan struct{})
	d.mu.Unlock()

	switch {
	case script.Panic != nil:
		panic(script.Panic)
	case script.Wait && ctx != nil:
		<-ctx.Done()
		d.mu.Lock()
		d.calls[i].Err = ctx.Err()
		d.mu.Unlock()
		return ctx.Err()
	}
	return script.Err
}

// script reads what happens when a text is executed.
func (d *DB) script(query string, prepared bool) Fault {
	word, rest, _ := strings.Cut(query, " ")
	switch word {
	case "FAIL":
		return Fault{Err: &Error{rest}}
	case "BADCONN":
		if n := number(rest, -1); n >= 0 && !d.use(query, n) {
			return Fault{}
		}
		return Fault{Err: driver.ErrBadConn}
	case "SKIP":
		if !prepared {
			return Fault{Err: driver.ErrSkip}
		}
	case "WAIT":
		return Fault{Wait: true}
	case "PANIC":
		return Fault{Panic: rest}
	}
	return Fault{}
}

// use counts the uses of a text and says whether this is one of the first n.
func (d *DB) use(query string, n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uses[query]++
	return d.uses[query] <= n
}

// number is the first word as a number.
func number(words string, otherwise int) int {
	word, _, _ := strings.Cut(words, " ")
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	return otherwise
}
