package sqlwitness

import (
	"context"
	"sync"
)

// tasks are goroutines of ours whose end is waited for. Unlike with a
// sync.WaitGroup more of them may begin meanwhile: a program closes its witness, or
// is told to by a signal, while others still work. The zero value is ready; it is
// safe for concurrent use.
type tasks struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when there is none; nil while nobody waits
}

// begin runs f on a goroutine.
func (t *tasks) begin(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	go func() {
		defer t.ended()
		f()
	}()
}

func (t *tasks) ended() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n == 0 && t.none != nil {
		close(t.none)
		t.none = nil
	}
}

// wait returns once there is none, or with the context's error.
func (t *tasks) wait(ctx context.Context) error {
	t.mu.Lock()
	if t.n == 0 {
		t.mu.Unlock()
		return nil
	}
	if t.none == nil {
		t.none = make(chan struct{})
	}
	none := t.none
	t.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
