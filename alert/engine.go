package alert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

const (
	// busLength bounds what is seen and not judged yet. What comes while it is full
	// is dropped and counted.
	busLength = 1024
	// maxInstances bounds the alerts that are open or pending. More of them than
	// this are one outage, and a person has heard of it.
	maxInstances = 4096
)

// Engine judges what it is told, and tells others. It is an event.Sink; its
// methods may be called by several goroutines and never block.
//
// An Engine remembers in memory, and in its outbox which alerts are open. What
// is pending when the process dies without Close is lost; so is what waits in a
// channel's queue, unless there is an outbox: the next process sends it then.
type Engine struct {
	event.Ignore
	plan plan
	deps Deps

	bus     chan any
	results chan result
	hurries chan chan<- struct{} // each is closed when what was pending has fired
	closing chan struct{}
	close   func()
	ended   chan struct{}
	dropped atomic.Uint64
	count   counts

	workers map[string]*worker

	// The rest belongs to the engine's goroutine.
	without guard // that a test has taken away
	open    map[key]*instance
	past    map[string]*history
	known   suppressions
	seen    memory
	boxed   map[string]*Entry // what the outbox holds, by fingerprint and episode

	repeatEvery time.Duration
	repeatAt    time.Time           // when; zero if there is nothing to repeat
	repeated    map[string]repeated // by fingerprint
}

// New starts an engine. Close ends it.
func New(c Config, d Deps) (*Engine, error) { return start(c, d, "", repeatEvery) }

func start(c Config, d Deps, without guard, repeat time.Duration) (*Engine, error) {
	p, err := c.complete()
	if err != nil {
		return nil, err
	}
	d = d.complete()
	if d.Outbox == nil && c.Outbox != "" {
		d.Outbox = NewFileOutbox(c.Outbox)
	}
	closing := make(chan struct{})
	e := &Engine{
		plan: p, deps: d, without: without,
		bus: make(chan any, busLength), results: make(chan result, 64),
		hurries: make(chan chan<- struct{}),
		closing: closing, close: sync.OnceFunc(func() { close(closing) }), ended: make(chan struct{}),
		workers: map[string]*worker{},
		open:    map[key]*instance{}, past: map[string]*history{}, boxed: map[string]*Entry{},
		known: newSuppressions(p.known, c.SuppressionFile),
		seen:  newMemory(),

		repeatEvery: repeat, repeated: map[string]repeated{},
	}
	for i, ch := range c.Channels {
		s, err := ch.sender(d)
		if err != nil {
			return nil, wrong(fmt.Sprintf("channels[%d]", i), "%v", err)
		}
		e.workers[ch.Name] = newWorker(ch, s, e)
	}
	for _, w := range e.workers {
		go w.run()
	}
	go e.run()
	return e, nil
}

// Statement takes a failed statement.
func (e *Engine) Statement(s *event.Statement) {
	if s.Err == nil && s.ErrorClass == "" {
		return
	}
	e.send(failedStatement{s.Trace, s.Database, s.Class, s.Phase, s.ErrorClass, s.SQLState, s.Summary, s.Text, s.Duration})
}

// Lock takes a lock that was not to be had.
func (e *Engine) Lock(l *event.Lock) {
	polled := l.Tools && l.Outcome == "refused" && l.Attempts > 1 // and has given up
	if l.Stage == event.LockFailed && (l.Outcome == "timeout" || polled) {
		c := *l
		c.Err = nil
		e.send(c)
	}
}

// Migration takes one that has ended.
func (e *Engine) Migration(m *event.Migration) {
	if m.Outcome == "" {
		return
	}
	c := *m
	c.Body, c.Err = nil, nil
	if m.Failing != nil {
		f := *m.Failing
		c.Failing = &f
	}
	e.send(c)
}

// Run takes the beginning and the end of one.
func (e *Engine) Run(r *event.Run) {
	c := *r
	c.Slowest = nil
	e.send(c)
}

// Look takes a look at what is in flight.
func (e *Engine) Look(l *event.Look) { e.send(cloneLook(l)) }

// Finding takes what was left behind.
func (e *Engine) Finding(f *event.Finding) { e.send(*f) }

// Trouble takes what does not work.
func (e *Engine) Trouble(t *event.Trouble) { e.send(*t) }

func (e *Engine) send(v any) {
	select {
	case <-e.closing:
		return
	default:
	}
	select {
	case e.bus <- v:
	default:
		e.dropped.Add(1)
	}
}

// Close judges what it was told, resolves what has recovered, fires what was
// pending and will not be tried again, and waits until the channels have sent
// what they hold or ctx is done. What could not be sent by then stays in the
// outbox, and the error says so.
func (e *Engine) Close(ctx context.Context) error {
	e.close()
	select {
	case <-e.ended:
	case <-ctx.Done():
		for _, w := range e.workers {
			w.cancel()
		}
		<-e.ended
	}
	var errs []error
	for _, w := range e.workers {
		errs = append(errs, w.left())
	}
	return errors.Join(errs...)
}

func (e *Engine) run() {
	defer close(e.ended)
	e.contained(func() {
		e.adopt()
		e.sendAgain()
		e.refresh(e.deps.Now())
	})
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		e.contained(func() { e.tick(e.deps.Now()); e.repeat(e.deps.Now()) })
		timer.Stop()
		var due <-chan time.Time
		if at := e.next(); !at.IsZero() {
			timer.Reset(max(at.Sub(e.deps.Now()), 0))
			due = timer.C
		}
		select {
		case v := <-e.bus:
			e.contained(func() { e.judge(e.deps.Now(), v) })
		case r := <-e.results:
			e.contained(func() { e.delivered(e.deps.Now(), r) })
		case done := <-e.hurries:
			e.drain()
			e.contained(func() { e.hurry(e.deps.Now()) })
			close(done)
		case <-due:
		case <-e.closing:
			e.finish()
			return
		}
	}
}

// Flush judges what the engine was told and fires what is pending, without waiting
// for what might come between, and returns when the channels have sent what they
// hold or ctx is done. The engine goes on; what was not sent is tried again.
func (e *Engine) Flush(ctx context.Context) {
	done := make(chan struct{})
	select {
	case e.hurries <- done:
	case <-e.ended:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
		return
	}
	for _, w := range e.workers {
		w.settle(ctx)
	}
}

// drain judges all that is on the bus.
func (e *Engine) drain() {
	for len(e.bus) > 0 {
		v := <-e.bus
		e.contained(func() { e.judge(e.deps.Now(), v) })
	}
}

// finish does what Close promises.
func (e *Engine) finish() {
	e.drain()
	e.contained(func() { e.last(e.deps.Now()) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, w := range e.workers {
			w.finish()
		}
	}()
	for {
		select {
		case r := <-e.results:
			e.contained(func() { e.delivered(e.deps.Now(), r) })
		case <-done:
			for len(e.results) > 0 {
				r := <-e.results
				e.contained(func() { e.delivered(e.deps.Now(), r) })
			}
			return
		}
	}
}

// contained keeps a panic of ours from ending the program.
func (e *Engine) contained(f func()) {
	defer func() {
		if p := recover(); p != nil {
			e.count.panics.Add(1)
			e.deps.Trouble(&event.Trouble{At: e.deps.Now(), Part: "alert", Kind: "panic", Message: "it panicked: " + clean(fmt.Sprint(p), 200)})
		}
	}()
	f()
}

// next is when there is something to do unasked; zero if never.
func (e *Engine) next() (at time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, in := range e.open {
		sooner(in.deadline)
	}
	for _, h := range e.past {
		sooner(h.settles)
	}
	sooner(e.known.wake)
	sooner(e.repeatAt)
	return at
}

// judge hands an observation to its rules.
func (e *Engine) judge(now time.Time, v any) {
	switch v := v.(type) {
	case failedStatement:
		e.statement(now, v)
	case event.Lock:
		e.lock(now, v)
	case event.Migration:
		e.migration(now, v)
	case event.Run:
		e.runEnded(now, v)
	case event.Look:
		e.look(now, v)
	case event.Finding:
		e.finding(now, v)
	case event.Trouble:
		e.trouble(now, v)
	}
}

// cloneLook copies what a look leads to, since it is kept until it is judged.
func cloneLook(l *event.Look) event.Look {
	c := *l
	c.Tables = append([]string(nil), l.Tables...)
	if l.Lock != nil {
		k := *l.Lock
		c.Lock = &k
	}
	if l.Picture == nil {
		return c
	}
	p := *l.Picture
	p.Session = cloneSession(p.Session)
	p.Blockers, p.Victims = cloneSessions(p.Blockers), cloneSessions(p.Victims)
	p.Held = append([]event.HeldLock(nil), p.Held...)
	p.Missing = append([]event.Missing(nil), p.Missing...)
	if p.Progress != nil {
		g := *p.Progress
		p.Progress = &g
	}
	c.Picture = &p
	return c
}

func cloneSessions(list []event.Session) []event.Session {
	out := make([]event.Session, len(list))
	for i, s := range list {
		out[i] = cloneSession(s)
	}
	return out
}

func cloneSession(s event.Session) event.Session {
	s.BlockedBy = append([]int64(nil), s.BlockedBy...)
	if s.Wait != nil {
		w := *s.Wait
		s.Wait = &w
	}
	return s
}

// Stats is what an engine has done so far.
type Stats struct {
	Changes   map[Change]uint64 // changes of state
	Sent      map[string]uint64 // messages that a channel has taken
	Dropped   map[Drop]uint64   // messages that it has not
	Inhibited uint64            // alerts whose cause was told instead
	Lost      uint64            // observations that came while the bus was full
	Panics    uint64
}

// Change is a label set of Stats.Changes.
type Change struct {
	Rule     string
	Severity event.Severity
	State    event.AlertState
}

// Drop is a label set of Stats.Dropped. Reason is queue_full, rejected (the
// channel said no for good), unreachable (for ten minutes) or closed.
type Drop struct{ Channel, Reason string }

type counts struct {
	mu        sync.Mutex
	changes   map[Change]uint64
	sent      map[string]uint64
	dropped   map[Drop]uint64
	inhibited atomic.Uint64
	panics    atomic.Uint64
}

// Stats may be called by any goroutine.
func (e *Engine) Stats() Stats {
	e.count.mu.Lock()
	defer e.count.mu.Unlock()
	return Stats{
		Changes: maps.Clone(e.count.changes), Sent: maps.Clone(e.count.sent), Dropped: maps.Clone(e.count.dropped),
		Inhibited: e.count.inhibited.Load(), Lost: e.dropped.Load(), Panics: e.count.panics.Load(),
	}
}

func (c *counts) change(k Change)  { add(&c.mu, &c.changes, k) }
func (c *counts) send(name string) { add(&c.mu, &c.sent, name) }
func (c *counts) drop(d Drop)      { add(&c.mu, &c.dropped, d) }

func add[K comparable](mu *sync.Mutex, to *map[K]uint64, k K) {
	mu.Lock()
	defer mu.Unlock()
	if *to == nil {
		*to = map[K]uint64{}
	}
	(*to)[k]++
}
