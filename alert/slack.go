package alert

import (
	"context"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
)

// slack posts to an incoming webhook. A message has a few short sections:
// Slack refuses one of more than 50 blocks or 3000 characters in a section.
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

const maxSection = 2900 // characters

func (s slack) send(ctx context.Context, a *event.Alert) error {
	m := slackMessage{Text: slackEscape(a.Title)}
	section := func(text string) {
		if text != "" {
			m.Blocks = append(m.Blocks, slackBlock{"section", slackText{"mrkdwn", cut(text, maxSection)}})
		}
	}
	section("*" + slackEscape(a.Title) + "*")
	section(slackEscape(strings.Join(a.Details, "\n")))
	if a.State != event.Resolved {
		var b strings.Builder
		for _, step := range a.Steps {
			b.WriteString("• " + slackEscape(step.Text) + "\n")
			if step.SQL != "" {
				b.WriteString("`" + slackEscape(strings.ReplaceAll(step.SQL, "`", "'")) + "`\n")
			}
		}
		section(b.String())
		section("<" + a.Runbook + "|Runbook> · known issue? `" + slackEscape(a.SuppressWith) + "`")
	}
	return s.to.post(ctx, m)
}

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
