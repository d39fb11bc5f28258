package eventlog

import (
	"sync"
	"sync/atomic"

	"github.com/sqlwitness/sqlwitness/event"
)

// loss is whether lines are lost at present, and who is told when that begins and
// ends. It is told on a goroutine of its own: it is found out on the way of a
// statement, or by the one goroutine that writes.
type loss struct {
	now  atomic.Pointer[event.Trouble] // nil while none are
	tell func(*event.Trouble)          // nil: nobody

	mu   sync.Mutex
	told *event.Trouble
}

// What lines are lost by.
var (
	queueFull    = event.Trouble{Part: "log", Kind: "queue_full", Message: "log lines are dropped: the output takes them too slowly, or not at all", Hint: "see what the log is written to"}
	outputFailed = event.Trouble{Part: "log", Kind: "output", Message: "log lines are lost: the output answers with an error", Hint: "see what the log is written to"}
)

func (l *loss) begins(by *event.Trouble) {
	if l.now.CompareAndSwap(nil, by) && l.tell != nil {
		go l.report()
	}
}

func (l *loss) ends() {
	if l.now.Load() != nil && l.now.Swap(nil) != nil && l.tell != nil {
		go l.report()
	}
}

// report tells what is so now, unless that is what was told last.
func (l *loss) report() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now.Load()
	if l.told != nil && l.told != now {
		over := *l.told
		over.Message, over.Hint, over.Over = "log lines are written again", "", true
		l.tell(&over)
	}
	if now != nil && l.told != now {
		begun := *now
		l.tell(&begun)
	}
	l.told = now
}
