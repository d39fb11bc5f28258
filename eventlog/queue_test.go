package eventlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// stuck is an output that blocks until it is let go.
type stuck struct {
	release chan struct{}
	output
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.release
	return s.output.Write(b)
}

// Each line that is asked for is written, or counted: as dropped, failed or
// suppressed, whoever asks and however many at once.
func TestEveryLineIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &counting{fail: 3}
		l := New(Config{Output: out, Queue: 10})
		const askers, each = 8, 5000
		var all sync.WaitGroup
		for range askers {
			all.Go(func() {
				for n := range each {
					if n%1000 == 0 {
						time.Sleep(limitWindow) // what is suppressed by then is swept with its key
					}
					l.Statement(&event.Statement{Slow: true, Fingerprint: strconv.Itoa(n % (2 * limitKeys))})
				}
			})
		}
		all.Wait()
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.Statement(&event.Statement{Slow: true, Fingerprint: "late"})
		counts := []uint64{out.written, l.Dropped(), l.Failed(), l.Suppressed()}
		var sum uint64
		for _, n := range counts {
			if sum += n; n == 0 {
				t.Errorf("%v written, dropped, failed, suppressed: the test shows nothing", counts)
			}
		}
		if sum != askers*each+1 {
			t.Errorf("%v written, dropped, failed, suppressed: %d lines, %d were asked for", counts, sum, askers*each+1)
		}
	})
}

// counting counts what it takes, and takes none of the first ones.
type counting struct {
	fail    int
	written uint64
}

func (c *counting) Write(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	if c.fail > 0 {
		c.fail--
		return 0, errors.New("no")
	}
	c.written++
	return len(b), nil
}

func TestAStuckOutputHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{release: make(chan struct{})}
		l := New(Config{Output: out, Queue: 10})
		start := time.Now()
		for range 5 {
			l.Run(sampleRun(""))
		}
		synctest.Wait() // one is being written, four are queued
		if d := time.Since(start); d != 0 {
			t.Errorf("lines took %v", d)
		}
		l.Migration(failedMigration())
		if d := time.Since(start); d != patience {
			t.Errorf("the end of a migration waited for %v", d)
		}
		for range 5 {
			l.Migration(failedMigration())
		}
		l.Run(sampleRun("failed"))
		if d := time.Since(start); d != patience {
			t.Errorf("with the output known to be stuck they waited for %v", d)
		}
		if n := l.Dropped(); n != 1 {
			t.Errorf("%d dropped", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("closed with %v", err)
		}
		close(out.release)
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n := strings.Count(out.String(), "\n"); n != 11 {
			t.Errorf("%d lines", n)
		}
		l.Run(sampleRun(""))
		if n := l.Dropped(); n != 2 {
			t.Errorf("a line after the end: %d dropped", n)
		}
	})
}

// A tool whose migration has failed may call os.Exit at once.
func TestTheEndOfAMigrationIsWrittenWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		l := New(Config{Output: &out})
		l.Migration(failedMigration())
		if !strings.Contains(out.String(), `"migration.finished"`) {
			t.Error("the line of the migration is not there yet")
		}
		l.Run(sampleRun("failed"))
		if !strings.Contains(out.String(), `"run.finished"`) {
			t.Error("the line of the run is not there yet")
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

type broken struct{ n int }

func (b *broken) Write(p []byte) (int, error) {
	b.n++
	if b.n == 2 {
		panic("output")
	}
	return 0, errors.New("disk full")
}

func TestFailingOutputIsCounted(t *testing.T) {
	out := &broken{}
	l := New(Config{Output: out})
	for range 3 {
		l.Run(sampleRun("ok"))
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if out.n != 3 || l.Failed() != 3 || l.Dropped() != 0 {
		t.Errorf("%d written, %d failed, %d dropped", out.n, l.Failed(), l.Dropped())
	}
}

func TestLinesOfSeveralConnectionsStayWhole(t *testing.T) {
	var out output
	l := New(Config{Output: &out, Queue: 5000, Level: "debug"})
	var conns sync.WaitGroup
	for range 4 {
		conns.Go(func() {
			for range 500 {
				l.Statement(failedStatement())
				l.Lock(sampleLock(event.LockAcquired))
			}
		})
	}
	conns.Wait()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(parsed(t, out.String())); uint64(n)+l.Dropped() != 4000 || n == 0 {
		t.Errorf("%d lines and %d dropped", n, l.Dropped())
	}
}

// TestLossIsTold: once when lines begin to be lost, and once when they are written
// again, though the log of it is the one that loses them.
func TestLossIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		out  func() (io.Writer, func()) // and what mends it
		want []string
	}{
		"full": {func() (io.Writer, func()) {
			out := &stuck{release: make(chan struct{})}
			return out, func() { close(out.release) }
		}, []string{"queue_full false", "queue_full true"}},
		"failing": {func() (io.Writer, func()) {
			out := &breaking{}
			out.broken.Store(true)
			return out, func() { out.broken.Store(false) }
		}, []string{"output false", "output true"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out, mend := c.out()
				var told []string
				var l *Log
				l = New(Config{Output: out, Queue: 4, Lost: func(tr *event.Trouble) {
					told = append(told, fmt.Sprint(tr.Kind, " ", tr.Over))
					l.Trouble(tr)
				}})
				for range 20 {
					l.Lock(&event.Lock{Stage: event.LockWaiting, Trace: sampleTrace})
					synctest.Wait()
				}
				mend()
				synctest.Wait()
				l.Lock(&event.Lock{Stage: event.LockWaiting, Trace: sampleTrace})
				if err := l.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				l.Lock(&event.Lock{Stage: event.LockWaiting, Trace: sampleTrace}) // after the end none is missed
				synctest.Wait()
				if !slices.Equal(told, c.want) {
					t.Errorf("told %v, want %v", told, c.want)
				}
			})
		})
	}
}

// breaking is an output that fails as long as it is broken.
type breaking struct{ broken atomic.Bool }

func (b *breaking) Write(p []byte) (int, error) {
	if b.broken.Load() {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}
