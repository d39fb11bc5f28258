package alert

import (
	"context"
	"fmt"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
)

// slack posts to an incoming webhook. A message has a few short sections:
// Slack refuses one of more than 50 blocks or 3000 characters in a section.
// Alerts that come while it is left alone are one message.
type slack struct{ to *poster }

type slackMessage struct {
	Text   string       `json:"text"` // for notifications
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type string    `json:"type"`
	Text slackText `json:"text"`
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

const (
	maxSection = 2900   // characters
	maxMessage = 12_000 // characters of all sections: Slack refuses more than about 13,000
)

func (s slack) send(ctx context.Context, batch []event.Alert) error {
	if len(batch) > 1 {
		return s.to.post(ctx, digest(batch))
	}
	a := &batch[0]
	m := slackMessage{Text: slackEscape(a.Title)}
	m.section("*"+slackEscape(a.Title)+"*", maxSection)
	m.section(slackEscape(strings.Join(a.Details, "\n")), maxSection)
	if a.State != event.Resolved {
		var b strings.Builder
		for _, step := range a.Steps {
			b.WriteString(slackStep(step))
		}
		m.section(b.String(), maxSection)
		m.section(slackRunbook(a)+" · known issue? `"+slackEscape(a.SuppressWith)+"`", maxSection)
	}
	return s.to.post(ctx, m)
}

// digest is one message of several alerts that came at once: of each its title
// and what to do first.
func digest(batch []event.Alert) slackMessage {
	m := slackMessage{Text: fmt.Sprintf("%d alerts: %s and others", len(batch), slackEscape(batch[0].Title))}
	for i := range batch {
		a := &batch[i]
		text := "*" + slackEscape(a.Title) + "*\n"
		if a.State != event.Resolved {
			if len(a.Steps) > 0 {
				text += slackStep(a.Steps[0])
			}
			text += slackRunbook(a)
		}
		m.section(text, maxMessage/len(batch))
	}
	return m
}

func (m *slackMessage) section(text string, most int) {
	if text != "" {
		m.Blocks = append(m.Blocks, slackBlock{"section", slackText{"mrkdwn", cut(text, most)}})
	}
}

func slackStep(s event.Step) string {
	text := "• " + slackEscape(s.Text) + "\n"
	if s.SQL != "" {
		text += "`" + slackEscape(strings.ReplaceAll(s.SQL, "`", "'")) + "`\n"
	}
	return text
}

func slackRunbook(a *event.Alert) string { return "<" + a.Runbook + "|Runbook>" }

// slackEscape keeps a text from being read as a link or a mention.
func slackEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
