package sqlwitness

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// watcher looks at what is in flight while it is: one goroutine per witness,
// started by the first statement after a pause and gone after one. It reads the
// connections' flights and never waits for a statement, a sink's I/O or a server.
// All looks are told by it, so that those at one statement come in order.
type watcher struct {
	w        *Witness
	on       atomic.Bool
	pictures chan pictures // from the probes; what comes too late is dropped
	closed   chan struct{}
	shut     func()

	mu   sync.Mutex           // held by a round; Close makes the last one
	seen map[uint64]*sighting // by connection
}

// sighting is what the watcher has seen of one flight.
type sighting struct {
	flying
	next   time.Duration // the age at which it is looked at again
	number int
	last   *event.Picture
	told   bool
}

// flying is one flight as it was read.
type flying struct {
	connector *connector
	conn      *conn
	start     int64
	text      *text
	idle      bool        // the transaction is open and no statement runs
	lock      *event.Lock // asked for, or polled for
}

// pictures is what a probe has brought of the sessions of one connector.
type pictures struct {
	of        []flying
	bySession map[int64]*event.Picture
}

const (
	// tick is how often the flights are read. What is done within one is not seen.
	tick = firstLook
	// patience is how many ticks without any flight end the watcher: an
	// application that sends a statement now and then does not start it each time.
	patience = 8
)

func newWatcher(w *Witness) *watcher {
	closed := make(chan struct{})
	return &watcher{w: w, pictures: make(chan pictures, 16), closed: closed, shut: sync.OnceFunc(func() { close(closed) }), seen: map[uint64]*sighting{}}
}

// close ends the watcher after one more round: what has ended is told of.
func (w *watcher) close() {
	w.shut()
	w.contained(func() { w.round() })
}

// wake starts the watcher. It is called for every statement that finds it off.
func (w *watcher) wake() {
	if w.on.CompareAndSwap(false, true) {
		go w.run()
	}
}

func (w *watcher) run() {
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for quiet := 0; ; {
		select {
		case <-w.closed:
			return // on stays on, so that no statement starts it again
		case p := <-w.pictures:
			w.contained(func() { w.developed(p) })
		case <-timer.C:
			quiet++
			w.contained(func() {
				if w.round() {
					quiet = 0
				}
			})
			if quiet < patience {
				continue
			}
			// A statement that took off before it could see on go down is found by
			// one more look; one that took off after it wakes the watcher itself.
			w.on.Store(false)
			if len(w.flights()) == 0 || !w.on.CompareAndSwap(false, true) {
				w.w.lookAway()
				return
			}
			quiet = 0
		}
	}
}

func (w *watcher) contained(f func()) {
	defer w.w.contain("watcher")
	f()
}

// round reads the flights once, and reports whether there are any.
func (w *watcher) round() (some bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.w.now()
	flights := w.flights()
	present := map[uint64]bool{}
	due := map[*connector][]*sighting{}
	for _, f := range flights {
		present[f.conn.id] = true
		s := w.seen[f.conn.id]
		if s != nil && (s.start != f.start || s.text != f.text || s.idle != f.idle) {
			w.done(s, now)
			s = nil
		}
		if s == nil {
			s = &sighting{flying: f, next: firstLook}
			w.seen[f.conn.id] = s
		}
		s.lock = f.lock
		if age := time.Duration(now - s.start); age >= s.next {
			s.next = age + s.pause(age)
			due[f.connector] = append(due[f.connector], s)
		}
	}
	for id, s := range w.seen {
		if !present[id] {
			w.done(s, now)
			delete(w.seen, id)
		}
	}
	for c, list := range due {
		if !c.photograph(list, w.pictures) {
			for _, s := range list {
				w.tell(s, now, false)
			}
		}
	}
	w.flown(flights, now)
	w.w.keepPace(now)
	w.w.lookAround(now)
	return len(flights) > 0
}

// developed tells of what a probe has brought, as far as it is still in flight.
func (w *watcher) developed(p pictures) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.w.now()
	for _, f := range p.of {
		s := w.seen[f.conn.id]
		if s == nil || s.start != f.start || s.text != f.text {
			continue
		}
		if picture := p.bySession[f.conn.session.id.Load()]; picture != nil {
			s.last = picture
		} else {
			s.last = nil
		}
		w.tell(s, now, false)
	}
}

// done tells of the end of a flight that was told of.
func (w *watcher) done(s *sighting, now int64) {
	if s.told {
		w.tell(s, now, true)
	}
}

func (w *watcher) tell(s *sighting, now int64, done bool) {
	s.number++
	s.told = true
	look := s.look(now)
	look.Done = done
	w.w.each(func(sink event.Sink) { sink.Look(look) })
	if i := s.connector.impact.Load(); i != nil {
		i.looked(look)
	}
}

// look describes a flight for the sinks.
func (s *sighting) look(now int64) *event.Look {
	c := s.connector
	standing := c.tracker.Standing(s.conn.id)
	k := &event.Look{
		Trace: standing.Trace, Database: c.db, ConnID: s.conn.id,
		Tool: standing.Tool, Version: standing.Version,
		Phase: s.conn.phase().String(),
		Start: s.conn.at(s.start), Age: time.Duration(now - s.start), Number: s.number,
		Picture: s.last,
	}
	if t := s.text; t != nil {
		k.Operation, k.Class, k.Summary = t.Operation().String(), t.Class().String(), t.Summary
		k.Fingerprint, k.Text, k.Tables = t.FingerprintHex(), t.Redacted, t.tables()
	}
	if s.idle {
		k.Operation, k.Class, k.Summary = "IDLE IN TRANSACTION", "tx", "idle in transaction after "+k.Summary
	}
	if s.lock != nil {
		lock := *s.lock
		lock.Trace, lock.Wait = k.Trace, k.Age
		k.Lock = &lock
	}
	return k
}

// flights reads what is in flight now, of every connection.
func (w *watcher) flights() []flying {
	w.w.mu.Lock()
	defer w.w.mu.Unlock()
	var all []flying
	for c := range w.w.connectors {
		polled := c.locks.polled()
		c.mu.Lock()
		for conn := range c.conns {
			if f, ok := conn.flying(polled[conn.id]); ok {
				all = append(all, f)
			}
		}
		c.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b flying) int { return int(a.conn.id) - int(b.conn.id) })
	return all
}

// flying reads what a connection has in flight. A lock that is polled for is in
// flight from its first attempt to its last.
func (c *conn) flying(polled *event.Lock) (flying, bool) {
	f := flying{connector: c.connector, conn: c}
	if polled != nil {
		f.start, f.lock = int64(polled.Start.Sub(c.base)), polled
		return f, true
	}
	if f.text, f.start = c.flight.read(); f.text != nil {
		f.lock = c.flight.lock.Load()
		return f, true
	}
	if h := c.flight.holds.Load(); h != nil {
		f.text, f.start, f.idle = h.text, h.since, true
		return f, true
	}
	return f, false
}

// statements counts those in flight and tells the age of the oldest.
func (w *watcher) statements() (n int, oldest time.Duration) {
	now := w.w.now()
	w.w.mu.Lock()
	defer w.w.mu.Unlock()
	for c := range w.w.connectors {
		c.mu.Lock()
		for conn := range c.conns {
			if t, start := conn.flight.read(); t != nil {
				n++
				oldest = max(oldest, time.Duration(now-start))
			}
		}
		c.mu.Unlock()
	}
	return n, oldest
}

const (
	firstLook = 250 * time.Millisecond
	fastLook  = 500 * time.Millisecond
	heldLook  = time.Second
	slowLook  = 2 * time.Second
)

// pause is how long after a look the next one is due: as long as the flight was
// old, but 2 s at most; 1 s where it holds tables, so that a queue behind it is
// seen within its first second; 500 ms while there is one, or while it waits for
// more than its turn among the replicas, or while an index is
// built concurrently, because a deadlock of that with a waiting replica is
// resolved by the server within a second.
func (s *sighting) pause(age time.Duration) time.Duration {
	limit := slowLook
	switch p := s.last; {
	case s.text != nil && s.text.concurrently(), p != nil && (p.Queue > p.QueueMigrator || p.Session.Wait != nil && s.lock == nil):
		limit = fastLook
	case s.text != nil && s.text.locksTables():
		limit = heldLook
	}
	return min(age, limit)
}
