package sqlwitness

import (
	"context"
	"database/sql/driver"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// view is how the server is seen from a second connection: a probe.Probe.
type view interface {
	// Session asks a connection for the server's id of its session.
	Session(ctx context.Context, conn driver.Conn) (int64, error)
	// Look sees the sessions and those around them.
	Look(ctx context.Context, sessions []int64) (map[int64]*event.Picture, error)
}

// observer takes pictures of one connector's sessions for the watcher, one at a
// time and on a goroutine of its own: a server that does not answer keeps the
// watcher from nothing.
type observer struct {
	view view
	busy atomic.Bool
}

// pictureLimit bounds how long a picture may take.
const pictureLimit = 2 * time.Second

// photograph asks for a picture of those of the flights that somebody may queue
// behind, and reports whether one is on its way: developed then tells of them.
func (c *connector) photograph(due []*sighting, developed chan<- pictures) bool {
	o := c.observer
	if o == nil || !o.busy.CompareAndSwap(false, true) {
		return false
	}
	p := pictures{}
	var sessions []int64
	for _, s := range due {
		p.of = append(p.of, s.flying)
		id := s.conn.session.id.Load()
		if id != 0 && (c.tracker.Active() || s.text != nil && s.text.locksTables()) {
			sessions = append(sessions, id)
		}
	}
	if len(sessions) == 0 {
		o.busy.Store(false)
		return false
	}
	go func() {
		defer o.busy.Store(false)
		defer c.w.contain("probe")
		ctx, cancel := context.WithTimeout(context.Background(), pictureLimit)
		defer cancel()
		p.bySession, _ = o.view.Look(ctx, sessions) // the probe tells of its own trouble
		select {
		case developed <- p:
		default:
		}
	}()
	return true
}

// identify asks the server, once, which session the connection is: before a
// statement of a run or of a lock, outside any transaction, where one more query
// changes nothing.
func (c *conn) identify(ctx context.Context, t *text) {
	if c.session.asked || c.connector.observer == nil || c.inTx || c.open > 0 || t != nil && t.tx() {
		return
	}
	c.session.asked = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeoutLimit)
	defer cancel()
	if id, err := c.connector.observer.view.Session(ctx, c.parent); err == nil {
		c.session.id.Store(id)
	}
}

// mayIdentify is identify before a transaction of a run.
func (c *conn) mayIdentify(ctx context.Context) {
	if c.connector.observer != nil && c.connector.tracker.Active() {
		defer c.connector.w.contain("probe")
		c.identify(ctx, nil)
	}
}
