package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// lookPhrase says what a look at a statement in flight has shown: what runs, for
// how long, what it waits for, who is in its way and who waits behind it.
func lookPhrase(l *event.Look, age time.Duration) string {
	var parts []string
	p := l.Picture
	switch {
	case l.Lock != nil:
		parts = append(parts, fmt.Sprintf("waits for %s lock %s", l.Lock.Kind, l.Lock.Key))
		if l.Lock.Attempts > 1 {
			parts = append(parts, fmt.Sprintf("%d attempts", l.Lock.Attempts))
		}
	case p != nil && p.Session.Wait != nil:
		parts = append(parts, cmp.Or(l.Summary, l.Operation)+" waits for "+waitPhrase(p.Session.Wait))
	default:
		parts = append(parts, cmp.Or(l.Summary, l.Operation))
	}
	if p != nil {
		for i := range p.Blockers {
			if b := &p.Blockers[i]; b.Wait == nil { // a root: the others wait themselves
				parts = append(parts, "held by "+sessionPhrase(b))
			}
		}
		if p.Queue > 0 {
			parts = append(parts, fmt.Sprintf("%d waiting behind it", p.Queue))
		}
		if progress := progressPhrase(p.Progress); progress != "" {
			parts = append(parts, progress)
		}
	}
	return whose(l.Tool, l.Version, "") + strings.Join(parts, ", ") + ", " + short(age)
}

func waitPhrase(w *event.Wait) string {
	what := strings.TrimSpace(w.Mode)
	if what == "" {
		what = w.Kind + " lock"
	}
	if w.Object != "" {
		what += " on " + w.Object
	}
	return what
}

func sessionPhrase(s *event.Session) string {
	if s.Prepared != "" {
		return "prepared transaction " + s.Prepared
	}
	var about []string
	for _, word := range []string{s.User, s.App, s.State} {
		if word != "" {
			about = append(about, word)
		}
	}
	text := fmt.Sprintf("pid %d", s.PID)
	if len(about) > 0 {
		text += " (" + strings.Join(about, ", ") + ")"
	}
	return text
}

func progressPhrase(p *event.Progress) string {
	switch {
	case p == nil || p.Phase == "":
		return ""
	case p.Total > 0:
		return fmt.Sprintf("%s %d %%", p.Phase, 100*p.Done/p.Total)
	}
	return p.Phase
}

// whose begins a line about a migration.
func whose(tool string, version *string, after string) string {
	switch {
	case tool == "":
		return ""
	case version != nil:
		return tool + " " + *version + ": "
	case after != "":
		return tool + ", after " + after + ": "
	}
	return tool + ": "
}

// runPhrase is the summary of a run in one line.
func runPhrase(r *event.Run) string {
	parts := []string{fmt.Sprintf("%s %s", r.Tool, r.Outcome)}
	count := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	count(r.Applied, "applied")
	count(r.RolledBack, "rolled back")
	count(r.Failures, "failed")
	parts[0] += " after " + short(r.Duration)
	if r.LockWait >= time.Millisecond {
		parts = append(parts, "waited "+short(r.LockWait)+" for locks")
	}
	count(r.Retries, "retries")
	if s := r.Slowest; s != nil {
		parts = append(parts, "slowest "+s.Operation+" "+short(s.Duration))
	}
	return strings.Join(parts, ", ")
}

// failurePhrases tell of a migration that did not end well.
func failurePhrases(m *event.Migration) []string {
	head := fmt.Sprintf("%s%s %s", whose(m.Tool, m.Version, m.After), m.Direction, m.Outcome)
	if m.ErrorClass != "" {
		head += ", " + strings.TrimSpace(m.ErrorClass+" "+m.SQLState)
	}
	lines := []string{head}
	if f := m.Failing; f != nil {
		lines = append(lines, fmt.Sprintf("  statement %d: %s", f.Index, fit(strings.Join(strings.Fields(cmp.Or(f.Text, f.Operation)), " "), 200)))
	}
	if m.Verdict != "" {
		lines = append(lines, "  "+m.Verdict)
	}
	return lines
}
