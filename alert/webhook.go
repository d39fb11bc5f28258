package alert

import (
	"context"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// webhook posts an alert as it is.
type webhook struct{ to *poster }

// Message is the body of a webhook, and the standard input of a command.
type Message struct {
	Fingerprint   string         `json:"fingerprint"`
	Episode       int            `json:"episode"`
	Rule          string         `json:"rule"`
	Severity      event.Severity `json:"severity"`
	State         string         `json:"state"`
	Title         string         `json:"title"`
	Details       []string       `json:"details"`
	Steps         []MessageStep  `json:"steps"`
	Runbook       string         `json:"runbook"`
	Service       string         `json:"service"`
	Env           string         `json:"env"`
	DBSystem      string         `json:"db_system"`
	DBName        string         `json:"db_name"`
	Tool          string         `json:"tool"`
	Version       *string        `json:"version"`
	Object        string         `json:"object"`
	RunID         string         `json:"run_id"`
	CorrelationID string         `json:"correlation_id"`
	AuditEntry    string         `json:"audit_entry"`
	SuppressWith  string         `json:"suppress_with"`
	Since         time.Time      `json:"since"`
	At            time.Time      `json:"at"`
}

// MessageStep is one thing to do.
type MessageStep struct {
	Text string `json:"text"`
	SQL  string `json:"sql,omitempty"`
}

func message(a *event.Alert) Message {
	m := Message{
		Fingerprint: a.Fingerprint, Episode: a.Episode, Rule: a.Rule, Severity: a.Severity, State: string(a.State),
		Title: a.Title, Details: append([]string{}, a.Details...), Steps: []MessageStep{}, Runbook: a.Runbook,
		Service: a.Service, Env: a.Env, DBSystem: a.Database.System, DBName: a.Database.Name, Tool: a.Tool, Version: a.Version, Object: a.Object,
		RunID: a.RunID, CorrelationID: a.CorrelationID, AuditEntry: a.AuditEntry, SuppressWith: a.SuppressWith, Since: a.Since, At: a.At,
	}
	for _, s := range a.Steps {
		m.Steps = append(m.Steps, MessageStep(s))
	}
	return m
}

func (w webhook) send(ctx context.Context, batch []event.Alert) error {
	return w.to.post(ctx, message(&batch[0]))
}
