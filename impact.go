package sqlwitness

import (
	"database/sql/driver"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/dashboard"
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
	rate       float64 // calls per second before

	began   int64        // of the measuring, by the witness's clock
	running atomic.Bool  // the run is; else it is the time after
	ended   atomic.Int64 // of the run, by the witness's clock; 0 before
	during  *metrics.Recorder
	after   *metrics.Recorder
	slowest atomic.Int64 // duration during the run
	timer   *time.Timer  // of the aftermath; nil before

	mu       sync.Mutex
	ev       event.Impact
	answered uint64 // calls until the run's end
	over     bool   // it has been told, if there was anything to tell
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
// database. Another process's gives way to this one's, which may have begun while
// the server was being asked: then it is nil.
func (w *Witness) impactBegins(ev event.Impact) *impact {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ev.Evidence != "" && w.migrates(ev.Database) {
		return nil
	}
	i := &impact{w: w, began: w.now(), during: metrics.NewRecorder(), after: metrics.NewRecorder(), ev: ev, elsewhere: ev.Evidence != ""}
	i.running.Store(true)
	i.connectors = w.of(ev.Database)
	i.before = w.sinceImpact(ev.Database)
	if p := w.paces[ev.Database]; p != nil {
		i.rate = p.perSecond(i.began, w.steadyOf(ev.Database).Calls())
	}
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
	i.w.mu.Lock()
	delete(i.w.paces, i.ev.Database) // the run is not to count as a pause of the calls
	i.w.mu.Unlock()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over || i.timer != nil {
		return
	}
	i.ended.Store(i.w.now())
	i.running.Store(false)
	i.answered = i.during.Read().Calls()
	i.ev.Duration = duration
	i.timer = time.AfterFunc(aftermath, i.tell)
}

// statement is told of each statement of the application. It is the run's affair
// if it was in flight during any of it.
func (i *impact) statement(c *conn, t *text, took int64, err error) {
	defer i.w.contain("impact")
	if !i.running.Load() && c.now()-took >= i.ended.Load() {
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
	if !i.finish() {
		return
	}
	w.mu.Lock()
	for _, c := range i.connectors {
		c.impact.CompareAndSwap(i, nil)
	}
	w.steady[i.ev.Database] = w.steadyOf(i.ev.Database)
	w.mu.Unlock()

	i.mu.Lock()
	defer i.mu.Unlock()
	if i.measure(); i.ev.During.P99 == 0 && i.ev.During.Failed == 0 {
		return // the application did nothing
	}
	told := i.ev // a page that is asked for just now may still measure
	w.each(func(s event.Sink) { s.Impact(&told) })
}

// measure completes what is told, with what has not been answered yet. i.mu is
// held.
func (i *impact) measure() {
	now, end := i.w.now(), i.ended.Load()
	during, after := i.during.Read(), i.after.Read()
	answered := i.answered
	if end == 0 {
		end, answered = now, during.Calls()
	}
	i.ev.Before, i.ev.During, i.ev.After = latency(i.before), latency(during), latency(after)
	waiting := during.Add(i.unanswered(now, end))
	i.ev.During.P50, i.ev.During.P99 = waiting.Quantile(0.5), waiting.Quantile(0.99)
	i.ev.Before.Rate = i.rate
	i.ev.During.Rate = perSecond(answered, end-i.began)
	if now > end {
		i.ev.After.Rate = perSecond(after.Calls(), now-end)
	}
}

// unanswered are the calls of the application that were in flight at the end of
// the run and still are, by their age.
func (i *impact) unanswered(now, end int64) metrics.Distribution {
	r := metrics.NewRecorder()
	for _, c := range i.connectors {
		c.mu.Lock()
		for conn := range c.conns {
			if t, start := conn.flight.read(); t != nil && start < end && conn.isApplication(t) {
				r.Observe(conn.id, now-start, false)
			}
		}
		c.mu.Unlock()
	}
	return r.Read()
}

// long is when a call in flight counts as unanswered.
const long = time.Second

// flown notes how many calls have been in flight for long, among all that are.
func (w *watcher) flown(flights []flying, now int64) {
	count := map[*impact]int{}
	for _, f := range flights {
		if f.text == nil || f.idle || f.lock != nil || now-f.start < int64(long) || !f.conn.isApplication(f.text) {
			continue
		}
		if i := f.connector.impact.Load(); i != nil && i.running.Load() {
			count[i]++
		}
	}
	for i, n := range count {
		i.mu.Lock()
		i.ev.Unanswered = max(i.ev.Unanswered, n)
		i.mu.Unlock()
	}
}

// isApplication reports whether a statement can be the application's: the run's
// tool is not seen on its connection, and it is nothing that tools send.
func (c *conn) isApplication(t *text) bool {
	return !t.watched && !c.connector.tracker.Standing(c.id).Own
}

// impacts are those of the runs that go on or have just ended, as far as they
// have come.
func (w *Witness) impacts() (list []dashboard.Impact) {
	w.mu.Lock()
	seen := map[*impact]bool{}
	for c := range w.connectors {
		if i := c.impact.Load(); i != nil {
			seen[i] = true
		}
	}
	w.mu.Unlock()
	for i := range seen {
		list = append(list, i.soFar())
	}
	return list
}

// soFar is what would be told now.
func (i *impact) soFar() dashboard.Impact {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.measure()
	out := dashboard.Impact{Impact: i.ev, Running: i.ended.Load() == 0}
	if out.Running {
		out.Duration = time.Since(i.ev.Start)
	}
	return out
}

// finish makes an impact over, and reports false where it was.
func (i *impact) finish() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over {
		return false
	}
	i.over = true
	if i.timer != nil {
		i.timer.Stop()
	}
	return true
}

func latency(d metrics.Distribution) event.Latency {
	return event.Latency{Count: d.Count, Failed: d.Failed, P50: d.Quantile(0.5), P99: d.Quantile(0.99)}
}

func perSecond(calls uint64, span int64) float64 {
	if span <= 0 {
		return 0
	}
	return float64(calls) / time.Duration(span).Seconds()
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
// application's.
func (c *conn) ofApplication(t *text, took int64, err error) {
	if i := c.connector.impact.Load(); i != nil && c.isApplication(t) {
		i.statement(c, t, took, err)
	}
}
