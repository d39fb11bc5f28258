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
	connectors []*connector // of the database
	before     metrics.Distribution

	running atomic.Bool // the run is; else it is the time after
	during  *metrics.Recorder
	after   *metrics.Recorder
	slowest atomic.Int64 // duration during the run
	timer   *time.Timer

	mu   sync.Mutex
	ev   event.Impact
	told bool
}

// impactOf follows the runs of a connector's tools.
func (c *connector) impactOf(r *event.Run) {
	if r.Finished {
		c.impactEnds(r)
		return
	}
	c.impactOver() // another run, before the aftermath of the last was over
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	i := &impact{w: w, during: metrics.NewRecorder(), after: metrics.NewRecorder(),
		ev: event.Impact{Trace: r.Trace, Database: r.Database, Tool: r.Tool, Start: r.Start}}
	i.running.Store(true)
	var sets []*metrics.Connector
	for other := range w.connectors {
		if other.db == c.db {
			i.connectors = append(i.connectors, other)
			sets = append(sets, other.metrics)
		}
	}
	steady := metrics.Latency(metrics.Steady, sets...)
	i.before = steady.Sub(w.steady[c.db])
	for _, other := range i.connectors {
		other.impact.Store(i)
	}
}

func (c *connector) impactEnds(r *event.Run) {
	i := c.impact.Load()
	if i == nil || !i.running.CompareAndSwap(true, false) {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ev.Duration = r.Duration
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

// looked notes the longest queue.
func (i *impact) looked(k *event.Look) {
	if k.Picture == nil || k.RunID == "" {
		return
	}
	queue := k.Picture.Queue - k.Picture.QueueMigrator
	i.mu.Lock()
	defer i.mu.Unlock()
	if queue > i.ev.Queue {
		i.ev.Queue = queue
		i.ev.Worst = &event.BodyStatement{Operation: k.Operation, Fingerprint: k.Fingerprint, Text: k.Text, Start: k.Start, Duration: k.Age, RowsAffected: -1}
	}
}

// tell ends the impact, and tells of it if the application did anything during
// the run.
func (i *impact) tell() {
	w := i.w
	defer w.contain("impact")
	w.mu.Lock()
	var sets []*metrics.Connector
	for _, c := range i.connectors {
		c.impact.CompareAndSwap(i, nil)
		sets = append(sets, c.metrics)
	}
	w.steady[i.ev.Database] = metrics.Latency(metrics.Steady, sets...)
	w.mu.Unlock()

	i.mu.Lock()
	defer i.mu.Unlock()
	if i.timer != nil {
		i.timer.Stop()
	}
	during := i.during.Read()
	if i.told || during.Count+during.Failed == 0 {
		return
	}
	i.told = true
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
