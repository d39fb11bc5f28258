package eventlog

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// queue carries lines to the one goroutine that writes them.
type queue struct {
	out   io.Writer
	lines chan *line
	done  chan struct{} // closed when everything is written
	pool  sync.Pool

	mu     sync.Mutex // guards lines against a send after its close
	closed bool

	dropped, failed atomic.Uint64
	loss            loss
	stuck           atomic.Bool // a line was waited for in vain, and none written since
}

// line is one line, its line feed included.
type line struct {
	bytes   []byte
	written chan struct{} // closed when it is; nil if nobody waits
}

// patience is how long the end of a migration waits for its line.
const patience = 10 * time.Millisecond

// maxPooled keeps a buffer that a very long line has grown from staying.
const maxPooled = 16 << 10

func newQueue(out io.Writer, size int, lost func(*event.Trouble)) *queue {
	q := &queue{out: out, lines: make(chan *line, size), done: make(chan struct{})}
	q.loss.tell = lost
	q.pool.New = func() any { return new(line) }
	go q.run()
	return q
}

func (q *queue) run() {
	defer close(q.done)
	for l := range q.lines {
		switch err := q.write(l.bytes); {
		case err != nil:
			q.failed.Add(1)
			q.loss.begins(&outputFailed)
		case len(q.lines) <= cap(q.lines)/2: // the next line is not dropped either
			q.loss.ends()
		}
		q.stuck.Store(false)
		if l.written != nil {
			close(l.written)
			l.written = nil
		}
		if cap(l.bytes) <= maxPooled {
			q.pool.Put(l)
		}
	}
}

var errPanicked = errors.New("eventlog: the output panicked")

func (q *queue) write(b []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	_, err = q.out.Write(b)
	return err
}

// put queues a copy of a line, or drops it: the newest, because the oldest tell
// how it began.
func (q *queue) put(b []byte, written chan struct{}) (queued bool) {
	l := q.pool.Get().(*line)
	l.bytes, l.written = appendPrintable(l.bytes[:0], b), written
	q.mu.Lock()
	closed := q.closed
	if !closed {
		select {
		case q.lines <- l:
			queued = true
		default:
		}
	}
	q.mu.Unlock()
	if !queued {
		q.dropped.Add(1)
		if !closed {
			q.loss.begins(&queueFull)
		}
		l.written = nil
		q.pool.Put(l)
	}
	return queued
}

// putAndWait queues a line and waits a little for it to be written.
func (q *queue) putAndWait(b []byte) {
	written := make(chan struct{})
	if !q.put(b, written) || q.stuck.Load() {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-written:
	case <-timer.C:
		q.stuck.Store(true)
	}
}

func (q *queue) close(ctx context.Context) error {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.lines)
	}
	q.mu.Unlock()
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// laterWriter and awaitsWriter are the ends of the queue that zerolog writes to.
// They never fail: zerolog would complain on stderr.
type (
	laterWriter  struct{ q *queue }
	awaitsWriter struct{ q *queue }
)

func (w laterWriter) Write(b []byte) (int, error) {
	w.q.put(b, nil)
	return len(b), nil
}

func (w awaitsWriter) Write(b []byte) (int, error) {
	w.q.putAndWait(b)
	return len(b), nil
}
