package probe

import (
	"context"
	"database/sql"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// Usage is what a server has used up so far, by its own counters. What it does
// not count, or does not tell this role, is nil. The zero value knows nothing.
type Usage struct {
	at    time.Time
	since string // when the counters were last set to zero; "" where that is not known

	size      *int64 // bytes of the database's files
	wal       *int64
	hit, read *int64
	temp      *int64
	deadlocks *int64
	lag       *float64 // seconds

	missing []event.Missing
}

// meter is a system that counts what is used up.
type meter interface {
	usage(ctx context.Context, c *sql.Conn) (Usage, error)
}

// Usage reads the counters. Take it before a run's first migration and after
// its end, not in between: the size of a database is asked of each of its files.
// It waits for no lock. What a server refuses is left out and is no error. While
// the probe rests it is the zero Usage.
func (p *Probe) Usage(ctx context.Context) (Usage, error) {
	if p == nil {
		return Usage{}, nil
	}
	m, ok := p.system.(meter)
	if !ok {
		return Usage{}, nil
	}
	var u Usage
	if asked, err := p.use(ctx, func(ctx context.Context, c *sql.Conn) (err error) {
		u, err = m.usage(ctx, c)
		return err
	}); !asked || err != nil {
		return Usage{}, err
	}
	u.at = p.deps.Now()
	return u, nil
}

// At is when the counters were read; the zero time where they were not.
func (u Usage) At() time.Time { return u.at }

// Since is what was used up between two readings of one server. It has no Trace
// yet.
func (u Usage) Since(before Usage) event.Resources {
	r := event.Resources{
		Start: before.at, Duration: u.at.Sub(before.at),
		SizeBefore: before.size, SizeAfter: u.size,
		WALBytes: rise(before.wal, u.wal),
		Missing:  u.missing,
	}
	if u.lag != nil {
		r.ReplicationLag = new(seconds(u.lag))
	}
	if u.since != before.since {
		return r // the statistics were set to zero in between
	}
	r.BlocksHit, r.BlocksRead = rise(before.hit, u.hit), rise(before.read, u.read)
	r.TempBytes, r.Deadlocks = rise(before.temp, u.temp), rise(before.deadlocks, u.deadlocks)
	return r
}

// rise is by how much a counter has risen; nil where that is not known, or where
// it fell, because the server started anew.
func rise(before, after *int64) *int64 {
	if before == nil || after == nil || *after < *before {
		return nil
	}
	return new(*after - *before)
}
