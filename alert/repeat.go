package alert

import (
	"maps"
	"slices"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// Alertmanager holds alerts in memory alone: one that is restarted has forgotten
// them, and one that is restarted right after a resolve does not tell of it.
// Therefore a process that lives on says again what is open, at the pace of
// Prometheus, and for a while what was resolved.
const (
	repeatEvery    = time.Minute
	repeatResolved = 5 * time.Minute
)

// repeated is what an Alertmanager was told last of an alert.
type repeated struct {
	alert    event.Alert
	channels []string
}

// toRepeat notes what has to be said again.
func (e *Engine) toRepeat(now time.Time, a event.Alert, to []string) {
	to = slices.DeleteFunc(slices.Clone(to), func(name string) bool { return e.workers[name].channel.Kind != "alertmanager" })
	if len(to) == 0 {
		return
	}
	a.Before = "" // told once
	e.repeated[a.Fingerprint] = repeated{a, to}
	if e.repeatAt.IsZero() {
		e.repeatAt = now.Add(e.repeatEvery)
	}
}

// repeat says again what is open. A channel that is still busy with what it was
// told before is not told more.
func (e *Engine) repeat(now time.Time) {
	if e.repeatAt.IsZero() || e.repeatAt.After(now) {
		return
	}
	e.repeatAt = now.Add(e.repeatEvery) // whatever becomes of this time
	e.adopt()                           // what other processes have resolved is not open
	say := map[string][]event.Alert{}
	for _, fp := range slices.Sorted(maps.Keys(e.repeated)) {
		r := e.repeated[fp]
		if r.alert.State == event.Resolved && now.Sub(r.alert.At) > repeatResolved {
			delete(e.repeated, fp)
			continue
		}
		if r.alert.State != event.Resolved {
			r.alert.At = e.holds(now, r.alert)
		}
		if now.Sub(r.alert.At) > openFor {
			delete(e.repeated, fp)
			continue
		}
		for _, name := range r.channels {
			say[name] = append(say[name], r.alert)
		}
	}
	for name, list := range say {
		if w := e.workers[name]; w.idle() {
			w.put(list...)
		}
	}
	if len(e.repeated) == 0 {
		e.repeatAt = time.Time{}
	}
}

// holds is when an open alert was last known to be so. Who shares an outbox would
// know of its end, whoever brought it about; who has none knows what it has
// seen itself.
func (e *Engine) holds(now time.Time, a event.Alert) time.Time {
	if e.deps.Outbox != nil {
		return now
	}
	if h := e.past[a.Fingerprint]; h != nil && h.last != nil && h.last.seen.After(a.At) {
		return h.last.seen
	}
	return a.At
}
