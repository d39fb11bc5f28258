package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

func look(age time.Duration, p *event.Picture) *event.Look {
	version := "7"
	return &event.Look{ConnID: 1, Tool: "goose", Version: &version, Operation: "ALTER TABLE", Summary: "ALTER TABLE orders",
		Start: time.Now().Add(-age), Age: age, Picture: p}
}

func TestLookPhrase(t *testing.T) {
	blocked := &event.Picture{
		Session: event.Session{Wait: &event.Wait{Kind: "relation", Object: "public.orders", Mode: "AccessExclusiveLock"}},
		Blockers: []event.Session{
			{PID: 20, Wait: &event.Wait{}}, // waits itself
			{PID: 815, User: "app", App: "report", State: "idle in transaction"},
			{Prepared: "two-phase"},
		},
		Queue: 3,
	}
	lock := look(2*time.Second, nil)
	lock.Version, lock.Lock = nil, &event.Lock{Kind: "advisory", Key: "42", Attempts: 3}
	for _, c := range []struct {
		look *event.Look
		want string
	}{
		{look(1500*time.Millisecond, nil), "goose 7: ALTER TABLE orders, 1.5s"},
		{look(4*time.Second, blocked), "goose 7: ALTER TABLE orders waits for AccessExclusiveLock on public.orders, " +
			"held by pid 815 (app, report, idle in transaction), held by prepared transaction two-phase, 3 waiting behind it, 4s"},
		{lock, "goose: waits for advisory lock 42, 3 attempts, 2s"},
		{look(time.Minute, &event.Picture{Progress: &event.Progress{Phase: "building index", Done: 1, Total: 3}}), "goose 7: ALTER TABLE orders, building index 33 %, 1m0s"},
		{&event.Look{Operation: "SELECT"}, "SELECT, -"},
	} {
		if got := lookPhrase(c.look, c.look.Age); got != c.want {
			t.Errorf("says %q\nwant %q", got, c.want)
		}
	}
}

// In a pipe a statement that takes long has a line at ages that double, and then
// one a minute.
func TestToldInPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		told := newTold(newScreen(&out), time.Now)
		l := look(0, nil)
		for l.Age = time.Second; l.Age < 5*time.Minute; l.Age += time.Second {
			told.Look(l)
			synctest.Wait()
		}
		if n := strings.Count(out.String(), "\n"); n != 10 { // 1, 2, 4, … 64, 124, 184, 244 s
			t.Errorf("%d lines:\n%s", n, out.String())
		}
		told.Look(&event.Look{ConnID: 1, Done: true})
		told.Trouble(&event.Trouble{Part: "audit", Message: "the role may not", Hint: "GRANT it"})
		told.Finding(&event.Finding{Message: "an index is invalid"})
		told.Alert(&event.Alert{State: event.Firing, Title: "shop: 12 queued"})
		told.Alert(&event.Alert{State: event.Resolved, Title: "shop: over"})
		out.Reset()
		told.close()
		want := "sqlwitness: audit: the role may not; GRANT it\nsqlwitness: an index is invalid\nsqlwitness: alert: shop: 12 queued\n"
		if out.String() != want {
			t.Errorf("says %q\nwant %q", out.String(), want)
		}
	})
}

// On a terminal one line says what runs now, and goes where a line that stays
// comes.
func TestToldOnTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := newScreen(&out)
		s.terminal, s.columns = true, func() int { return 30 }
		told := newTold(s, time.Now)
		told.Migration(&event.Migration{ConnID: 1, Tool: "goose", After: "6", Direction: event.Up, Start: time.Now()})
		time.Sleep(250 * time.Millisecond)
		synctest.Wait()
		if want := clearLine + "goose, after 6: up, 100ms" + clearLine + "goose, after 6: up, 200ms"; out.String() != want {
			t.Errorf("draws %q, want %q", out.String(), want)
		}
		out.Reset()
		told.Look(look(300*time.Millisecond, nil))
		time.Sleep(redraw)
		synctest.Wait()
		if want := clearLine + "goose 7: ALTER TABLE orders,…"; out.String() != want {
			t.Errorf("draws %q, want %q", out.String(), want)
		}
		out.Reset()
		_, _ = s.Write([]byte("OK\n"))
		told.Look(&event.Look{ConnID: 1, Done: true})
		told.Migration(&event.Migration{ConnID: 1, Outcome: event.Applied})
		told.close()
		if want := clearLine + "OK\n"; out.String() != want {
			t.Errorf("draws %q, want %q", out.String(), want)
		}
	})
}

// Names on the server, and in a migration, do not command the terminal.
func TestToldControls(t *testing.T) {
	const bad = "re\x1b]0;owned\x07port\u009b2J\u202e\x00\n"
	for _, terminal := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			s := newScreen(&out)
			s.terminal, s.columns = terminal, func() int { return 500 }
			told := newTold(s, time.Now)
			told.Look(look(time.Second, &event.Picture{Blockers: []event.Session{{PID: 815, App: bad}}}))
			told.Finding(&event.Finding{Message: bad})
			time.Sleep(redraw)
			told.close()
			said := strings.ReplaceAll(out.String(), clearLine, "")
			if !strings.Contains(said, "815 (re ]0;owned port 2J") || strings.ContainsAny(strings.ReplaceAll(said, "\n", ""), "\x1b\x07\u009b\u202e\x00") {
				t.Errorf("terminal %t: says %q", terminal, said)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		told := newTold(newScreen(&out), time.Now)
		version := "5"
		told.Migration(&event.Migration{Tool: "goose", Version: &version, Direction: event.Up, Outcome: event.Failed, Err: errors.New("with a value"),
			ErrorClass: "constraint", SQLState: "23505", Failing: &event.FailingStatement{Index: 2, Text: "INSERT INTO t\n VALUES (?)"}, Verdict: "nothing is left"})
		told.Run(&event.Run{Tool: "goose"})
		told.Run(&event.Run{Tool: "goose", Finished: true, Outcome: "noop"})
		told.Run(&event.Run{Tool: "goose", Finished: true, Outcome: "failed", Duration: 3 * time.Second, Applied: 2, Failures: 1, LockWait: 2 * time.Second,
			Retries: 4, Slowest: &event.BodyStatement{Operation: "CREATE INDEX", Duration: time.Second}})
		told.Trend(&event.Trend{Compared: 2})
		told.Trend(&event.Trend{Compared: 2, Slower: []event.Slower{{Version: "5", Duration: 9 * time.Second, Median: 2 * time.Second, Earlier: 12}}})
		told.close()
		want := `sqlwitness: goose 5: up failed, constraint 23505
sqlwitness:   statement 2: INSERT INTO t VALUES (?)
sqlwitness:   nothing is left
sqlwitness: goose failed after 3s, 2 applied, 1 failed, waited 2s for locks, 4 retries, slowest CREATE INDEX 1s
sqlwitness: migration 5 took 9s, 4.5 times as long as before (median 2s of 12)
`
		if out.String() != want {
			t.Errorf("says\n%s\nwant\n%s", out.String(), want)
		}
	})
}
