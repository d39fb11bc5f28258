package alert

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// outboxTimeout bounds one call of the outbox, which holds up the engine.
const outboxTimeout = 2 * time.Second

func boxKey(fingerprint string, episode int) string {
	return fmt.Sprintf("%s:%d", fingerprint, episode)
}

// box writes an alert to the outbox: it stays there while it is open or a
// channel has not taken its last state.
func (e *Engine) box(en Entry) {
	if e.deps.Outbox == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), outboxTimeout)
	defer cancel()
	k := boxKey(en.Alert.Fingerprint, en.Alert.Episode)
	var err error
	if en.Alert.State == event.Resolved && len(en.Waiting) == 0 {
		delete(e.boxed, k)
		err = e.deps.Outbox.Remove(ctx, en.Alert.Fingerprint, en.Alert.Episode)
	} else {
		err = e.deps.Outbox.Put(ctx, en)
		en.kept = err == nil
		e.boxed[k] = &en
	}
	e.outboxTrouble(err)
}

func (e *Engine) outboxTrouble(err error) {
	if err != nil {
		e.deps.Trouble(&event.Trouble{At: e.deps.Now(), Part: "alert", Kind: "outbox", Message: "the outbox does not take alerts: " + clean(err.Error(), 200),
			Hint: "alerts that are open at the end of this process will not be resolved by the next one"})
	}
}

// forgetAfter is when an alert that nobody resolves leaves the outbox.
const forgetAfter = 30 * 24 * time.Hour

// adopt takes over the open alerts of other processes.
func (e *Engine) adopt() {
	if e.deps.Outbox == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), outboxTimeout)
	defer cancel()
	entries, err := e.deps.Outbox.Open(ctx)
	e.outboxTrouble(err)
	if err == nil {
		e.endedElsewhere(entries)
	}
	for _, en := range entries {
		a := en.Alert
		k := boxKey(a.Fingerprint, a.Episode)
		if _, mine := e.boxed[k]; mine {
			continue
		}
		if now := e.deps.Now(); now.Sub(a.At) > forgetAfter {
			e.outboxTrouble(e.deps.Outbox.Remove(ctx, a.Fingerprint, a.Episode))
			continue
		}
		gone := func(name string) bool { return e.workers[name] == nil }
		en.Waiting, en.Told = slices.DeleteFunc(en.Waiting, gone), slices.DeleteFunc(en.Told, gone)
		en.kept = true
		e.boxed[k] = &en
		h := e.past[a.Fingerprint]
		if h == nil {
			h = &history{scored: e.deps.Now()}
			e.past[a.Fingerprint] = h
		}
		h.episode = max(h.episode, a.Episode)
		if a.State == event.Resolved {
			continue
		}
		in := &instance{
			condition: condition{Trace: a.Trace, db: a.Database, rule: a.Rule, severity: a.Severity, tool: a.Tool, version: a.Version,
				class: en.Class, object: a.Object, details: a.Details, steps: a.Steps},
			stage: firing, fingerprint: a.Fingerprint, episode: a.Episode, since: a.Since, seen: a.At, told: a.Severity, adopted: true, title: a.Title,
		}
		if _, known := builtin[a.Rule]; known && e.open[in.key()] == nil {
			if in.toldTo = en.Told; len(in.toldTo) == 0 {
				in.toldTo = e.plan.channels(in.labels(e.plan))[1:] // of an outbox without them, or of channels that are gone
			}
			e.open[in.key()] = in
			h.last = in
			e.toRepeat(e.deps.Now(), a, in.toldTo)
		}
	}
}

// endedElsewhere forgets what another process has resolved, and told so. What
// this process sees itself is left to it.
func (e *Engine) endedElsewhere(entries []Entry) {
	open := map[string]bool{}
	for _, en := range entries {
		open[boxKey(en.Alert.Fingerprint, en.Alert.Episode)] = en.Alert.State != event.Resolved
	}
	for k, en := range e.boxed {
		_, its := ofMigration[en.Alert.Rule]
		if !en.kept || !its && en.Alert.Rule != OutOfBand || en.Alert.State == event.Resolved || open[k] {
			continue
		}
		delete(e.boxed, k)
		if r := e.repeated[en.Alert.Fingerprint]; r.alert.Episode == en.Alert.Episode {
			delete(e.repeated, en.Alert.Fingerprint)
		}
		for _, in := range e.open {
			if in.fingerprint == en.Alert.Fingerprint && in.episode == en.Alert.Episode && in.stage != pending {
				delete(e.open, in.key())
			}
		}
	}
}

// sendAgain sends what the processes before could not. It is called at the
// start alone: later on, the others are alive and still trying.
func (e *Engine) sendAgain() {
	for _, en := range e.boxed {
		en.again = true
		for _, name := range en.Waiting {
			e.workers[name].put(en.Alert)
		}
	}
}

// delivered notes what a channel has done with a message.
func (e *Engine) delivered(now time.Time, r result) {
	name := r.channel
	broken := key{rule: DeliveryFailing, object: name}
	switch {
	case r.err != nil:
		e.raise(now, e.undelivered(name, r))
	case !r.theirs:
		e.clear(now, broken)
	}
	if !r.final {
		return
	}
	en := e.boxed[boxKey(r.alert.Fingerprint, r.alert.Episode)]
	if en == nil || en.Alert.State != r.alert.State || en.Alert.Severity != r.alert.Severity || r.err != nil && !r.rejected {
		return // stays: the next process tries again
	}
	if r.theirs && !en.again {
		return // whether the replica could send it is not known; the next process asks again
	}
	left := *en
	left.Waiting = slices.DeleteFunc(slices.Clone(en.Waiting), func(n string) bool { return n == name })
	if len(left.Waiting) < len(en.Waiting) {
		e.box(left)
	}
}
