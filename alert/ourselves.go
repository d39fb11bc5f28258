package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// What sqlwitness says of itself.

func (e *Engine) trouble(now time.Time, t event.Trouble) {
	c := condition{db: t.Database, class: t.ErrorClass, unreachable: t.Kind == "unreachable", details: []string{t.Message}}
	if t.Fallback != "" {
		c.details = append(c.details, "What could not be delivered is in "+t.Fallback+".")
	}
	if t.Hint != "" {
		c.steps = []event.Step{{Text: t.Hint}}
	}
	switch t.Part {
	case "audit":
		if e.spares(guardUnsupported, t.Kind == "unsupported" || t.Kind == "in_memory") {
			return
		}
		c.rule, c.object = AuditFailure, t.Kind
		c.says = "the audit trail has a gap or will have one: " + words(t.Kind)
		if t.Kind == "verify_failed" {
			c.says = "the audit trail was altered"
		}
		if lost := t.Kind == "spool" || t.Kind == "verify_failed" || t.ErrorClass == "tampered"; lost {
			c.severity = event.Critical
		}
	case "probe":
		c.rule, c.says = CannotObserve, "cannot see who blocks whom: "+words(t.Kind)
		if !e.spares(guardOnePerDatabase, true) {
			c.object = t.Kind
		}
		c.severity = event.Warning
		if t.ErrorClass == event.ClassPermission {
			c.severity = event.Info // it never could, and says what to grant
		}
		if r := e.plan.rules[CannotObserve].Severity; rank(r) < rank(c.severity) {
			c.severity = r
		}
	case "log":
		c.rule, c.object, c.says = DeliveryFailing, "log", "log lines are lost: "+words(t.Kind)
	default:
		return // the engine tells of its own channels itself
	}
	if t.Over {
		e.clear(now, c.key())
		return
	}
	e.raise(now, c)
}

// undelivered is what the engine says of a channel that does not take messages.
func (e *Engine) undelivered(name string, r result) condition {
	return condition{rule: DeliveryFailing, object: name, about: name, says: "the channel " + name + " takes no alerts",
		details: []string{"The last error: " + r.err.Error()},
		steps:   []event.Step{{Text: "Check the channel's address and key, and that it can be reached from here."}, {Text: "See which channels an alert takes.", SQL: ""}}}
}

// words turns a kind into words.
func words(kind string) string { return strings.ReplaceAll(kind, "_", " ") }

func findingWords(kind string) string {
	known := map[string]string{
		"invalid_index": "invalid index", "constraint_not_valid": "constraint not validated", "lock_left": "lock still held",
		"zombie_lock": "lock held for nobody", "history_edited": "the version table was edited by hand", "schema_drift": "the schema changed between runs",
		"ddl_out_of_band": "DDL outside any migration",
		"guard_missing":   "a guard of the audit tables is missing", "guard_off": "a guard of the audit tables is off", "guard_altered": "a guard of the audit tables was altered",
	}
	if w := known[kind]; w != "" {
		return w
	}
	return words(kind)
}

// code adds the server's own code to a class.
func code(c string) string {
	if c == "" {
		return ""
	}
	return " (" + c + ")"
}

// roots are the sessions that wait for nobody.
func roots(blockers []event.Session) []event.Session {
	list := slices.DeleteFunc(slices.Clone(blockers), func(s event.Session) bool { return s.Wait != nil || len(s.BlockedBy) > 0 })
	if len(list) == 0 {
		return blockers
	}
	return list
}
