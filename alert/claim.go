package alert

import (
	"context"
	"slices"
	"sync"

	"github.com/sqlwitness/sqlwitness/event"
)

// Claims keep replicas from telling the same thing twice in a channel that does
// not know duplicates itself (a chat). They are asked right before sending, by
// several goroutines at once, and may do I/O. An error counts as a yes: twice is
// better than never.
type Claims interface {
	// Claim reports whether the caller is the one to send a notice.
	Claim(context.Context, Notice) (bool, error)
	// Release gives back a claim on what could not be sent. A claim that is neither
	// used nor given back, because its process died, silences the notice: a store
	// of claims lets them expire.
	Release(context.Context, Notice) error
}

// Notice is one message to one channel: the same on every replica.
type Notice struct {
	Fingerprint string
	Episode     int
	Channel     string
	State       event.AlertState
	Severity    event.Severity
}

// LocalClaims are those of one process.
type LocalClaims struct {
	mu    sync.Mutex
	taken map[Notice]bool
	order []Notice
}

// NewLocalClaims remembers the last 4096 notices.
func NewLocalClaims() *LocalClaims { return &LocalClaims{taken: map[Notice]bool{}} }

const maxClaims = 4096

// Claim says yes the first time.
func (c *LocalClaims) Claim(_ context.Context, n Notice) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken[n] {
		return false, nil
	}
	if len(c.order) == maxClaims {
		delete(c.taken, c.order[0])
		c.order = c.order[1:]
	}
	c.taken[n] = true
	c.order = append(c.order, n)
	return true, nil
}

// Release lets the next one say yes again.
func (c *LocalClaims) Release(_ context.Context, n Notice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.taken, n)
	c.order = slices.DeleteFunc(c.order, func(o Notice) bool { return o == n })
	return nil
}
