package alert

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// openFor is how long Alertmanager keeps an alert that nobody resolves. A
// migration job is gone long before a human has looked: without an end in the
// future its alerts would be resolved by silence within minutes.
const openFor = 24 * time.Hour

// alertmanager posts to Alertmanager's API v2. The severity is a label and so
// part of the alert's identity: the old one is resolved when it rises.
type alertmanager struct{ to *poster }

type postableAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

func newAlertmanager(to *poster) alertmanager {
	to.url = to.url.JoinPath("api/v2/alerts")
	return alertmanager{to}
}

func (m alertmanager) send(ctx context.Context, batch []event.Alert) error {
	var list []postableAlert
	for i := range batch {
		a := &batch[i]
		list = append(list, m.postable(a, a.Severity))
		if a.Before != "" && a.Before != a.Severity {
			old := m.postable(a, a.Before)
			old.EndsAt = a.At
			list = append(list, old)
		}
	}
	return m.to.post(ctx, list)
}

// postable keeps what differs between replicas out of the labels.
func (alertmanager) postable(a *event.Alert, s event.Severity) postableAlert {
	labels := map[string]string{"alertname": a.Rule, "severity": string(s), "fingerprint": a.Fingerprint}
	for name, v := range map[string]string{"service": a.Service, "env": a.Env, "db": a.Database.Name, "db_system": a.Database.System, "migration": version(a), "tool": a.Tool} {
		if v != "" {
			labels[name] = v
		}
	}
	ends := a.At.Add(openFor)
	if a.State == event.Resolved {
		ends = a.At
	}
	return postableAlert{
		Labels: labels, StartsAt: begin(a), EndsAt: ends,
		Annotations: map[string]string{
			"summary": a.Title, "description": prose(a), "runbook_url": a.Runbook, "episode": strconv.Itoa(a.Episode),
			"object": a.Object, "run_id": a.RunID, "correlation_id": a.CorrelationID, "audit_entry": a.AuditEntry, "suppress": a.SuppressWith,
		},
	}
}

// begin is since when an alert holds. Alertmanager refuses one that ends before it
// has begun, which it does by the clock of another machine.
func begin(a *event.Alert) time.Time {
	if a.At.Before(a.Since) {
		return a.At
	}
	return a.Since
}

func version(a *event.Alert) string {
	if a.Version == nil {
		return ""
	}
	return *a.Version
}

// prose is an alert's body as plain text.
func prose(a *event.Alert) string {
	var b strings.Builder
	for _, d := range a.Details {
		b.WriteString(d + "\n")
	}
	if a.State == event.Resolved {
		return strings.TrimSpace(b.String())
	}
	for i, s := range a.Steps {
		b.WriteString(strconv.Itoa(i+1) + ". " + s.Text + "\n")
		if s.SQL != "" {
			b.WriteString("   " + s.SQL + "\n")
		}
	}
	return strings.TrimSpace(b.String())
}
