package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// What is in flight: who waits for whom, and whether it comes forward.

func (e *Engine) look(now time.Time, l event.Look) {
	f := e.seen.flights[l.ConnID]
	if f != nil && !f.start.Equal(l.Start) {
		e.landed(now, l.ConnID) // its last look was lost
		f = nil
	}
	if l.Done {
		e.landed(now, l.ConnID)
		if l.Class == "ddl" || l.Class == "write" {
			e.seen.ended(l.Operation, l.Age)
		}
		return
	}
	// What a replica waits for before anything tells of its run is a migration's lock
	// too, if nobody works under it.
	zombie := l.Picture != nil && l.Picture.Zombie
	if e.spares(guardInsideRun, l.Phase != "migration" && l.RunID == "" && !zombie) {
		return
	}
	if f == nil {
		f = &flight{start: l.Start, moved: now, raised: map[string]key{}, objects: map[string]string{}}
		e.seen.flights.put(l.ConnID, f)
	}
	if l.Number != 0 && l.Number <= f.number {
		return // the same look again, or one that was overtaken
	}
	f.number = l.Number
	if l.Picture != nil {
		e.lockWait(now, f, l)
		e.pileup(now, f, l)
	}
	e.stall(now, f, l)
}

// landed clears what was raised for a statement that is no longer in flight.
func (e *Engine) landed(now time.Time, conn uint64) {
	f := e.seen.flights[conn]
	if f == nil {
		return
	}
	for rule := range f.raised {
		e.subside(now, f, rule)
	}
	delete(e.seen.flights, conn)
}

// lift raises a condition of a statement in flight. The alert is about the
// object that it was about first.
func (e *Engine) lift(now time.Time, f *flight, l event.Look, c condition) {
	c.Trace, c.db, c.tool, c.version = l.Trace, l.Database, l.Tool, l.Version
	if object, ok := f.objects[c.rule]; ok {
		c.object = object
	}
	f.objects[c.rule] = c.object
	f.raised[c.rule] = c.key()
	e.raise(now, c)
}

func (e *Engine) subside(now time.Time, f *flight, rule string) {
	if k, ok := f.raised[rule]; ok {
		e.clear(now, k)
		delete(f.raised, rule)
		delete(f.objects, rule)
	}
}

func (e *Engine) lockWait(now time.Time, f *flight, l event.Look) {
	p := l.Picture
	wait := p.Session.Wait
	if wait == nil {
		f.waiting = time.Time{}
		e.subside(now, f, LockWait)
		return
	}
	if f.waiting.IsZero() {
		f.waiting = now
	}
	after := e.plan.rules[LockWait].After
	waited := max(wait.For, now.Sub(f.waiting))
	if e.spares(guardPeerMigrator, migrationLock(l, wait) && !p.Zombie) || waited < after {
		e.subside(now, f, LockWait)
		return
	}
	says := fmt.Sprintf("waits %s for %s%s", brief(waited), orLock(wait.Mode), on(wait.Object))
	if p.Zombie {
		says = fmt.Sprintf("waits %s for the migration lock %s, whose holder does nothing", brief(waited), clip(wait.Object, maxName))
	}
	e.lift(now, f, l, condition{rule: LockWait, object: wait.Object, size: victims(p), says: says + queueWords(victims(p)),
		details: pictureDetails(l), steps: pictureSteps(l)})
}

// migrationLock reports whether a wait is one replica's for another.
func migrationLock(l event.Look, w *event.Wait) bool {
	return l.Lock != nil || slices.Contains([]string{"advisory", "named", "applock"}, w.Kind)
}

// victims are the sessions behind ours that are not replicas.
func victims(p *event.Picture) int { return p.Queue - p.QueueMigrator }

func (e *Engine) pileup(now time.Time, f *flight, l event.Look) {
	r, p := e.plan.rules[LockPileup], l.Picture
	n := p.Queue
	if e.spares(guardOtherAppsOnly, true) {
		n = victims(p)
	}
	if n < r.Count {
		// A pile-up is over when it is down to half of what makes one.
		if _, up := f.raised[LockPileup]; up && e.spares(guardHysteresis, n > r.Count/2 && e.fires(f.raised[LockPileup])) {
			return
		}
		e.subside(now, f, LockPileup)
		return
	}
	object := ""
	if p.Session.Wait != nil {
		object = p.Session.Wait.Object
	} else if i := slices.IndexFunc(p.Victims, func(s event.Session) bool { return s.Wait != nil && s.Wait.Object != "" }); i >= 0 {
		object = p.Victims[i].Wait.Object
	}
	e.lift(now, f, l, condition{rule: LockPileup, object: object, size: n, proven: e.long(p, r) >= r.Count,
		says:    "holds up " + plural(n, "session") + on(object),
		details: pictureDetails(l), steps: pictureSteps(l)})
}

func (e *Engine) fires(k key) bool {
	in := e.open[k]
	return in != nil && in.stage != pending
}

// long is how many victims have waited for longer than a pile-up has to last,
// by the server's own clock.
func (e *Engine) long(p *event.Picture, r Rule) (n int) {
	for _, s := range p.Victims {
		if s.Wait != nil && !slices.Contains([]string{"advisory", "named", "applock"}, s.Wait.Kind) && s.Wait.For >= r.For && r.For > 0 {
			n++
		}
	}
	return n
}

func (e *Engine) stall(now time.Time, f *flight, l event.Look) {
	r, p := e.plan.rules[Stalled], l.Picture
	if l.Operation == "" {
		return // the transaction is open and the program between two statements
	}
	waits := l.Lock != nil || p != nil && p.Session.Wait != nil
	if e.spares(guardWaitNoStall, waits) {
		e.subside(now, f, Stalled)
		return
	}
	progress := p != nil && p.Progress != nil
	if progress && *p.Progress != f.progress {
		f.progress, f.moved = *p.Progress, now
	}
	limit := r.After
	if usual := e.seen.unusual(l.Operation); e.spares(guardUsualDuration, usual > limit) {
		limit = usual
	}
	if l.Version != nil {
		if d := e.plan.Expect[*l.Version]; e.spares(guardExpected, d > limit) {
			limit = d
		}
	}
	if l.Age < limit || e.spares(guardProgressMoves, progress && now.Sub(f.moved) < r.For) {
		e.subside(now, f, Stalled)
		return
	}
	c := condition{rule: Stalled, object: strings.Join(l.Tables, ", "), details: pictureDetails(l), steps: pictureSteps(l)}
	if progress {
		c.says = fmt.Sprintf("runs for %s and has not moved for %s: %s", brief(l.Age), brief(now.Sub(f.moved)), orStatement(l.Summary))
	} else {
		c.says = fmt.Sprintf("runs for %s: %s", brief(l.Age), orStatement(l.Summary))
		c.details = append(c.details, "The server reports no progress for it: this is judged by its time alone.")
	}
	e.lift(now, f, l, c)
}
