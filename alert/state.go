package alert

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// condition is what a rule has found to be so.
type condition struct {
	event.Trace
	db       event.Database
	rule     string
	severity event.Severity // "" is the rule's
	tool     string
	version  *string
	after    string // the last version applied before it, where its own is not known
	class    string // of the error behind it
	object   string
	size     int // how large it is, where that can be counted

	says    string // the state and the impact, the rest of the title
	details []string
	steps   []event.Step

	unreachable bool // there was no connection to the database

	proven bool   // the server itself says that it has held for its time
	about  string // the channel that it is about and that is not told
}

// key is an alert's identity within the process. The class of the error is left
// out: a migration that fails first in one way and then in another is one alert.
type key struct {
	rule      string
	db        event.Database
	migration string
	object    string
}

func (c *condition) key() key { return key{c.rule, c.db, c.migration(), c.object} }

func (c *condition) migration() string {
	if c.version == nil {
		return ""
	}
	return *c.version
}

// fingerprint names the alert on every replica and in every episode: it holds
// no host, process, time or severity.
func (c *condition) fingerprint() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{c.rule, c.db.System, c.db.Name, c.migration(), c.class, c.object}, "\x00")))
	return hex.EncodeToString(sum[:8])
}

type stage int

const (
	pending    stage = iota // it holds, but not for long enough
	firing                  // it has held
	recovering              // it is gone, but not for long enough
)

// instance is an alert that is open or about to be.
type instance struct {
	condition
	stage       stage
	fingerprint string
	episode     int
	since       time.Time // the condition holds since
	seen        time.Time // it was last found to be so
	deadline    time.Time // when there is something to do; zero if not before it is seen again
	samples     int
	held        bool // pending for as long as its cause is open

	told         event.Severity // as which it was told; "" if not yet
	before       event.Severity // as which it was told before that
	toldTo       []string       // channels that it was told to
	suppressedBy string
	baseSeverity event.Severity // when it was first suppressed
	baseSize     int
	adopted      bool   // from another process
	title        string // of an adopted one, as it was sent
}

// history is what is remembered of an alert between its episodes.
type history struct {
	episode  int
	score    float64 // firings, of which old ones count less
	scored   time.Time
	flapping bool
	said     bool      // that it flaps was told
	settles  time.Time // while flapping: when the score will have gone down
	last     *instance
}

// An alert that fires four times within minutes flaps, until it has been quiet
// for about ten.
const (
	flapHalfLife = 5 * time.Minute
	flapHigh     = 3.0
	flapLow      = 1.0
)

func (h *history) decay(now time.Time) {
	h.score *= math.Exp2(-now.Sub(h.scored).Seconds() / flapHalfLife.Seconds())
	h.scored = now
}

// raise says that a condition holds.
func (e *Engine) raise(now time.Time, c condition) {
	r := e.plan.rules[c.rule]
	if r.Off {
		return
	}
	if c.severity == "" {
		c.severity = r.Severity
	}
	in := e.open[c.key()]
	if in == nil {
		if len(e.open) >= maxInstances {
			e.dropped.Add(1)
			return
		}
		in = &instance{condition: c, fingerprint: c.fingerprint(), since: now, deadline: now.Add(e.hold(r))}
		e.open[c.key()] = in
	}
	if rank(in.severity) > rank(c.severity) {
		c.severity = in.severity // it does not fall within an episode
	}
	in.condition, in.title, in.adopted = c, "", false
	in.seen = now
	in.samples++
	switch in.stage {
	case pending:
		e.ripen(now, in)
	case recovering:
		in.stage, in.deadline = firing, time.Time{}
		e.announce(now, in)
	case firing:
		e.announce(now, in)
	}
}

func (e *Engine) hold(r Rule) time.Duration {
	if !e.spares(guardHolds, true) {
		return 0
	}
	return r.For
}

// ripen fires a pending alert if its time has come.
func (e *Engine) ripen(now time.Time, in *instance) {
	hold := e.hold(e.plan.rules[in.rule])
	if in.rule == Stalled { // its rule has waited that long for progress
		hold = 0
	}
	if !in.proven {
		if now.Sub(in.since) < hold {
			return
		}
		if e.spares(guardTwoSamples, inFlight(in.rule) && in.samples < 2) {
			in.deadline = time.Time{} // fires when it is seen again
			return
		}
	}
	if cause := e.cause(in); e.spares(guardInhibited, cause != nil) {
		e.count.inhibited.Add(1)
		in.deadline = time.Time{}
		if ofMigration[in.rule] == guardAttemptNotTry {
			delete(e.open, in.key()) // it will not be seen again; the cause tells of it
		}
		return
	}
	e.fire(now, in)
}

// heldBack keeps an alert of ours pending while a database that is away is told
// as such, and judges it again when that is over. What could not be seen
// meanwhile is no news by then.
func (e *Engine) heldBack(now time.Time, in *instance) {
	if in.stage != pending || in.rule != CannotObserve && in.rule != AuditFailure {
		return
	}
	switch away := e.cause(in) != nil && e.spares(guardInhibited, true); {
	case away:
		in.held = true
	case in.held && in.rule == CannotObserve:
		delete(e.open, in.key())
	case in.held:
		in.held = false
		e.ripen(now, in)
	}
}

func (e *Engine) fire(now time.Time, in *instance) {
	in.fingerprint = in.condition.fingerprint()
	in.stage, in.deadline = firing, time.Time{}
	h := e.past[in.fingerprint]
	if h == nil {
		e.forget(now)
		h = &history{scored: now}
		e.past[in.fingerprint] = h
	}
	h.decay(now)
	h.score++
	h.last = in
	if !h.flapping {
		h.episode++
	}
	in.episode = h.episode
	if h.score >= flapHigh && e.spares(guardFlapping, true) {
		first := !h.flapping
		h.flapping = true
		h.settles = now.Add(time.Duration(math.Log2(h.score/flapLow) * float64(flapHalfLife)))
		if first {
			h.said = e.suppressed(now, in) == nil
		}
		if first && h.said {
			in.told = in.severity
			e.tell(now, in, event.Flapping)
		}
		return
	}
	e.announce(now, in)
}

// forget makes room in the memory of episodes.
func (e *Engine) forget(now time.Time) {
	if len(e.past) < maxInstances {
		return
	}
	for fp, h := range e.past {
		if h.decay(now); h.score < 0.01 && !h.flapping && (h.last == nil || e.open[h.last.key()] != h.last) {
			delete(e.past, fp)
		}
	}
}

// announce tells of an alert that fires, if there is news and nobody knows.
func (e *Engine) announce(now time.Time, in *instance) {
	if h := e.past[in.fingerprint]; h != nil && h.flapping {
		return
	}
	if in.told != "" && rank(in.severity) <= rank(in.told) {
		return
	}
	if k := e.suppressed(now, in); k != nil {
		first := in.suppressedBy != k.ID
		if first && in.suppressedBy == "" {
			in.baseSeverity, in.baseSize = in.severity, in.size
		}
		worse := rank(in.severity) > rank(in.baseSeverity) || in.baseSize > 0 && in.size >= escalation*in.baseSize
		if !worse || k.IncludeEscalation {
			if first {
				in.suppressedBy = k.ID
				e.known.hits[k.ID]++
				a := e.alert(now, in, event.Suppressed)
				e.change(a)
				e.deps.Suppression(SuppressionEvent{Kind: "hit", At: now, Suppression: k.Suppression, Alert: a, Hits: e.known.hits[k.ID]})
			}
			return
		}
		e.deps.Suppression(SuppressionEvent{Kind: "pierced", At: now, Suppression: k.Suppression, Alert: e.alert(now, in, event.Firing), Hits: e.known.hits[k.ID]})
	}
	in.suppressedBy = ""
	in.before, in.told = in.told, in.severity
	e.tell(now, in, event.Firing)
}

// clear says that a condition holds no more.
func (e *Engine) clear(now time.Time, k key) {
	in := e.open[k]
	switch {
	case in == nil:
	case in.stage == pending:
		delete(e.open, k)
	case in.stage == firing:
		in.stage, in.deadline = recovering, now
		if e.spares(guardKeepFiring, true) {
			in.deadline = now.Add(e.plan.rules[k.rule].KeepFiring)
		}
		if !in.deadline.After(now) {
			e.resolve(now, in)
		}
	}
}

func (e *Engine) resolve(now time.Time, in *instance) {
	delete(e.open, in.key())
	if h := e.past[in.fingerprint]; h != nil && h.flapping {
		return
	}
	switch {
	case in.told != "":
		e.tell(now, in, event.Resolved)
	case in.suppressedBy != "":
		e.change(e.alert(now, in, event.Resolved))
	}
}

// sorted are the alerts, open and pending, the oldest first.
func (e *Engine) sorted() []*instance {
	return slices.SortedFunc(maps.Values(e.open), func(a, b *instance) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.rule, b.rule), cmp.Compare(a.fingerprint, b.fingerprint))
	})
}

// tick does what has become due.
func (e *Engine) tick(now time.Time) {
	for _, in := range e.sorted() {
		e.heldBack(now, in)
		if e.open[in.key()] != in || in.deadline.IsZero() || in.deadline.After(now) {
			continue
		}
		switch in.stage {
		case pending:
			e.ripen(now, in)
		case recovering:
			e.resolve(now, in)
		}
	}
	for _, h := range e.past {
		if h.settles.IsZero() || h.settles.After(now) {
			continue
		}
		h.flapping, h.settles = false, time.Time{}
		if e.open[h.last.key()] == h.last {
			h.last.told = ""
			e.announce(now, h.last)
		} else if h.said {
			e.tell(now, h.last, event.Resolved)
		}
	}
	if wake := e.known.wake; !wake.IsZero() && !wake.After(now) {
		e.refresh(now)
	}
	for _, in := range e.sorted() {
		if in.stage == firing && in.suppressedBy != "" && in.told == "" {
			e.announce(now, in) // if the suppression has ended
		}
	}
}

// last does before the end of the process what will not be done after it.
func (e *Engine) last(now time.Time) {
	e.hurry(now)
	for _, in := range e.sorted() {
		if in.stage == recovering {
			e.resolve(now, in)
		}
	}
}

// hurry fires what is pending as if nothing came between any more.
func (e *Engine) hurry(now time.Time) {
	e.tick(now)
	for _, in := range e.sorted() {
		if in.stage == pending && !inFlight(in.rule) && in.rule != CannotObserve && in.rule != DeliveryFailing {
			in.proven = true
			e.ripen(now, in)
		}
	}
}

// causes says which alert is the cause of which others, of the same migration
// or run in the same database.
var causes = map[string][]string{
	LockWait:         {LockPileup},
	Stalled:          {LockPileup},
	LockTimeout:      {MigrationFailed},
	Deadlock:         {MigrationFailed},
	StatementTimeout: {MigrationFailed},
}

// cause finds the alert that tells of an alert already.
func (e *Engine) cause(in *instance) *instance {
	for _, by := range e.open {
		if by.db != in.db || by == in {
			continue
		}
		if e.spares(guardDatabaseAway, tellsOfOutage(by, in)) {
			return by
		}
		if !slices.Contains(causes[in.rule], by.rule) {
			continue
		}
		// Two names that are missing are not the same name.
		if in.migration() != "" && in.migration() == by.migration() || in.RunID != "" && in.RunID == by.RunID || in.MigrationID != "" && in.MigrationID == by.MigrationID {
			return by
		}
	}
	return nil
}

// tellsOfOutage reports whether both are of a database that is away, and by is
// the one to tell of it: the migration that was lost by it if there is one, else
// the audit trail. An entry that is lost is told all the same.
func tellsOfOutage(by, in *instance) bool {
	switch {
	case in.rule == AuditFailure && in.severity == event.Critical || in.class == event.ClassPermission:
		return false
	case in.rule == CannotObserve && by.rule == AuditFailure:
		return away(by) && away(in)
	case in.rule == CannotObserve || in.rule == AuditFailure:
		return away(in) && (by.rule == MigrationInterrupted || by.rule == MigrationFailed && away(by))
	}
	return false
}

// away reports whether an alert is of a database that could not be reached.
func away(in *instance) bool {
	return in.unreachable || slices.Contains([]string{event.ClassBadConn, event.ClassTerminated, event.ClassConnections}, in.class)
}

// tell sends an alert to where its routes lead, and its end to where it was told:
// by then it may be of another severity or class, and its routes lead elsewhere.
func (e *Engine) tell(now time.Time, in *instance, s event.AlertState) {
	a := e.alert(now, in, s)
	e.change(a)
	to := e.plan.channels(in.labels(e.plan))[1:]
	to = slices.DeleteFunc(to, func(name string) bool { return e.spares(guardNotToItself, name == in.about) })
	if s == event.Resolved && in.told != "" {
		to = in.toldTo
	} else {
		in.toldTo = slices.Compact(slices.Sorted(slices.Values(slices.Concat(in.toldTo, to))))
	}
	e.box(Entry{Alert: *a, Class: in.class, Waiting: to, Told: in.toldTo})
	e.toRepeat(now, *a, to)
	for _, name := range to {
		e.workers[name].put(*a)
	}
}

func (e *Engine) change(a *event.Alert) {
	e.count.change(Change{a.Rule, a.Severity, a.State})
	e.deps.Notify(a)
}
