package probe

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lib/pq"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestUnsupported: a system without a view has a probe that sees nothing and
// fails at nothing.
func TestUnsupported(t *testing.T) {
	for _, system := range []string{"sqlite", "other_sql", ""} {
		p := Open(event.Database{System: system}, refusing(errRefused), Deps{})
		if p.Supported() {
			t.Fatalf("%q has a probe", system)
		}
		seen, err := p.Look(t.Context(), []Asked{{Session: 1}})
		before, err2 := p.Baseline(t.Context())
		found, err3 := p.Residue(t.Context(), before, []int64{1}, time.Now())
		if seen != nil || found != nil || errors.Join(err, err2, err3, p.Close()) != nil || p.Stats() != (Stats{}) {
			t.Errorf("%q: %v, %v, %v, %v, %v", system, seen, found, err, err2, err3)
		}
		if _, err := p.Session(t.Context(), nil); err == nil {
			t.Errorf("%q: it knows a session", system)
		}
	}
}

// TestTrouble: what keeps the probe from seeing is told once, in words that hold
// no secret, and the server is left in peace for growing pauses.
func TestTrouble(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		kind  string
		tries int  // in the five minutes that follow, one look every two seconds
		later bool // it comes with the first statement, not with the connection
	}{
		{"no network", errRefused, troubleUnreachable, 10, false},
		{"no connection left", &pq.Error{Code: "53300", Message: "secret"}, troubleConnections, 5, false},
		{"not allowed", &pq.Error{Code: "28P01", Message: "secret"}, troubleForbidden, 5, false},
		{"no view", &pq.Error{Code: "42883", Message: "secret"}, troubleUnsupported, 1, true},
		{"no database", &pq.Error{Code: "3D000", Message: "secret"}, troubleUnreachable, 10, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var troubles []event.Trouble
				tries := 0
				p := Open(event.Database{System: "postgresql", Name: "app"}, func(context.Context) (driver.Conn, error) {
					if tries++; c.later {
						return failingConn{err: c.err}, nil
					}
					return nil, c.err
				}, Deps{Now: time.Now, Redact: func(s string) string { return s }, Trouble: func(t event.Trouble) { troubles = append(troubles, t) }})
				defer p.Close()
				for start := time.Now(); time.Since(start) < 5*time.Minute; time.Sleep(2 * time.Second) {
					if seen, err := p.Look(t.Context(), []Asked{{Session: 1}}); seen != nil || err != nil && !errors.Is(err, c.err) {
						t.Fatalf("Look = %v, %v", seen, err)
					}
				}
				if tries != c.tries {
					t.Errorf("%d tries, want %d", tries, c.tries)
				}
				if len(troubles) != 1 || troubles[0].Kind != c.kind || troubles[0].Database.Name != "app" || troubles[0].Message == "" {
					t.Errorf("troubles: %+v", troubles)
				}
				if s := fmt.Sprintf("%+v", troubles); strings.Contains(s, "secret") {
					t.Errorf("a secret is told: %s", s)
				}
				if s := p.Stats(); s.Errors != uint64(c.tries) || s.Looks != 0 || s.Rested != uint64(150-c.tries) {
					t.Errorf("stats: %+v", s)
				}
			})
		})
	}
}

// failingConn answers to every text with an error.
type failingConn struct {
	driver.Conn
	err error
}

func (failingConn) Close() error { return nil }
func (c failingConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, c.err
}
func (c failingConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return nil, c.err
}

// TestHungServer: a server that lets nobody in holds a look up for the limit
// alone, and one attempt at a connection is all that it gets.
func TestHungServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int64
		open, closed := make(chan struct{}), make(chan struct{})
		p := Open(event.Database{System: "postgresql"}, func(context.Context) (driver.Conn, error) {
			tries.Add(1)
			<-open
			return hangingConn{closed}, nil
		}, Deps{Now: time.Now})
		for range 20 {
			start := time.Now()
			if _, err := p.Look(t.Context(), []Asked{{Session: 1}}); err != nil && time.Since(start) != timeLimit {
				t.Fatalf("Look took %v: %v", time.Since(start), err)
			}
			time.Sleep(10 * time.Second)
		}
		if tries.Load() != 1 {
			t.Errorf("%d attempts at once", tries.Load())
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		close(open)
		<-closed // what comes of it after all is not kept
		time.Sleep(longRest)
		if _, err := p.Look(t.Context(), []Asked{{Session: 1}}); !errors.Is(err, errClosed) {
			t.Errorf("Look after Close: %v", err)
		}
	})
}

type hangingConn struct{ closed chan struct{} }

func (c hangingConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (c hangingConn) Begin() (driver.Tx, error)           { return nil, errors.New("not begun") }
func (c hangingConn) Close() error                        { close(c.closed); return nil }

// TestCaller: a look that its caller ends is nobody's trouble.
func TestCaller(t *testing.T) {
	b := newBench(t, kitPQ)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.probe.Look(ctx, []Asked{{Session: 1}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Look = %v", err)
	}
	b.quiet()
}

// TestIdle: the connection is closed when it is idle, and opened again.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened, closed := 0, 0
		p := Open(event.Database{System: "mysql"}, func(context.Context) (driver.Conn, error) {
			opened++
			return &countedConn{closed: &closed}, nil
		}, Deps{Now: time.Now})
		defer p.Close()
		for range 2 {
			for range 3 {
				_ = p.own.do(t.Context(), func(context.Context, *sql.Conn) error { return nil })
				time.Sleep(idleTime / 2)
			}
			time.Sleep(2*idleTime + time.Second)
			synctest.Wait()
		}
		if opened != 2 || closed != 2 {
			t.Errorf("opened %d, closed %d, want 2 and 2", opened, closed)
		}
	})
}

// TestLate: a connection that comes when nobody waits for it any more is kept for
// the next look, and closed when there is none. So is an error forgotten.
func TestLate(t *testing.T) {
	for name, test := range map[string]struct {
		next           time.Duration // when the next look comes, after the first has given up
		opened, closed int
	}{"soon": {idleTime / 2, 1, 0}, "late": {idleTime + 5*time.Second, 2, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opened, closed := 0, 0
				p := Open(event.Database{System: "mysql"}, func(context.Context) (driver.Conn, error) {
					if opened++; opened == 1 {
						time.Sleep(2 * timeLimit)
					}
					return &countedConn{closed: &closed}, nil
				}, Deps{Now: time.Now})
				defer p.Close()
				look := func() error {
					_, err := p.use(t.Context(), func(context.Context, *sql.Conn) error { return nil })
					return err
				}
				if err := look(); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
				time.Sleep(2*timeLimit + test.next)
				synctest.Wait()
				if err := look(); err != nil || opened != test.opened || closed != test.closed {
					t.Errorf("%v, opened %d, closed %d", err, opened, closed)
				}
			})
		})
	}
}

// countedConn answers to every text with no rows.
type countedConn struct{ closed *int }

func (c *countedConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (c *countedConn) Begin() (driver.Tx, error)           { return nil, errors.New("not begun") }
func (c *countedConn) Close() error                        { *c.closed++; return nil }
func (c *countedConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &oneRow{done: true}, nil
}

// TestNumber: whatever a driver answers with, and whichever way it is asked, the
// rows are read to their end and closed.
func TestNumber(t *testing.T) {
	for _, v := range []driver.Value{int64(7), uint64(7), []byte("7"), "7"} {
		for _, prepared := range []bool{false, true} {
			rows := &oneRow{value: v}
			if b, ok := v.([]byte); ok {
				rows.value = bytes.Clone(b)
			}
			var conn driver.Conn = preparingConn{rows}
			if !prepared {
				conn = queryingConn{preparingConn{rows}}
			}
			if n, err := number(t.Context(), conn, "SELECT 7"); n != 7 || err != nil || rows.closed != 1 || !rows.done {
				t.Errorf("%T, prepared %v: %d, %v, closed %d times, read to the end: %v", v, prepared, n, err, rows.closed, rows.done)
			}
		}
	}
	for _, v := range []driver.Value{nil, true, "seven"} {
		if n, err := number(t.Context(), queryingConn{preparingConn{&oneRow{value: v}}}, "SELECT 7"); err == nil {
			t.Errorf("%v is the number %d", v, n)
		}
	}
}

// oneRow is one row of one column, overwritten when it has been read, as drivers
// may do.
type oneRow struct {
	value  driver.Value
	read   bool
	done   bool
	closed int
}

func (r *oneRow) Columns() []string { return []string{"n"} }
func (r *oneRow) Close() error      { r.closed++; return nil }
func (r *oneRow) Next(dest []driver.Value) error {
	if r.read || r.done {
		if b, ok := r.value.([]byte); ok {
			b[0] = 'x'
		}
		r.done = true
		return io.EOF
	}
	r.read = true
	dest[0] = r.value
	return nil
}

type preparingConn struct{ rows *oneRow }

func (c preparingConn) Prepare(string) (driver.Stmt, error) { return oldStmt(c), nil }
func (c preparingConn) Begin() (driver.Tx, error)           { return nil, errors.New("not begun") }
func (c preparingConn) Close() error                        { return nil }

type queryingConn struct{ preparingConn }

func (c queryingConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return c.rows, nil
}

type oldStmt struct{ rows *oneRow }

func (s oldStmt) Close() error                               { return nil }
func (s oldStmt) NumInput() int                              { return 0 }
func (s oldStmt) Exec([]driver.Value) (driver.Result, error) { return nil, errors.New("not a query") }
func (s oldStmt) Query([]driver.Value) (driver.Rows, error)  { return s.rows, nil }

// TestSession: the number is the one that the server has for the connection.
func TestSession(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX, kitMariaDB} {
		t.Run(k.name, func(t *testing.T) {
			b := newBench(t, k)
			c := b.client()
			query := "SELECT pg_backend_pid()"
			if k.system == "mariadb" {
				query = "SELECT CONNECTION_ID()"
			}
			var want int64
			if err := c.conn.QueryRowContext(t.Context(), query).Scan(&want); err != nil {
				t.Fatal(err)
			}
			if c.id != want || !b.probe.known.has(want) {
				t.Errorf("session %d, want %d", c.id, want)
			}
		})
	}
}
