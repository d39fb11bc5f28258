package alert

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/sqlwitness/sqlwitness/event"
)

const (
	maxTitle = 150 // characters
	maxQuery = 300 // characters of a SQL text
	maxName  = 60  // characters of a name in a title
)

// labels are what matchers see, and what an alert's receiver may group by.
func (in *instance) labels(p plan) map[string]string {
	return map[string]string{
		"rule": in.rule, "severity": string(in.severity), "db": in.db.Name, "system": in.db.System, "migration": in.migration(),
		"tool": in.tool, "service": p.Service, "env": p.Env, "object": in.object, "class": in.class,
	}
}

// alert is what is told of an instance.
func (e *Engine) alert(now time.Time, in *instance, s event.AlertState) *event.Alert {
	a := &event.Alert{
		Trace: in.Trace, Database: in.db,
		Fingerprint: in.fingerprint, Episode: in.episode, Rule: in.rule, Severity: in.severity, State: s,
		Tool: in.tool, Version: in.version, Object: in.object, Service: e.plan.Service, Env: e.plan.Env,
		Details: in.details, Steps: in.steps, Runbook: e.plan.RunbookBase + in.rule + ".md",
		AuditEntry: in.MigrationID, SuppressWith: suppressCommand(in), Since: in.since, At: now,
	}
	word := strings.ToUpper(string(in.severity))
	switch s {
	case event.Firing:
		a.Before = in.before
	case event.Suppressed:
		a.SuppressedBy = in.suppressedBy
	case event.Resolved:
		word, a.Before = strings.ToUpper(string(s)), in.before
	case event.Flapping:
		word = strings.ToUpper(string(s))
	}
	tail := in.title // "[WARNING] app: 0042 waits …" of another process
	if _, after, ok := strings.Cut(tail, "] "); ok {
		tail = after
	} else {
		tail = in.subject() + in.says
	}
	a.Title = clip("["+word+"] "+tail, maxTitle)
	if s == event.Flapping {
		a.Details = append([]string{"It comes and goes: nothing more is told until it has settled."}, a.Details...)
	}
	return a
}

// subject is "orders-prod: 0042_add_idx ", as far as it is known.
func (in *instance) subject() string {
	var b strings.Builder
	switch {
	case in.db.Name != "":
		b.WriteString(clip(in.db.Name, maxName) + ": ")
	case in.db.System != "":
		b.WriteString(in.db.System + ": ")
	}
	_, ofMigration := ofMigration[in.rule]
	switch {
	case in.version != nil:
		b.WriteString(clip(*in.version, maxName) + " ")
	case in.after != "":
		b.WriteString("the migration after " + clip(in.after, maxName) + " ")
	case ofMigration && in.rule != DirtyState || inFlight(in.rule):
		b.WriteString("a migration ")
	}
	return b.String()
}

// suppressCommand makes an alert a known issue.
func suppressCommand(in *instance) string {
	match := fmt.Sprintf("rule=%q", in.rule)
	if in.version != nil {
		match += fmt.Sprintf(",migration=%q", *in.version)
	}
	if in.db.Name != "" {
		match += fmt.Sprintf(",db=%q", in.db.Name)
	}
	return "sqlwitness alerts suppress -match " + shellQuote(match) + " -reason 'why nobody has to act' -for 24h"
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// clip cuts a text to a number of characters and takes its control characters.
func clip(s string, n int) string {
	s = clean(s, 4*n)
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// clean makes one line of a text and cuts it to about n bytes.
func clean(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s))
}

// brief is a duration for people: 300µs, 45s, 1m30s, 2h15m.
func brief(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func orStatement(s string) string {
	if s == "" {
		return "a statement"
	}
	return clip(s, maxName)
}

func orLock(mode string) string {
	if mode == "" {
		return "a lock"
	}
	return strings.TrimSuffix(mode, "Lock")
}

func on(object string) string {
	if object == "" {
		return ""
	}
	return " on " + clip(object, maxName)
}

func queueWords(n int) string {
	if n == 0 {
		return ""
	}
	return "; " + plural(n, "session") + " queued"
}

// plural counts things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// failureWords say what is known of a migration that did not succeed.
func failureWords(m event.Migration) (says string, details []string, steps []event.Step) {
	direction := ""
	if m.Direction == event.Down {
		direction = " (down)"
	}
	class := words(m.ErrorClass)
	switch {
	case m.Outcome == event.Interrupted:
		says = "was interrupted" + direction + ": the connection or the process went away"
	case m.ErrorClass == event.ClassCancelled:
		says = "was cancelled" + direction
	case class == "":
		says = "failed" + direction
	default:
		says = "failed" + direction + ": " + class + code(m.SQLState)
	}
	details = append(details, fmt.Sprintf("%s ran it for %s, %s.", orTool(m.Tool), brief(m.Duration), plural(m.Statements, "statement")))
	if f := m.Failing; f != nil {
		at := ""
		if f.Position > 0 {
			at = fmt.Sprintf(", at position %d", f.Position)
		}
		says += " in statement " + fmt.Sprint(f.Index)
		details = append(details, fmt.Sprintf("Statement %d, %s, failed%s%s", f.Index, f.Operation, at, colon(f.Text)))
	}
	if m.LockWait > 0 {
		details = append(details, "It had waited "+brief(m.LockWait)+" for locks.")
	}
	details = append(details, verdict(m)...)
	return says, details, failureSteps(m)
}

func orTool(tool string) string {
	if tool == "" || tool == "unknown" {
		return "A program"
	}
	return tool
}

func colon(text string) string {
	if text == "" {
		return "."
	}
	return ": " + clip(text, maxQuery)
}

func verdict(m event.Migration) []string {
	if m.Verdict == "" {
		return nil
	}
	return []string{"What is left: " + m.Verdict + "."}
}

func remains(m event.Migration) []string {
	if m.Verdict == "" {
		return []string{"What it did before it ended remains in the database."}
	}
	return verdict(m)
}

// pictureDetails describe what the server showed, in sentences.
func pictureDetails(l event.Look) []string {
	list := []string{fmt.Sprintf("%s has been running for %s%s", orStatement(l.Summary), brief(l.Age), colon(l.Text))}
	p := l.Picture
	if p == nil {
		return list
	}
	if w := p.Session.Wait; w != nil {
		list = append(list, fmt.Sprintf("It waits for %s%s, kind %s.", orLock(w.Mode), on(w.Object), w.Kind))
	}
	if p.Queue > 0 {
		text := fmt.Sprintf("Behind it: %s, %d directly", plural(victims(p), "session"), p.QueueDirect)
		if p.QueueTime > 0 {
			text += "; together they have waited " + brief(p.QueueTime)
		}
		list = append(list, text+".")
	}
	if p.QueueMigrator > 0 {
		list = append(list, "Waiting for the migration lock: "+plural(p.QueueMigrator, "replica")+".")
	}
	for i, s := range roots(p.Blockers) {
		if i == maxBlockers {
			list = append(list, "There are more blockers.")
			break
		}
		list = append(list, "Blocked by "+who(s)+".")
	}
	for _, h := range p.Held {
		if h.Granted && h.Stops != "" && len(list) < 12 {
			list = append(list, fmt.Sprintf("It holds %s on %s, which stops %s.", h.Mode, clip(h.Object, maxName), h.Stops))
		}
	}
	if p.Rewrite {
		list = append(list, "It seems to rewrite a table.")
	}
	if g := p.Progress; g != nil {
		text := fmt.Sprintf("Progress of %s: %s", g.Command, g.Phase)
		if g.Total > 0 {
			text += fmt.Sprintf(", %d of %d %s", g.Done, g.Total, g.Unit)
		}
		list = append(list, text+".")
	}
	if p.Cycle {
		list = append(list, "An index that is built concurrently waits for a replica that waits for the migration lock it is built under: neither ends by itself, unless the server sees the deadlock and ends one. Let the replica poll for the lock, or cancel it.")
	}
	return list
}

// who describes a session.
func who(s event.Session) string {
	if s.Prepared != "" {
		return fmt.Sprintf("the prepared transaction %s, %s old", clip(s.Prepared, maxName), brief(s.TxAge))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "pid %d", s.PID)
	var of []string
	for _, f := range []struct{ name, value string }{{"user", s.User}, {"application", s.App}, {"client", s.Client}} {
		if f.value != "" {
			of = append(of, f.name+" "+clip(f.value, maxName))
		}
	}
	if len(of) > 0 {
		b.WriteString(" (" + strings.Join(of, ", ") + ")")
	}
	if s.State != "" {
		b.WriteString(", " + s.State)
		if s.StateAge > 0 {
			b.WriteString(" for " + brief(s.StateAge))
		}
	}
	if s.TxAge > 0 {
		b.WriteString(", transaction open for " + brief(s.TxAge))
	}
	if s.Query != "" {
		b.WriteString(": " + clip(s.Query, maxQuery))
	}
	return b.String()
}
