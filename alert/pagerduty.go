package alert

import (
	"context"
	"fmt"

	"github.com/sqlwitness/sqlwitness/event"
)

const pagerDutyEvents = "https://events.pagerduty.com/v2/enqueue"

// pagerDuty sends to the Events API v2. The same episode has the same
// dedup_key from every replica: it is one incident.
type pagerDuty struct{ to *poster }

type pagerDutyEvent struct {
	RoutingKey  string            `json:"routing_key"`
	EventAction string            `json:"event_action"`
	DedupKey    string            `json:"dedup_key"`
	Client      string            `json:"client,omitempty"`
	Payload     *pagerDutyPayload `json:"payload,omitempty"`
	Links       []pagerDutyLink   `json:"links,omitempty"`
}

type pagerDutyPayload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity"`
	Timestamp string         `json:"timestamp"`
	Component string         `json:"component,omitempty"`
	Group     string         `json:"group,omitempty"`
	Class     string         `json:"class"`
	Details   map[string]any `json:"custom_details"`
}

type pagerDutyLink struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

func (p pagerDuty) send(ctx context.Context, batch []event.Alert) error {
	a := &batch[0]
	e := pagerDutyEvent{RoutingKey: p.to.secret, EventAction: "trigger", DedupKey: fmt.Sprintf("sqlwitness:%s:%d", a.Fingerprint, a.Episode)}
	if a.State == event.Resolved {
		e.EventAction = "resolve"
	} else {
		source := a.Database.Name
		if source == "" {
			source = "sqlwitness"
		}
		e.Client = "sqlwitness"
		e.Payload = &pagerDutyPayload{
			Summary: a.Title, Source: source, Severity: string(a.Severity), Timestamp: a.Since.Format("2006-01-02T15:04:05.000Z07:00"),
			Component: a.Object, Group: a.Service, Class: a.Rule,
			Details: map[string]any{"details": a.Details, "steps": steps(a), "migration": version(a), "tool": a.Tool, "env": a.Env,
				"run_id": a.RunID, "correlation_id": a.CorrelationID, "audit_entry": a.AuditEntry, "suppress": a.SuppressWith},
		}
		e.Links = []pagerDutyLink{{a.Runbook, "Runbook"}}
	}
	return p.to.post(ctx, e)
}

func steps(a *event.Alert) []string {
	list := []string{}
	for _, s := range a.Steps {
		text := s.Text
		if s.SQL != "" {
			text += " " + s.SQL
		}
		list = append(list, text)
	}
	return list
}
