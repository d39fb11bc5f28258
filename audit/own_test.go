package audit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
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
