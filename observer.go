package sqlwitness

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/migrator"
	"github.com/sqlwitness/sqlwitness/probe"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// view is how the server is seen from a second connection: a *probe.Probe.
type view interface {
	Session(ctx context.Context, conn driver.Conn) (int64, error)
	Look(ctx context.Context, sessions []probe.Asked) (map[int64]*event.Picture, error)
	Baseline(ctx context.Context) (probe.Baseline, error)
	Usage(ctx context.Context) (probe.Usage, error)
	Elsewhere(ctx context.Context, locks []probe.MigrationLock, read func(context.Context, *sql.Conn) error) (probe.Signs, error)
	Residue(ctx context.Context, before probe.Baseline, sessions []int64, ended time.Time) ([]event.Finding, error)
	Close() error
}

// observer looks at the server for one connector, on goroutines of its own: a
// server that does not answer keeps neither a statement nor the watcher.
type observer struct {
	w    *Witness
	view view
	busy atomic.Bool // a picture is being taken

	background tasks
	mu         sync.Mutex
	ended      bool
	before     chan beforehand    // of the run that is open; nil before its first migration
	sessions   map[int64]struct{} // of the run
	mind       *time.Timer        // until migrations' locks that are held are looked at; nil while none is
}

// beforehand is how the server was as a run's first migration began.
type beforehand struct {
	baseline probe.Baseline
	usage    probe.Usage
}

const (
	pictureLimit = 2 * time.Second
	// residueWait is how long the end of a connector waits for the look at what
	// its last run has left behind.
	residueWait = 500 * time.Millisecond
)

// newObserver makes the observer of a connector; nil where there is nothing to
// see, or nobody wants to.
func (w *Witness) newObserver(c *connector) *observer {
	if w.cfg.NoProbe {
		return nil
	}
	p := probe.Open(c.db, c.parent.Connect, probe.Deps{
		Now:      time.Now,
		Redact:   func(sql string) string { return sqltext.Analyze(sql, c.dialect).Redacted },
		Migrates: func(sql string) bool { return migrator.OnVersionTable(sqltext.Analyze(sql, c.dialect)) },
		DDL:      func(sql string) bool { return changesTables(sql, c.dialect) },
		Trouble:  w.trouble,
	})
	if !p.Supported() {
		return nil
	}
	return &observer{w: w, view: p}
}

// photograph asks for a picture of those of the flights that somebody may queue
// behind, and reports whether one is on its way: developed then tells of them.
func (c *connector) photograph(due []*sighting, developed chan<- pictures) bool {
	o := c.observer
	if o == nil || !o.busy.CompareAndSwap(false, true) {
		return false
	}
	p := pictures{}
	var sessions []probe.Asked
	for _, s := range due {
		p.of = append(p.of, s.flying)
		id := s.conn.session.id.Load()
		if id == 0 || s.lock == nil && !c.tracker.Active() && !s.text.locksTables() {
			continue
		}
		asked := probe.Asked{Session: id}
		if s.lock != nil {
			asked.Lock, asked.Migration = s.lock.Key, c.tracker.Locks(s.conn.id, s.lock.Key)
		}
		sessions = append(sessions, asked)
	}
	if len(sessions) == 0 {
		o.busy.Store(false)
		return false
	}
	begun := o.begin(func() {
		defer o.busy.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), pictureLimit)
		defer cancel()
		p.bySession, _ = o.view.Look(ctx, sessions) // the probe tells of its own trouble
		select {
		case developed <- p:
		default:
		}
	})
	if !begun {
		o.busy.Store(false)
	}
	return begun
}

// begin runs f on a goroutine, unless the observer has ended.
func (o *observer) begin(f func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return false
	}
	o.background.begin(func() {
		defer o.w.contain("probe")
		f()
	})
	return true
}

// identify asks the server, once, which session the connection is: before a
// statement of a run or of a lock, outside any transaction, where one more query
// changes nothing. It ends with the context of that statement, see readTimeouts.
func (c *conn) identify(ctx context.Context, t *text) {
	o := c.connector.observer
	if o == nil || c.inTx || c.byText || c.open > 0 || t != nil && t.tx() {
		return
	}
	if !c.session.asked {
		c.session.asked = true
		if id, err := o.view.Session(ctx, c.parent); err == nil {
			c.session.id.Store(id)
		}
	}
}

// ofRun notes the connection's session as one of the run's: its tool works there.
// That of another lock, or of the application, is not to be blamed on it.
func (c *conn) ofRun() {
	if o := c.connector.observer; o != nil && c.connector.tracker.Active() && c.connector.tracker.Standing(c.id).Own {
		o.noted(c.session.id.Load())
	}
}

// mayIdentify is identify before a transaction of a run.
func (c *conn) mayIdentify(ctx context.Context) {
	if c.connector.observer != nil && c.connector.tracker.Active() {
		defer c.connector.w.contain("probe")
		c.identify(ctx, nil)
	}
}

// noted keeps a session as one of the run's.
func (o *observer) noted(id int64) {
	if id == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sessions == nil {
		o.sessions = map[int64]struct{}{}
	}
	o.sessions[id] = struct{}{}
}

// migrates notes, at the start of a run's first migration, what lies about that
// the run is not to be blamed for, and what the server has used up so far.
func (o *observer) migrates() {
	if o == nil {
		return
	}
	o.mu.Lock()
	begun := o.before != nil
	before := make(chan beforehand, 1)
	if !begun {
		o.before = before
	}
	o.mu.Unlock()
	if begun {
		return
	}
	o.begin(func() {
		ctx, cancel := context.WithTimeout(context.Background(), pictureLimit)
		defer cancel()
		var b beforehand
		b.baseline, _ = o.view.Baseline(ctx) // where there is none, no index is blamed on anybody
		b.usage, _ = o.view.Usage(ctx)       // and nothing is known of what the run used up
		before <- b
	})
}

// ran looks, at the end of a run that migrated, for what it has left behind, and
// what the server has used up meanwhile.
func (o *observer) ran(r *event.Run, found func(event.Finding), used func(event.Resources)) {
	if o == nil {
		return
	}
	o.mu.Lock()
	before, sessions := o.before, o.sessions
	o.before, o.sessions = nil, nil
	o.mu.Unlock()
	if before == nil {
		return
	}
	ids := make([]int64, 0, len(sessions))
	for id := range sessions {
		ids = append(ids, id)
	}
	run, ended := *r, r.Start.Add(r.Duration)
	o.begin(func() {
		ctx, cancel := context.WithTimeout(context.Background(), pictureLimit)
		defer cancel()
		select {
		case b := <-before:
			findings, _ := o.view.Residue(ctx, b.baseline, ids, ended)
			for _, f := range findings {
				f.Trace = run.Trace
				found(f)
			}
			if after, err := o.view.Usage(ctx); err == nil {
				usedUp(&run, b.usage, after, used)
			}
		case <-ctx.Done():
		}
	})
}

// close ends the observer, after it has looked at what the last run has left
// behind, if that does not take long.
func (o *observer) close() {
	if o == nil {
		return
	}
	o.mu.Lock()
	o.ended = true
	if o.mind != nil {
		o.mind.Stop()
	}
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), residueWait)
	defer cancel()
	_ = o.background.wait(ctx)
	_ = o.view.Close() // ends what is still under way
}
