package sqlwitness

import (
	"context"
	"time"

	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/eventlog"
)

// newAlerts starts the engine that makes alerts of what is seen. What it has to
// say goes to every sink, the engine itself excepted by the kind of event.
func (w *Witness) newAlerts() (*alert.Engine, error) {
	e, err := alert.New(w.cfg.Alert, alert.Deps{
		Notify:      func(a *event.Alert) { w.each(func(s event.Sink) { s.Alert(a) }) },
		Trouble:     func(t *event.Trouble) { w.trouble(*t) },
		Suppression: w.suppression,
	})
	if err != nil {
		return nil, &Error{Op: "configuration: Alert", Err: err}
	}
	return e, nil
}

// suppression logs the life of a known issue.
func (w *Witness) suppression(s alert.SuppressionEvent) {
	var tr event.Trace
	var db event.Database
	if s.Alert != nil {
		tr, db = s.Alert.Trace, s.Alert.Database
	}
	w.log.Suppression(tr, db, eventlog.Suppression{Kind: s.Kind, ID: s.Suppression.ID, Reason: s.Suppression.Reason, Creator: s.Suppression.Creator,
		Until: s.Suppression.Expires, UntilVersion: s.Suppression.UntilVersion, Hits: s.Hits})
	w.auditSuppression(s, db)
}

// auditSuppression records what was made of known issues: in the trail of the
// alert's database, or of each. It takes its time on a goroutine, for which
// Close waits.
func (w *Witness) auditSuppression(s alert.SuppressionEvent, db event.Database) {
	facts := map[string]any{"suppression": s.Suppression.ID, "match": s.Suppression.Match, "until": s.Suppression.Expires.UTC().Format(time.RFC3339),
		"until_version": s.Suppression.UntilVersion, "reason": s.Suppression.Reason, "creator": s.Suppression.Creator, "ticket": s.Suppression.Ticket, "hits": s.Hits}
	for _, c := range w.audited() {
		if s.Alert != nil && c.db != db {
			continue
		}
		w.background.begin(func() {
			defer w.contain("audit")
			_ = c.audit.Note(context.Background(), "suppression."+s.Kind, facts) // it reports its own trouble
		})
	}
}
