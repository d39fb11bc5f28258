package sqlwitness

import (
	"database/sql/driver"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/metrics"
)

// aftermath is for how long the application is watched after a run.
const aftermath = 30 * time.Second

// impact measures what a run does to the application's own statements on the
// same database, whichever of the witness's connectors they go through. While
// there is one, each of those connectors points to it: to every other statement
// it costs one atomic load.
type impact struct {
	w          *Witness
	elsewhere  bool         // the run is another process's
	connectors []*connector // of the database
	before     metrics.Distribution

	running atomic.Bool // the run is; else it is the time after
	during  *metrics.Recorder
	after   *metrics.Recorder
	slowest atomic.Int64 // duration during the run
	timer   *time.Timer  // of the aftermath; nil before

	mu   sync.Mutex
	ev   event.Impact
	over bool // it has been told, if there was anything to tell
}

// impactOf follows the runs of a connector's tools.
func (c *connector) impactOf(r *event.Run) {
	if r.Finished {
		if i := c.impact.Load(); i != nil && !i.elsewhere {
			i.ends(r.Duration)
		}
		return
	}
	c.impactOver() // another run, before the aftermath of the last was over
	c.w.ran.add(r.RunID)
	c.w.impactBegins(event.Impact{Trace: r.Trace, Database: r.Database, Tool: r.Tool, Start: r.Start})
}

// impactBegins measures from now on what a run does to the connectors of its
// database.
func (w *Witness) impactBegins(ev event.Impact) *impact {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := &impact{w: w, during: metrics.NewRecorder(), after: metrics.NewRecorder(), ev: ev, elsewhere: ev.Evidence != ""}
	i.running.Store(true)
	i.connectors = w.of(ev.Database)
	i.before = w.sinceImpact(ev.Database)
	for _, c := range i.connectors {
		c.impact.Store(i)
	}
	return i
}

// of are the connectors of a database. w.mu is held.
func (w *Witness) of(db event.Database) (list []*connector) {
	for c := range w.connectors {
		if c.db == db {
			list = append(list, c)
		}
	}
	return list
}

// steadyOf is how long the statements of a database have taken while nothing was
// seen to migrate. w.mu is held.
func (w *Witness) steadyOf(db event.Database) metrics.Distribution {
	var sets []*metrics.Connector
	for _, c := range w.of(db) {
		sets = append(sets, c.metrics)
	}
	return metrics.Latency(metrics.Steady, sets...)
}

// sinceImpact is steadyOf since the last impact, or the start. w.mu is held.
func (w *Witness) sinceImpact(db event.Database) metrics.Distribution {
	return w.steadyOf(db).Sub(w.steady[db])
}

// ends begins the aftermath.
func (i *impact) ends(duration time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over || i.timer != nil {
		return
	}
	i.running.Store(false)
	i.ev.Duration = duration
	i.timer = time.AfterFunc(aftermath, i.tell)
}

// statement is told of each statement of the application.
func (i *impact) statement(c *conn, t *text, took int64, err error) {
	defer i.w.contain("impact")
	if !i.running.Load() {
		i.after.Observe(c.id, took, err != nil)
		return
	}
	i.during.Observe(c.id, took, err != nil)
	if took <= i.slowest.Load() {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if took > i.slowest.Load() {
		i.slowest.Store(took)
		i.ev.Slowest = &event.BodyStatement{Operation: t.Operation().String(), Fingerprint: t.FingerprintHex(), Text: t.Redacted,
			Start: c.at(c.now() - took), Duration: time.Duration(took), RowsAffected: -1, Failed: err != nil}
	}
}

// looked notes the longest queue, and whom the run waited for meanwhile.
func (i *impact) looked(k *event.Look) {
	if k.Picture == nil || k.RunID == "" {
		return
	}
	i.pictured(k.Picture, &event.BodyStatement{Operation: k.Operation, Fingerprint: k.Fingerprint, Text: k.Text, Start: k.Start, Duration: k.Age, RowsAffected: -1})
}

func (i *impact) pictured(p *event.Picture, of *event.BodyStatement) {
	queue := p.Queue - p.QueueMigrator
	i.mu.Lock()
	defer i.mu.Unlock()
	if queue > i.ev.Queue {
		i.ev.Queue, i.ev.Worst, i.ev.Blocker = queue, of, nil
	}
	if i.ev.Blocker == nil && queue == i.ev.Queue {
		i.ev.Blocker = root(p)
	}
}

// root is the first of the sessions that a picture's own waits for which waits
// for nobody; nil for none.
func root(p *event.Picture) *event.Session {
	for n := range p.Blockers {
		if b := p.Blockers[n]; b.Wait == nil {
			return &b
		}
	}
	return nil
}

// tell ends the impact, and tells of it if the application did anything during
// the run.
func (i *impact) tell() {
	w := i.w
	defer w.contain("impact")
	w.mu.Lock()
	for _, c := range i.connectors {
		c.impact.CompareAndSwap(i, nil)
	}
	w.steady[i.ev.Database] = w.steadyOf(i.ev.Database)
	w.mu.Unlock()

	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over {
		return
	}
	i.over = true
	if i.timer != nil {
		i.timer.Stop()
	}
	during := i.during.Read()
	if during.Count+during.Failed == 0 {
		return
	}
	i.ev.Before, i.ev.During, i.ev.After = latency(i.before), latency(during), latency(i.after.Read())
	w.each(func(s event.Sink) { s.Impact(&i.ev) })
}

func latency(d metrics.Distribution) event.Latency {
	return event.Latency{Count: d.Count, Failed: d.Failed, P50: d.Quantile(0.5), P99: d.Quantile(0.99)}
}

// impactOver ends what is measured on a connector, which is about to go.
func (c *connector) impactOver() {
	if i := c.impact.Load(); i != nil {
		i.tell()
	}
}

// beside tells an impact of a statement on the short way, which is none of a
// run's, and returns where it is counted. ErrSkip is no answer: database/sql
// prepares the statement and comes again.
func (i *impact) beside(c *conn, t *text, took int64, err error) (metrics.Phase, *metrics.Histogram) {
	if err != driver.ErrSkip { //nolint:errorlint // database/sql compares it so
		i.statement(c, t, took, err)
	}
	if !i.running.Load() {
		return metrics.Steady, t.latency
	}
	return metrics.Migrating, c.connector.metrics.Operation(t.Operation().String(), metrics.Migrating)
}

// ofApplication tells an impact of a statement on the long way, if it can be the
// application's: the run's tool is not seen on its connection, and it is nothing
// that tools send.
func (c *conn) ofApplication(t *text, took int64, err error) {
	if i := c.connector.impact.Load(); i != nil && !t.watched && !c.connector.tracker.Standing(c.id).Own {
		i.statement(c, t, took, err)
	}
}
