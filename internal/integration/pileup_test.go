package integration

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// live keeps what is told while a migration waits.
type live struct {
	event.Ignore
	mu     sync.Mutex
	looks  []event.Look
	alerts []event.Alert

	findings []event.Finding
}

func (l *live) Finding(f *event.Finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.findings = append(l.findings, *f)
}

func (l *live) Look(k *event.Look) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looks = append(l.looks, *k)
}

func (l *live) Alert(a *event.Alert) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alerts = append(l.alerts, *a)
}

// alert is the first alert of a rule in a state.
func (l *live) alert(rule string, state event.AlertState) *event.Alert {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.alerts {
		if l.alerts[i].Rule == rule && l.alerts[i].State == state {
			return &l.alerts[i]
		}
	}
	return nil
}

// deepest is the look that saw the longest queue.
func (l *live) deepest() *event.Look {
	l.mu.Lock()
	defer l.mu.Unlock()
	var worst *event.Look
	for i := range l.looks {
		if k := &l.looks[i]; k.Picture != nil && (worst == nil || k.Picture.Queue > worst.Picture.Queue) {
			worst = k
		}
	}
	return worst
}

// output collects log lines.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// until polls for what has to become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

// TestPileup: goose's ALTER TABLE waits behind an idle transaction, and the
// application's readers behind it. While they wait, the log and an alert say who
// blocks, whom it blocks and what to run; what the alert says to run clears the
// queue.
func TestPileup(t *testing.T) {
	for _, driver := range []string{"postgres", "pgx"} {
		t.Run(driver, func(t *testing.T) {
			dsn := testdb.PostgreSQL(t)
			ctx := t.Context()
			app, err := sql.Open("postgres", dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer app.Close()
			if _, err := app.ExecContext(ctx, "CREATE TABLE orders (id bigint, note text); INSERT INTO orders VALUES (1, 'secret')"); err != nil {
				t.Fatal(err)
			}
			idle, err := app.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer idle.Rollback()
			if _, err := idle.ExecContext(ctx, "SELECT * FROM orders WHERE note = 'secret'"); err != nil {
				t.Fatal(err)
			}

			seen, log := &live{}, &output{}
			w, err := sqlwitness.New(sqlwitness.Config{LogOutput: log, Sinks: []event.Sink{seen}})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close(context.Background())
			db, err := w.Open(driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			provider, err := goose.NewProvider(goose.DialectPostgres, db, fstest.MapFS{"00001_paid.sql": {
				Data: []byte("-- +goose Up\nALTER TABLE orders ADD paid boolean;\n")}})
			if err != nil {
				t.Fatal(err)
			}
			up := make(chan error, 1)
			go func() { _, err := provider.Up(ctx); up <- err }()

			waiting := func(n int) func() bool {
				return func() bool {
					var waits int
					err := app.QueryRowContext(ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'").Scan(&waits)
					return err == nil && waits == n
				}
			}
			until(t, "goose waits", waiting(1))
			const readers = 6
			for range readers {
				go func() { _, _ = app.ExecContext(ctx, "SELECT count(*) FROM orders") }()
			}
			until(t, "the readers wait", waiting(1+readers))
			until(t, "an alert of the pile-up", func() bool { return seen.alert("lock_pileup", event.Firing) != nil })

			a := seen.alert("lock_pileup", event.Firing)
			for _, part := range []string{"00001", "public.orders", fmt.Sprint(readers)} {
				if !strings.Contains(a.Title+strings.Join(a.Details, " "), strings.TrimLeft(part, "0")) {
					t.Errorf("the alert does not name %s: %q %q", part, a.Title, a.Details)
				}
			}
			look := seen.deepest()
			if p := look.Picture; p.Queue != readers || len(p.Blockers) != 1 || p.Blockers[0].State != "idle in transaction" || look.Tool != "goose" {
				t.Errorf("the deepest look: %+v of %+v", p, look)
			}

			// Do what the alert says about the blocker.
			ran := false
			for _, s := range a.Steps {
				if strings.Contains(s.SQL, "pg_terminate_backend") {
					if _, err := app.ExecContext(ctx, s.SQL); err != nil {
						t.Errorf("%s: %v", s.SQL, err)
					}
					ran = true
				}
			}
			if !ran {
				t.Fatalf("the alert does not say how to end the blocker: %+v", a.Steps)
			}
			if err := <-up; err != nil {
				t.Errorf("goose, once the blocker is gone: %v", err)
			}
			until(t, "nobody waits", waiting(0))
			_ = w.Close(context.Background())
			if seen.alert("lock_pileup", event.Resolved) == nil {
				t.Error("the alert was not resolved")
			}
			for _, want := range []string{`"event":"alert.firing"`, `"rule":"lock_pileup"`, `"event":"alert.resolved"`} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log lacks %s", want)
				}
			}
			if strings.Contains(log.String(), "secret") {
				t.Error("a literal of another session's query is in the log")
			}
		})
	}
}
