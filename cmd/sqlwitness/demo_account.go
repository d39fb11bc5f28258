package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
)

// account is a sink that shows progress while the tools run and keeps what the
// summary tells.
type account struct {
	event.Ignore
	log      safeBuffer
	progress *progress

	mu         sync.Mutex
	runs       []event.Run
	migrations []event.Migration
	slow       []event.Statement
	locks      []event.Lock
	alerts     []event.Alert
}

func newAccount(out io.Writer) *account { return &account{progress: newProgress(out)} }

func (a *account) heading(title string) { a.progress.line(title) }
func (a *account) done()                { a.progress.stop() }

// Statement keeps the slow ones.
func (a *account) Statement(s *event.Statement) {
	if !s.Slow {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.slow = append(a.slow, *s)
}

// Lock keeps what waits, holds and goes wrong.
func (a *account) Lock(l *event.Lock) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.locks = append(a.locks, *l)
}

// Alert keeps those that fire.
func (a *account) Alert(e *event.Alert) {
	if e.State != event.Firing {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alerts = append(a.alerts, *e)
}

// Migration shows that one starts or has ended.
func (a *account) Migration(m *event.Migration) {
	if m.Outcome == "" {
		a.progress.running(m.Tool + " " + version(m) + " …")
		return
	}
	a.progress.line(fmt.Sprintf("  %-8s %-15s %-9s %-4s %8s", m.Outcome, m.Tool, version(m), m.Direction, short(m.Duration)))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.migrations = append(a.migrations, *m)
}

// Run keeps what has ended.
func (a *account) Run(r *event.Run) {
	if !r.Finished {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs = append(a.runs, *r)
}

func version(m *event.Migration) string {
	switch {
	case m.Version != nil:
		return *m.Version
	case m.After != "":
		return "after " + m.After
	}
	return "?"
}

// summary tells what was seen; trail is nil where nothing was recorded.
func (a *account) summary(out io.Writer, t *demoTarget, entries []string, trail *audit.Report, w *sqlwitness.Witness) {
	table := func(title string, columns string, rows func(add func(...any))) {
		fmt.Fprintf(out, "\n%s\n", title)
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "  "+strings.ReplaceAll(columns, " | ", "\t"))
		rows(func(cells ...any) {
			for i, c := range cells {
				if i > 0 {
					fmt.Fprint(tw, "\t")
				} else {
					fmt.Fprint(tw, "  ")
				}
				fmt.Fprint(tw, c)
			}
			fmt.Fprintln(tw)
		})
		_ = tw.Flush()
	}
	table("Runs", "TOOL | OUTCOME | APPLIED | ROLLED BACK | FAILED | STATEMENTS | TOOK | WAITED FOR LOCKS", func(add func(...any)) {
		for _, r := range a.runs {
			add(r.Tool, r.Outcome, r.Applied, r.RolledBack, r.Failures, r.Statements, short(r.Duration), short(r.LockWait))
		}
	})
	table("Migrations", "TOOL | VERSION | DIRECTION | OUTCOME | STATEMENTS | TOOK | AUDITED", func(add func(...any)) {
		for i := range a.migrations {
			m := &a.migrations[i]
			add(m.Tool, version(m), m.Direction, m.Outcome, m.Statements, short(m.Duration), m.Guarantee)
		}
	})
	table("Failures", "TOOL | VERSION | CLASS | CODE | STATEMENT", func(add func(...any)) {
		for i := range a.migrations {
			if m := &a.migrations[i]; m.Outcome == event.Failed && m.Failing != nil {
				add(m.Tool, version(m), m.ErrorClass, m.SQLState, fmt.Sprintf("%d: %s", m.Failing.Index, cmp.Or(m.Failing.Text, m.Failing.Fingerprint)))
			}
		}
	})
	for i := range a.migrations {
		if m := &a.migrations[i]; m.Verdict != "" {
			fmt.Fprintf(out, "  %s %s: %s\n", m.Tool, version(m), m.Verdict)
		}
	}
	table("Slow statements (over 100 ms)", "TOOK | CLASS | STATEMENT", func(add func(...any)) {
		for _, s := range a.slow {
			add(short(max(s.Duration, s.Open)), s.Class, clip(s.Text, 90))
		}
	})
	table("Locks", "KIND | KEY | STAGE | OUTCOME | WAITED | ATTEMPTS | HELD", func(add func(...any)) {
		for _, l := range a.locks {
			if l.Stage == event.LockAnomaly {
				continue
			}
			add(l.Kind, l.Key, l.Stage, l.Outcome, short(l.Wait), l.Attempts, short(l.Hold))
		}
	})
	if len(a.locks) == 0 {
		fmt.Fprintln(out, "  none: these tools take no lock in this database")
	}
	table("Alerts", "SEVERITY | RULE | TITLE", func(add func(...any)) {
		for _, e := range a.alerts {
			add(e.Severity, e.Rule, e.Title)
		}
	})
	kinds := map[string]int{}
	for _, k := range entries {
		kinds[k]++
	}
	if trail == nil {
		fmt.Fprintf(out, "\nAudit      off: this server has a trail of its own, and what the demo wrote could never be taken out of it\n")
	} else {
		fmt.Fprintf(out, "\nAudit      %d entries in table %s: %d intents, %d outcomes\n", len(entries), t.audit, kinds["intent"], kinds["outcome"])
		fmt.Fprintf(out, "           %d of them sealed into a tree and verified, %s: sqlwitness audit verify -dsn …\n", trail.Checked, counted(len(trail.Findings), "finding"))
		for _, f := range trail.Findings {
			fmt.Fprintf(out, "           %s: %s\n", f.Code, f.Sentence)
		}
	}
	fmt.Fprintf(out, "Metrics    (*Witness).Handler() serves them at /metrics, or set SQLWITNESS_LISTEN=127.0.0.1:9464; for example\n")
	var metrics bytes.Buffer
	w.WritePrometheus(&metrics)
	for line := range strings.Lines(metrics.String()) {
		if strings.HasPrefix(line, "sqlwitness_migrations_total") {
			fmt.Fprintf(out, "             %s", line)
		}
	}
	lines := a.log.lines()
	fmt.Fprintf(out, "Log        %d JSON lines, on stderr unless configured otherwise; for example\n", len(lines))
	for _, line := range lines {
		if strings.Contains(line, `"migration.finished"`) && strings.Contains(line, `"failed"`) {
			fmt.Fprintf(out, "             %s\n", line)
			break
		}
	}
}

func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// safeBuffer is a buffer that one goroutine writes and another reads.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Split(strings.TrimSpace(s.b.String()), "\n")
}

// progress writes plain lines to a pipe, and to a terminal a line that moves
// while something runs.
type progress struct {
	mu      sync.Mutex
	out     io.Writer
	live    bool
	current string
	since   time.Time
	quit    chan struct{}
	ended   sync.WaitGroup
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, quit: make(chan struct{})}
	if f, ok := out.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		p.live = true
		p.ended.Go(p.tick)
	}
	return p
}

const clearLine = "\r\x1b[K"

func (p *progress) tick() {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-ticker.C:
			p.mu.Lock()
			if p.current != "" {
				fmt.Fprintf(p.out, "%s  running  %s %s", clearLine, p.current, time.Since(p.since).Round(100*time.Millisecond))
			}
			p.mu.Unlock()
		}
	}
}

func (p *progress) running(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current, p.since = what, time.Now()
}

func (p *progress) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = ""
	if p.live {
		fmt.Fprint(p.out, clearLine)
	}
	fmt.Fprintln(p.out, text)
}

func (p *progress) stop() {
	if p.live {
		close(p.quit)
		p.ended.Wait()
		p.live = false
	}
}
