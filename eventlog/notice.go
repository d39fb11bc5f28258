package eventlog

import (
	"github.com/rs/zerolog"

	"github.com/sqlwitness/sqlwitness/event"
)

// Finding writes finding, for what a run left behind or what happened outside of
// any run.
func (l *Log) Finding(f *event.Finding) {
	e := l.begin(&l.later, zerolog.WarnLevel, "finding", f.Trace, f.Database)
	if e == nil {
		return
	}
	e.Str("kind", f.Kind).Str("object", clip(f.Object, maxName)).Str("message", clip(f.Message, maxText)).Str("sql", clip(f.SQL, maxText))
	e.Send()
}

// Trouble writes witness.trouble, and audit.degraded where it is the audit
// trail that is not written where it belongs. What is "" is left out.
func (l *Log) Trouble(t *event.Trouble) {
	name, level := "witness.trouble", zerolog.WarnLevel
	if t.Part == "audit" {
		name = "audit.degraded"
	}
	if t.Over {
		level = zerolog.InfoLevel
	}
	e := l.begin(&l.later, level, name, event.Trace{}, t.Database)
	if e == nil {
		return
	}
	e.Str("part", t.Part).Str("kind", t.Kind).Str("message", clip(t.Message, maxText)).Bool("over", t.Over)
	for _, f := range [...]struct{ key, value string }{
		{"hint", t.Hint}, {"error_class", t.ErrorClass}, {"sqlstate", t.SQLState}, {"fallback", t.Fallback},
	} {
		if f.value != "" {
			e.Str(f.key, clip(f.value, maxText))
		}
	}
	e.Send()
}

// Alert writes alert.firing, alert.resolved, alert.suppressed and
// alert.flapping.
func (l *Log) Alert(a *event.Alert) {
	level := zerolog.WarnLevel
	switch {
	case a.State == event.Resolved || a.State == event.Suppressed || a.Severity == event.Info:
		level = zerolog.InfoLevel
	case a.Severity == event.Critical:
		level = zerolog.ErrorLevel
	}
	e := l.begin(&l.awaits, level, "alert."+string(a.State), a.Trace, a.Database)
	if e == nil {
		return
	}
	e.Str("rule", a.Rule).
		Str("severity", string(a.Severity)).
		Str("fingerprint", a.Fingerprint).
		Int("episode", a.Episode).
		Str("migration_id", a.MigrationID).
		Str("tool", clip(a.Tool, maxName))
	if a.Version != nil {
		e.Str("version", clip(*a.Version, maxName))
	} else {
		null(e, "version")
	}
	e.Str("object", clip(a.Object, maxName)).
		Str("title", clip(a.Title, maxText)).
		Strs("details", a.Details)
	steps := e.CreateArray()
	for _, s := range a.Steps {
		steps.Dict(e.CreateDict().Str("text", clip(s.Text, maxText)).Str("sql", clip(s.SQL, maxText)))
	}
	e.Array("steps", steps).
		Str("runbook", a.Runbook).
		Str("audit_entry", a.AuditEntry).
		Str("suppress_with", a.SuppressWith)
	if a.SuppressedBy != "" {
		e.Str("suppressed_by", a.SuppressedBy)
	}
	ms(e, "since_ms", a.At.Sub(a.Since))
	e.Send()
}
