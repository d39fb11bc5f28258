package audit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// scripted is a connection that takes every statement.
type scripted struct{ closed *atomic.Int32 }

func (c scripted) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (c scripted) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions") }
func (c scripted) Close() error                        { c.closed.Add(1); return nil }
func (c scripted) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func run1(ctx context.Context, o *own) error {
	return o.do(ctx, func(ctx context.Context, c *sql.Conn) error {
		_, err := c.ExecContext(ctx, "x")
		return err
	})
}

func TestOwnConnectionIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened, closed atomic.Int32
		o := &own{connect: func(context.Context) (driver.Conn, error) { opened.Add(1); return scripted{&closed}, nil }, session: "SET x"}
		for range 3 {
			if err := run1(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			time.Sleep(idleTime - time.Second)
		}
		if opened.Load() != 1 || closed.Load() != 0 {
			t.Errorf("in use: opened %d, closed %d", opened.Load(), closed.Load())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if opened.Load() != 1 || closed.Load() != 1 {
			t.Errorf("idle: opened %d, closed %d", opened.Load(), closed.Load())
		}
		if err := run1(t.Context(), o); err != nil || opened.Load() != 2 {
			t.Errorf("again: opened %d, error %v", opened.Load(), err)
		}
		if err := o.close(); err != nil || closed.Load() != 2 {
			t.Errorf("closed %d, error %v", closed.Load(), err)
		}
		if err := run1(t.Context(), o); !errors.Is(err, errClosed) {
			t.Errorf("after close: %v", err)
		}
	})
}

// silent accepts connections and says nothing. It counts those that nobody has
// given up, and the most of them.
type silent struct {
	address string
	mu      sync.Mutex
	open    int
	most    int
	all     int
}

func newSilent(t *testing.T) *silent {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &silent{address: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.count(1)
			go func() {
				_, _ = io.Copy(io.Discard, c) // until the other side closes
				s.count(-1)
				_ = c.Close()
			}()
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return s
}

func (s *silent) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += n
	s.all += max(n, 0)
	s.most = max(s.most, s.open)
}

// A server that accepts and does not answer has one connection of the store's,
// however often that has given up. lib/pq does not give up.
func TestSilentServer(t *testing.T) {
	for name, c := range map[string]struct {
		kit kit
		dsn string
	}{
		"pq":    {kitPQ, "postgres://u@%s/db?sslmode=disable"},
		"pgx":   {kitPGX, "postgres://u@%s/db?sslmode=disable"},
		"mysql": {kitMySQL, "u@tcp(%s)/db"},
	} {
		t.Run(name, func(t *testing.T) {
			server := newSilent(t)
			parent, err := c.kit.connector(fmt.Sprintf(c.dsn, server.address))
			if err != nil {
				t.Fatal(err)
			}
			b := &bench{t: t, kit: c.kit}
			b.store = b.open(parent.Connect, Config{Mode: Strict, Timeout: 20 * time.Millisecond}, Deps{}) // Strict has no patience
			for range 10 {
				if err := b.store.Intent(t.Context(), migration("1"), false); err == nil {
					t.Error("it is recorded")
				}
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			if server.all == 0 || name == "pq" && server.all > 1 || server.most > 5 { // one that is closed may be seen late
				t.Errorf("%d connections, %d of them at once", server.all, server.most)
			}
		})
	}
}

// One attempt is under way, whoever waits for it; what comes of it later goes to
// who waits then.
func TestConnectOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened, closed atomic.Int32
		o := &own{connect: func(context.Context) (driver.Conn, error) {
			opened.Add(1)
			time.Sleep(time.Hour)
			return scripted{&closed}, nil
		}}
		try := func(patience time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			return run1(ctx, o)
		}
		for range 100 {
			if err := try(time.Second); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		if opened.Load() != 1 {
			t.Errorf("%d attempts", opened.Load())
		}
		if err := try(2 * time.Hour); err != nil || opened.Load() != 1 || closed.Load() != 0 {
			t.Errorf("error %v after %d attempts, %d closed", err, opened.Load(), closed.Load())
		}
		if err := o.close(); err != nil || closed.Load() != 1 {
			t.Errorf("closed %d, error %v", closed.Load(), err)
		}
	})
}

// The end of one's context is not the answer to another's attempt.
func TestConnectCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened, closed atomic.Int32
		o := &own{connect: func(ctx context.Context) (driver.Conn, error) {
			if opened.Add(1) == 1 {
				<-ctx.Done()
				time.Sleep(time.Second) // until it has noticed
				return nil, ctx.Err()
			}
			return scripted{&closed}, nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := run1(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := run1(t.Context(), o); err != nil || opened.Load() != 2 {
			t.Errorf("error %v after %d attempts", err, opened.Load())
		}
		if err := o.close(); err != nil || closed.Load() != 1 {
			t.Errorf("closed %d, error %v", closed.Load(), err)
		}
	})
}

// A driver that knows no context hangs alone.
func TestConnectHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int32
		b := &bench{t: t, kit: kitPQ}
		b.store = b.open(func(context.Context) (driver.Conn, error) {
			time.Sleep(time.Minute)
			return scripted{&closed}, nil
		}, Config{}, Deps{})
		start := time.Now()
		b.must(b.store.Intent(t.Context(), migration("1"), false))
		if took := time.Since(start); took != defaultTimeout {
			t.Errorf("it took %v, want %v", took, defaultTimeout)
		}
		b.expectTroubles(TroubleUnreachable)
		b.expectSpool("intent/start")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if closed.Load() != 1 {
			t.Errorf("the late connection was closed %d times", closed.Load())
		}
	})
}

// An outage costs a run a tenth of its time at most.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		b := &bench{t: t, kit: kitPQ}
		b.store = b.open(func(context.Context) (driver.Conn, error) {
			tries++
			time.Sleep(time.Second)
			return nil, errors.New("down")
		}, Config{}, Deps{})
		const n = 1000
		start := time.Now()
		for range n {
			time.Sleep(100 * time.Millisecond) // the migration itself
			m := migration("1")
			b.must(b.store.Intent(t.Context(), m, false))
			b.must(b.store.Outcome(t.Context(), ended(m, event.Applied)))
		}
		if lost := time.Since(start) - n*100*time.Millisecond; lost > 11*time.Second {
			t.Errorf("%v of 100 s were spent on %d tries", lost, tries)
		}
		b.expectTroubles(TroubleUnreachable)
	})
}

// What is cancelled is still recorded.
func TestCancelledContext(t *testing.T) {
	b := newBench(t, kitSQLite, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := migration("1")
	b.must(b.store.Intent(ctx, m, false))
	b.must(b.store.Outcome(ctx, ended(m, event.Failed)))
	b.expect("intent/start", "outcome/after failed")
}
