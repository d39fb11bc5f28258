package anchor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	queueSize  = 64               // notes; the newest covers what is dropped
	putTimeout = 5 * time.Second  // of one attempt
	giveUp     = 10 * time.Minute // after so long a note is given up; the next one covers it
)

// Queue hands notes to an anchor in the background. It never blocks who adds
// one, and runs no goroutine while there is nothing to hand over. What is lost
// when the process dies: the notes that are not delivered. The next checkpoint,
// of whatever process, covers them.
type Queue struct {
	anchor Anchor
	now    func() time.Time
	stop   context.CancelFunc
	ctx    context.Context

	mu    sync.Mutex
	notes []queued
	idle  chan struct{} // closed when the goroutine has ended; nil without one
	stats Stats
}

type queued struct {
	note []byte
	at   time.Time
}

// Stats says how an anchor is doing.
type Stats struct {
	Name      string
	Delivered uint64
	Failed    uint64        // notes that were given up
	Dropped   uint64        // notes that newer ones took the place of
	Lag       time.Duration // age of the oldest note that is not delivered; 0 if all are
	Error     string        // why the last attempt failed; "" after one that did not. Safe to log
}

// NewQueue is a queue to an anchor. A nil now is time.Now.
func NewQueue(a Anchor, now func() time.Time) *Queue {
	if now == nil {
		now = time.Now
	}
	q := &Queue{anchor: a, now: now}
	q.ctx, q.stop = context.WithCancel(context.Background())
	return q
}

// Add hands over a note, which must not be changed afterwards. After Close it is
// dropped.
func (q *Queue) Add(note []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ctx.Err() != nil {
		q.stats.Dropped++
		return
	}
	if len(q.notes) == queueSize {
		q.notes = append(q.notes[:0], q.notes[1:]...)
		q.stats.Dropped++
	}
	q.notes = append(q.notes, queued{note, q.now()})
	if q.idle == nil {
		q.idle = make(chan struct{})
		go q.run(q.idle)
	}
}

func (q *Queue) run(idle chan struct{}) {
	defer close(idle)
	for {
		q.mu.Lock()
		if len(q.notes) == 0 {
			q.idle = nil
			q.mu.Unlock()
			return
		}
		next := q.notes[0]
		q.mu.Unlock()
		err := q.put(next.note)
		q.mu.Lock()
		if err != nil {
			q.stats.Failed++
		} else {
			q.stats.Delivered++
		}
		// Unless it was dropped meanwhile.
		if len(q.notes) > 0 && &q.notes[0].note[0] == &next.note[0] {
			q.notes = append(q.notes[:0], q.notes[1:]...)
		}
		q.mu.Unlock()
	}
}

// put tries until the note is kept, the anchor says it never will be, or the
// time is up.
func (q *Queue) put(note []byte) error {
	_, err := backoff.Retry(q.ctx, func() (struct{}, error) {
		ctx, cancel := context.WithTimeout(q.ctx, putTimeout)
		defer cancel()
		err := contained(ctx, q.anchor, note)
		q.note(err)
		return struct{}{}, err
	}, backoff.WithMaxElapsedTime(giveUp))
	return err
}

// contained is Put, whose panic is an error: it would end the program.
func contained(ctx context.Context, a Anchor, note []byte) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = backoff.Permanent(fmt.Errorf("anchor: %s panicked", a.Name()))
		}
	}()
	return a.Put(ctx, note)
}

func (q *Queue) note(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Error = ""
	if err != nil {
		q.stats.Error = err.Error()
	}
}

// Stats returns the counts so far.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Name = q.anchor.Name()
	if len(q.notes) > 0 {
		s.Lag = max(q.now().Sub(q.notes[0].at), 1)
	}
	return s
}

// Close waits until what is queued is delivered or ctx is done, and ends.
func (q *Queue) Close(ctx context.Context) error {
	defer q.stop()
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return errors.New("anchor: " + q.anchor.Name() + " has not taken every checkpoint")
	}
}
