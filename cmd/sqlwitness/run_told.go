package main

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// told is a sink that tells on a screen what the witness sees of a tool's run:
// on a terminal a line that moves, elsewhere a line about each statement that
// takes long; and at the end a summary. Its methods write nothing themselves: a
// terminal that is stopped must not stop a migration.
type told struct {
	event.Ignore
	screen *screen
	now    func() time.Time
	wake   chan struct{}
	quit   chan struct{}
	ended  sync.WaitGroup

	mu         sync.Mutex
	lines      []string
	migrations map[uint64]event.Migration // that run, by connection
	looks      map[uint64]event.Look      // at what takes long, by connection
	next       map[uint64]time.Duration   // the age at which a line is due, by connection
	runs       []event.Run
	failures   []event.Migration
	slower     []string
}

const (
	maxLines  = 256
	firstLine = 900 * time.Millisecond // the look at a second's age may come a little early
	lastPause = time.Minute
	redraw    = 100 * time.Millisecond
)

func newTold(s *screen, now func() time.Time) *told {
	t := &told{screen: s, now: now, wake: make(chan struct{}, 1), quit: make(chan struct{}),
		migrations: map[uint64]event.Migration{}, looks: map[uint64]event.Look{}, next: map[uint64]time.Duration{}}
	t.ended.Go(t.run)
	return t
}

// run writes what the methods have left.
func (t *told) run() {
	var tick <-chan time.Time
	if t.screen.terminal {
		ticker := time.NewTicker(redraw)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-t.quit:
			t.screen.status("")
			t.write()
			return
		case <-t.wake:
			t.write()
		case <-tick:
			t.screen.status(plain(t.status()))
		}
	}
}

// close ends the telling: with the summary of what was seen.
func (t *told) close() {
	t.mu.Lock()
	for i := range t.failures {
		t.lines = append(t.lines, failurePhrases(&t.failures[i])...)
	}
	for i := range t.runs {
		if r := &t.runs[i]; r.Outcome == "noop" && r.LockWait < firstLine {
			continue // a status, or nothing to do: the tool has said so
		}
		t.lines = append(t.lines, runPhrase(&t.runs[i]))
	}
	t.lines = append(t.lines, t.slower...)
	t.mu.Unlock()
	close(t.quit)
	t.ended.Wait()
}

func (t *told) write() {
	t.mu.Lock()
	lines := t.lines
	t.lines = nil
	t.mu.Unlock()
	for _, line := range lines {
		_, _ = t.screen.Write([]byte("sqlwitness: " + plain(line) + "\n"))
	}
}

// line leaves a line to be written. t.mu is held.
func (t *told) line(text string) {
	if len(t.lines) == maxLines {
		return
	}
	t.lines = append(t.lines, text)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// status is what has been going on for longest.
func (t *told) status() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	var text string
	var since time.Time
	older := func(start time.Time) bool { return since.IsZero() || start.Before(since) }
	for _, l := range t.looks {
		if older(l.Start) {
			text, since = lookPhrase(&l, now.Sub(l.Start)), l.Start
		}
	}
	if text != "" {
		return text
	}
	for _, m := range t.migrations {
		if older(m.Start) {
			text, since = whose(m.Tool, m.Version, m.After)+string(m.Direction)+", "+short(now.Sub(m.Start)), m.Start
		}
	}
	return text
}

// Look notes a statement that takes long.
func (t *told) Look(l *event.Look) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.Done {
		delete(t.looks, l.ConnID)
		delete(t.next, l.ConnID)
		return
	}
	if before, ok := t.looks[l.ConnID]; ok && !before.Start.Equal(l.Start) {
		delete(t.next, l.ConnID)
	}
	t.looks[l.ConnID] = *l
	due, ok := t.next[l.ConnID]
	if !ok {
		due = firstLine
	}
	if t.screen.terminal || l.Age < due {
		return
	}
	t.next[l.ConnID] = l.Age + min(l.Age, lastPause)
	t.line(lookPhrase(l, l.Age))
}

// Migration notes which migrations run, and keeps those that failed.
func (t *told) Migration(m *event.Migration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.Outcome == "" {
		t.migrations[m.ConnID] = *m
		return
	}
	delete(t.migrations, m.ConnID)
	if m.Outcome == event.Failed || m.Outcome == event.Interrupted {
		t.failures = append(t.failures, *m)
	}
}

// Run keeps the runs that have ended.
func (t *told) Run(r *event.Run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Finished {
		clear(t.migrations)
		t.runs = append(t.runs, *r)
	}
}

// Trend keeps that migrations took much longer than before.
func (t *told) Trend(c *event.Trend) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(c.Slower) > 0 {
		t.slower = append(t.slower, c.Said())
	}
}

// Finding tells of something that somebody should look at.
func (t *told) Finding(f *event.Finding) { t.tell(f.Message, f.SQL) }

// Trouble tells of a part of the witness that cannot do its work.
func (t *told) Trouble(e *event.Trouble) {
	if !e.Over {
		t.tell(e.Part+": "+e.Message, e.Hint)
	}
}

// Alert tells of one that fires.
func (t *told) Alert(a *event.Alert) {
	if a.State == event.Firing {
		t.tell("alert: " + a.Title)
	}
}

func (t *told) tell(parts ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line(strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "; "))
}
