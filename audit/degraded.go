package audit

import (
	"context"
	"database/sql"
	"time"
)

// outage is what the database has not taken since the last entry that it took.
// The zero value is none.
type outage struct {
	since         time.Time
	spooled, lost uint64
	because       string // class of the first failure
}

// missed notes entries that the database did not take.
func (s *Store) missed(because string, spooled, lost uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outage == (outage{}) {
		s.outage = outage{since: s.deps.Now(), because: because}
	}
	s.outage.spooled += spooled
	s.outage.lost += lost
}

// confess records, as soon as the database takes entries again, that it did not
// take some: in the tree there is no other trace of what is in the spool alone.
func (s *Store) confess(ctx context.Context) {
	s.mu.Lock()
	o := s.outage
	s.outage = outage{}
	s.mu.Unlock()
	if o == (outage{}) {
		return
	}
	facts := object{"since": timestamp(o.since), "spooled": integer(int64(o.spooled)), "lost": integer(int64(o.lost)), "because": o.because} //nolint:gosec // counts
	err := s.own.do(ctx, func(ctx context.Context, c *sql.Conn) error { return s.noteOn(ctx, c, KindDegraded, facts, noted{}) })
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o.spooled, o.lost = o.spooled+s.outage.spooled, o.lost+s.outage.lost
	s.outage = o
}
