package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
)

// markdownReport writes a run for a pull request: what everybody wants to know,
// and the rest folded. Nothing that comes from the database or the migrations can
// leave its cell or be read as markup.
func markdownReport(out io.Writer, r *runReport) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s: %s\n", mdText(r.headline()), mdText(r.System+" "+r.Database))
	for _, m := range r.Migrations {
		mdFailure(&b, m)
	}
	for _, said := range []string{r.cause(), r.Impact, r.compared(), r.used()} {
		if said != "" {
			fmt.Fprintf(&b, "\n%s\n", mdText(said))
		}
	}
	if len(r.Migrations) > 0 {
		mdTable(&b, "", "Migration | Direction | Outcome | Took | Waited for locks | Statements | Audited", func(row func(...string)) {
			for _, m := range r.Migrations {
				took := short(m.Took())
				if slower := r.slower(m); slower != "" {
					took += " (**" + slower + "**)"
				}
				row(mdCode(m.Name()), mdText(m.Direction), mdText(m.Said()), took, short(m.LockWait), fmt.Sprint(m.Statements), mdText(cmp.Or(m.Guarantee, "-")))
			}
		})
	}
	mdFindings(&b, r)
	mdDetails(&b, r)
	_, err := io.WriteString(out, b.String())
	return err
}

// mdDetails are folded: a pull request has other things to show.
func mdDetails(b *strings.Builder, r *runReport) {
	b.WriteString("\n<details><summary>Details</summary>\n")
	fmt.Fprintf(b, "\n%s\n", mdText(r.facts()))
	if len(r.Slow) > 0 {
		mdTable(b, r.statementsTitle(), "Statement | Took | Waited for | Queue behind it |  ", func(row func(...string)) {
			for _, s := range r.Slow {
				row(mdCode(fit(oneLine(cmp.Or(s.Text, s.Summary)), 120)), short(s.Took()), s.waited(), count(s.Queue), s.Remark())
			}
		})
	}
	if locks := r.notableLocks(); len(locks) > 0 {
		mdTable(b, "Locks", "Lock | Outcome | Waited | Attempts | Held |  ", func(row func(...string)) {
			for _, l := range locks {
				row(mdCode(l.Kind+" "+l.Key), mdText(l.Outcome), short(l.Waited()), count(l.Attempts), short(l.Held()), mdText(l.Anomaly))
			}
		})
	}
	if len(r.Blockers) > 0 {
		mdTable(b, "Who was in the way", "Session | State | Transaction open for | Of | Last statement", func(row func(...string)) {
			for _, s := range r.Blockers {
				row(mdText(fmt.Sprintf("pid %d %s", s.PID, s.Who())), mdText(s.State), short(s.Transaction), mdCode(s.On), mdCode(fit(oneLine(s.Query), 100)))
			}
		})
	}
	mdAlerts(b, r)
	if len(r.Notes)+len(r.Who) > 0 {
		b.WriteString("\n#### Notes\n\n")
	}
	for _, n := range append(r.Who, r.Notes...) {
		fmt.Fprintf(b, "- %s\n", mdText(n))
	}
	b.WriteString("\n</details>\n")
}

func mdFailure(b *strings.Builder, m *reportMigration) {
	if m.Error == "" && m.Verdict == "" && m.FailingText == "" {
		return
	}
	fmt.Fprintf(b, "\n**%s %s %s.** %s\n", mdCode(m.Name()), mdText(m.Direction), mdText(m.Said()), mdText(sentence(m.Error)))
	if m.FailingText != "" {
		at := ""
		if m.FailingPosition > 0 {
			at = fmt.Sprintf(", at position %d", m.FailingPosition)
		}
		fmt.Fprintf(b, "Statement %d%s:\n\n%s\n", m.FailingIndex, at, mdBlock(m.FailingText))
	}
	if m.Verdict != "" {
		fmt.Fprintf(b, "\n%s\n", mdText(sentence(upper(m.Verdict))))
	}
}

func mdAlerts(b *strings.Builder, r *runReport) {
	if len(r.Alerts) == 0 {
		return
	}
	b.WriteString("\n#### Alerts\n\n")
	for _, a := range r.Alerts {
		fmt.Fprintf(b, "- **%s**, %s (%s): %s\n", mdText(a.Rule), mdText(a.State), mdText(a.Severity), mdText(a.Title))
		for _, d := range a.Details {
			fmt.Fprintf(b, "  - %s\n", mdText(d))
		}
		for _, s := range a.Steps {
			fmt.Fprintf(b, "  - %s %s\n", mdText(s.Text), mdCode(s.SQL))
		}
	}
}

func mdFindings(b *strings.Builder, r *runReport) {
	if len(r.Findings) == 0 {
		return
	}
	b.WriteString("\n#### Left behind\n\n")
	for _, f := range r.Findings {
		fmt.Fprintf(b, "- %s %s\n", mdText(sentence(f.Message)), mdCode(f.SQL))
	}
}

func mdTable(b *strings.Builder, title, columns string, rows func(row func(...string))) {
	if title != "" {
		fmt.Fprintf(b, "\n#### %s\n", title)
	}
	fmt.Fprintf(b, "\n| %s |\n|%s\n", columns, strings.Repeat(" --- |", strings.Count(columns, "|")+1))
	rows(func(cells ...string) {
		b.WriteString("|")
		for _, cell := range cells {
			fmt.Fprintf(b, " %s |", strings.ReplaceAll(cell, "|", `\|`)) // also in code
		}
		b.WriteString("\n")
	})
}

// mdText makes a text that is nothing but text.
func mdText(s string) string {
	return mdEscaper.Replace(oneLine(s))
}

var mdEscaper = strings.NewReplacer(`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `<`, `&lt;`, `>`, `&gt;`, `&`, `&amp;`, `@`, `&#64;`, `#`, `\#`, `~`, `\~`)

// mdCode puts a text between more backticks than it has in a row.
func mdCode(s string) string {
	if s = oneLine(s); s == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	space := ""
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		space = " "
	}
	return fence + space + s + space + fence
}

func mdBlock(s string) string {
	fence := strings.Repeat("`", max(3, longestRun(s, '`')+1))
	return fence + "sql\n" + strings.TrimSpace(s) + "\n" + fence
}

func longestRun(s string, of rune) (longest int) {
	n := 0
	for _, r := range s {
		if r == of {
			n++
			longest = max(longest, n)
		} else {
			n = 0
		}
	}
	return longest
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func count(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// plural counts things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// headline is the run in a few words.
func (r *runReport) headline() string {
	if r.Outcome == outcomeElsewhere {
		return cmp.Or(r.Tool, "migration") + " in another process, in " + short(r.Took())
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{r.Applied, "applied"}, {r.RolledBack, "rolled back"}, {r.Failures, "failed"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if r.Outcome == "noop" {
		parts = append(parts, "nothing to do")
	}
	return strings.Join(append([]string{cmp.Or(r.Tool, "migration") + " " + r.Outcome}, parts...), ", ") + " in " + short(r.Took())
}

// facts is the rest of what the run's own line says.
func (r *runReport) facts() string {
	parts := []string{"Started " + r.Start.UTC().Format(time.RFC3339), plural(r.Statements, "statement")}
	if r.LockWait > 0 {
		parts = append(parts, "waited "+short(r.LockWait)+" for locks")
	}
	if r.Retries > 0 {
		parts = append(parts, fmt.Sprintf("lost %s by retrying %s", short(r.RetryLost), plural(r.Retries, "time")))
	}
	if r.Role != "" {
		parts = append(parts, "role "+r.Role)
	}
	for _, t := range r.Timeouts {
		value := "none"
		if t.Value > 0 {
			value = t.Value.String()
		}
		parts = append(parts, t.Name+" "+value)
	}
	parts = append(parts, "run "+r.ID)
	if r.Correlation != "" && r.Correlation != r.ID {
		parts = append(parts, "correlation id "+r.Correlation)
	}
	return strings.Join(parts, ", ") + "."
}

func (r *runReport) statementsTitle() string {
	for _, s := range r.Slow {
		if s.Approximate {
			return "Statements"
		}
	}
	return "Slow, failed and waiting statements"
}

// notableLocks are all that waited, failed or misbehaved, and those held.
func (r *runReport) notableLocks() (list []*reportLock) {
	for _, l := range r.Locks {
		if l.Waited() > 0 || l.Held() > 0 || l.Anomaly != "" {
			list = append(list, l)
		}
	}
	return list
}

func (s *reportStatement) waited() string {
	if s.WaitsFor == "" {
		return "-"
	}
	return mdCode(s.WaitsFor) + " " + mdText(s.WaitMode)
}

// Remark is what else is to be said of a statement.
func (s *reportStatement) Remark() string {
	var parts []string
	if s.Failed {
		parts = append(parts, "failed")
	}
	if s.Running {
		parts = append(parts, "its end was not seen")
	}
	if s.Rewrite {
		parts = append(parts, "rewrites the table, it seems")
	}
	return strings.Join(parts, ", ")
}
