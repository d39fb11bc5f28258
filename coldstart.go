package sqlwitness

import (
	"sync"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// coldStart measures what the time goes to from the making of the witness to
// the end of the first run on a connector.
type coldStart struct {
	mu      sync.Mutex
	connect time.Duration // the first connection; 0 while there was none
	applied time.Duration
	over    bool
}

func (s *coldStart) connected(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connect == 0 {
		s.connect = took
	}
}

func (s *coldStart) migrated(m *event.Migration) {
	if m.Outcome == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied += m.Duration
}

// ran returns the measurement at the end of the first run; nil otherwise.
func (s *coldStart) ran(r *event.Run, since time.Time) *event.ColdStart {
	if !r.Finished {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	s.over = true
	apply := min(s.applied, r.Duration)
	lock := min(r.LockWait, r.Duration-apply)
	return &event.ColdStart{
		Trace: r.Trace, Database: r.Database, Tool: r.Tool,
		Total:   r.Start.Add(r.Duration).Sub(since),
		Connect: s.connect, Lock: lock, Check: r.Duration - apply - lock, Apply: apply,
	}
}
