package sqlwitness

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/fakedb"
	"github.com/sqlwitness/sqlwitness/probe"
)

// looks is a sink that keeps looks.
type looks struct {
	event.Ignore
	mu  sync.Mutex
	all []event.Look
}

func (l *looks) Look(k *event.Look) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, *k)
}

// take returns what has come since, as "age" or "age done", with the queue of a
// picture.
func (l *looks) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, k := range l.all {
		fmt.Fprintf(&b, "%v", k.Age.Round(time.Millisecond))
		if k.Picture != nil {
			fmt.Fprintf(&b, "/%d", k.Picture.Queue)
		}
		if k.Done {
			b.WriteString(" done")
		}
		b.WriteString(", ")
	}
	l.all = nil
	return strings.TrimSuffix(b.String(), ", ")
}

// safeBuilder is a strings.Builder for several goroutines.
type safeBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuilder) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuilder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// watched is a database that hangs in every Exec until it is let go, seen by a
// witness whose second connection is the view given.
type watched struct {
	db    *sql.DB
	fake  *fakedb.DB
	looks *looks
	log   *safeBuilder
	w     *Witness

	connector *connector
}

func newWatched(t *testing.T, v view) *watched {
	t.Helper()
	k := &watched{fake: fakedb.New(fakedb.Full()), looks: &looks{}, log: &safeBuilder{}}
	w, err := New(Config{LogOutput: k.log, Sinks: []event.Sink{k.looks}, Audit: audit.Config{Mode: audit.Off}, System: "postgresql", NoProbe: true})
	if err != nil {
		t.Fatal(err)
	}
	k.connector = w.Wrap(k.fake.Connector()).(*connector)
	if v != nil {
		k.connector.observer = &observer{w: w, view: v}
	}
	k.db, k.w = sql.OpenDB(k.connector), w
	t.Cleanup(func() {
		_ = k.db.Close()
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return k
}

// hang sends a text that the server does not answer; the function ends it.
func (k *watched) hang(text string) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	k.fake.Next("Conn.ExecContext", fakedb.Fault{Wait: true})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = k.db.ExecContext(ctx, text)
	}()
	synctest.Wait()
	return func() { cancel(); <-done }
}

// TestLooks: a statement in flight is looked at when it is 250 ms old and at
// growing intervals, and once more when it has ended; then the watcher is gone.
func TestLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWatched(t, nil)
		end := k.hang("ALTER TABLE orders ADD note text")
		time.Sleep(7100 * time.Millisecond)
		synctest.Wait()
		if got, want := k.looks.take(), "250ms, 500ms, 1s, 2s, 3s, 4s, 5s, 6s, 7s"; got != want {
			t.Errorf("looks at %s, want %s", got, want)
		}
		var metrics strings.Builder
		k.w.WritePrometheus(&metrics)
		for _, want := range []string{"sqlwitness_statements_in_flight 1\n", "sqlwitness_oldest_statement_seconds 7.1\n"} {
			if !strings.Contains(metrics.String(), want) {
				t.Errorf("the metrics lack %q", want)
			}
		}
		end()
		time.Sleep(time.Second)
		synctest.Wait()
		if got, want := k.looks.take(), "7.25s done"; got != want {
			t.Errorf("at its end: %s, want %s", got, want)
		}
		time.Sleep(time.Minute)
		if k.w.watcher.on.Load() {
			t.Error("the watcher is still on, and nothing is in flight")
		}
		if n := strings.Count(k.log.String(), `"event":"statement.running"`); n != 1 {
			t.Errorf("%d lines of statement.running, want 1 (the threshold of DDL is 5 s)\n%s", n, k.log)
		}
	})
}

// TestLooksWhileConcurrently: the server resolves a deadlock within a second.
func TestLooksWhileConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWatched(t, nil)
		end := k.hang("CREATE INDEX CONCURRENTLY i ON orders (id)")
		time.Sleep(2100 * time.Millisecond)
		synctest.Wait()
		if got, want := k.looks.take(), "250ms, 500ms, 1s, 1.5s, 2s"; got != want {
			t.Errorf("looks at %s, want %s", got, want)
		}
		end()
	})
}

// fakeView is a server as told.
type fakeView struct {
	*probe.Probe // nil: sees nothing else
	session      int64
	look         func(ctx context.Context) (*event.Picture, error)
}

func (v fakeView) Session(context.Context, driver.Conn) (int64, error) { return v.session, nil }

func (v fakeView) Look(ctx context.Context, sessions []probe.Asked) (map[int64]*event.Picture, error) {
	p, err := v.look(ctx)
	return map[int64]*event.Picture{sessions[0].Session: p}, err
}

func TestLooksWithPicture(t *testing.T) {
	for _, c := range []struct {
		name string
		view func(ctx context.Context) (*event.Picture, error)
		want string
	}{
		{"as it comes", func(context.Context) (*event.Picture, error) { return &event.Picture{Queue: 3}, nil },
			"250ms/3, 500ms/3, 1s/3, 1.5s/3, 2s/3"},
		{"slow", func(context.Context) (*event.Picture, error) {
			time.Sleep(300 * time.Millisecond)
			return &event.Picture{Queue: 4}, nil
		}, "500ms, 550ms/4, 1.3s/4, 1.8s/4, 2.3s/4"},
		{"failing", func(context.Context) (*event.Picture, error) { return nil, errors.New("no") },
			"250ms, 500ms, 1s, 2s"},
		{"hanging", func(ctx context.Context) (*event.Picture, error) { <-ctx.Done(); return nil, ctx.Err() },
			"500ms, 1s, 2s, 2.25s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newWatched(t, fakeView{session: 4711, look: c.view})
				end := k.hang("ALTER TABLE orders ADD note text")
				time.Sleep(2400 * time.Millisecond)
				synctest.Wait()
				if got := k.looks.take(); got != c.want {
					t.Errorf("looks at %s, want %s", got, c.want)
				}
				end()
				time.Sleep(time.Minute) // let the watcher and the view end
			})
		})
	}
}

// TestLookAtIdleTransaction: a transaction of a run holds its locks between two
// statements too.
func TestLookAtIdleTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWatched(t, nil)
		if _, err := k.db.Exec("CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied boolean, tstamp timestamp)"); err != nil {
			t.Fatal(err)
		}
		tx, err := k.db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("ALTER TABLE orders ADD note text"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		if len(k.looks.all) == 0 || k.looks.all[0].Operation != "IDLE IN TRANSACTION" {
			t.Errorf("no look at the idle transaction: %+v", k.looks.all)
		}
		if got, want := k.looks.take(), "250ms, 500ms"; got != want {
			t.Errorf("looks at %s, want %s", got, want)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := k.looks.take(); !strings.HasSuffix(got, "done") {
			t.Errorf("after the rollback: %q", got)
		}
	})
}

// TestLookAtPolledLock: refusals are one wait, as long as it lasts.
func TestLookAtPolledLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWatched(t, nil)
		if _, err := k.db.Exec("SELECT 1"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			now := time.Now()
			k.connector.locks.called(lockCall{LockCall: try, conn: 1, start: now, end: now, answer: said(false)})
			time.Sleep(time.Second)
		}
		synctest.Wait()
		for _, look := range k.looks.all {
			if look.Lock == nil || look.Lock.Key != "42" || look.Lock.Wait != look.Age {
				t.Errorf("a look without its lock: %+v", look)
			}
		}
		if got, want := k.looks.take(), "250ms, 500ms, 1s, 2s"; got != want {
			t.Errorf("looks at %s, want %s", got, want)
		}
	})
}

// hangingWriter never returns from its first Write.
type hangingWriter struct{ until chan struct{} }

func (w hangingWriter) Write(b []byte) (int, error) { <-w.until; return len(b), nil }

// TestWatcherOutlivesHangingLog: an output that hangs stops no look.
func TestWatcherOutlivesHangingLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := hangingWriter{make(chan struct{})}
		sink := &looks{}
		w, err := New(Config{LogOutput: out, LogLevel: "debug", Sinks: []event.Sink{sink}, Audit: audit.Config{Mode: audit.Off}})
		if err != nil {
			t.Fatal(err)
		}
		k := &watched{fake: fakedb.New(fakedb.Full()), looks: sink, w: w}
		k.db = sql.OpenDB(w.Wrap(k.fake.Connector()))
		end := k.hang("ALTER TABLE orders ADD note text")
		time.Sleep(4100 * time.Millisecond)
		synctest.Wait()
		if got, want := sink.take(), "250ms, 500ms, 1s, 2s, 3s, 4s"; got != want {
			t.Errorf("looks at %s, want %s", got, want)
		}
		end()
		close(out.until)
		_ = k.db.Close()
		_ = w.Close(context.Background())
	})
}

// badView is a view with a defect.
type badView struct{ fakeView }

func (badView) Baseline(context.Context) (probe.Baseline, error) { panic("a defect") }

// TestPanicOfAViewIsContained: it is a line in the log, and the program goes on.
func TestPanicOfAViewIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWatched(t, badView{})
		k.connector.observer.migrates()
		synctest.Wait()
		time.Sleep(time.Second)
		if log := k.log.String(); !strings.Contains(log, `"event":"witness.panic"`) || !strings.Contains(log, `"component":"probe"`) {
			t.Errorf("the log: %s", log)
		}
	})
}

// TestLockThatWasNotAskedFor: a lock call that was never sent, because it could not
// be prepared, does not make the connection's next statement one that waits for it.
func TestLockThatWasNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWatched(t, nil)
		k.db.SetMaxOpenConns(1)
		k.fake.Next("Conn.ExecContext", fakedb.Fault{Err: driver.ErrSkip})
		k.fake.Next("Conn.PrepareContext", fakedb.Fault{Err: errors.New("no")})
		if _, err := k.db.Exec("SELECT pg_advisory_lock(7)"); err == nil {
			t.Fatal("it was prepared")
		}
		end := k.hang("UPDATE orders SET paid = true")
		time.Sleep(tick)
		synctest.Wait()
		for _, f := range k.w.watcher.flights() {
			if f.lock != nil {
				t.Errorf("%s waits for %+v", f.text.SQL, f.lock)
			}
		}
		end()
	})
}
