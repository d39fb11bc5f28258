package eventlog

import (
	"sync"
	"time"
)

// A fingerprint's first lines tell what there is to know, and a few of the later
// ones that it still goes on.
const (
	limitBurst  = 5           // lines per key and window
	limitEvery  = 100         // one in so many beyond them
	limitWindow = time.Minute // from the first line
	limitKeys   = 1024        // keys told apart; all further ones share one budget
)

type limitKey struct{ event, fingerprint string }

// limiter decides which of many similar lines are written. It is safe for
// concurrent use and its memory is bounded.
type limiter struct {
	mu    sync.Mutex
	keys  map[limitKey]*window
	rest  window
	swept time.Time
	total uint64 // suppressed, of all keys
}

type window struct {
	start      time.Time
	seen       uint64 // in this window
	suppressed uint64 // since the last line that passed
}

func newLimiter() *limiter { return &limiter{keys: map[limitKey]*window{}} }

// allow decides about one line and tells how many of its key were suppressed
// since the last one that passed.
func (l *limiter) allow(now time.Time, key limitKey) (ok bool, suppressed uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.window(now, key)
	if now.Sub(w.start) >= limitWindow {
		w.start, w.seen = now, 0
	}
	w.seen++
	if w.seen > limitBurst && (w.seen-limitBurst)%limitEvery != 0 {
		w.suppressed++
		l.total++
		return false, 0
	}
	suppressed, w.suppressed = w.suppressed, 0
	return true, suppressed
}

func (l *limiter) suppressed() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

func (l *limiter) window(now time.Time, key limitKey) *window {
	if w, ok := l.keys[key]; ok {
		return w
	}
	if len(l.keys) >= limitKeys {
		l.sweep(now)
	}
	if len(l.keys) >= limitKeys {
		return &l.rest
	}
	w := &window{start: now}
	l.keys[key] = w
	return w
}

// sweep forgets the keys whose window is over; not more than once in a window,
// because it looks at all of them.
func (l *limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < limitWindow {
		return
	}
	l.swept = now
	for k, w := range l.keys {
		if now.Sub(w.start) >= limitWindow {
			delete(l.keys, k)
		}
	}
}
