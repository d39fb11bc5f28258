package sqlwitness

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/eventlog"
	"github.com/sqlwitness/sqlwitness/metrics"
	"github.com/sqlwitness/sqlwitness/migrator"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// Witness watches the connections of the drivers that it wraps. Make one with
// New; it is safe for concurrent use. Programs that import a package under
// drivers/ have one already, see Default.
type Witness struct {
	cfg       Config
	base      time.Time // the zero of its clock; no reading is zero
	log       *eventlog.Log
	metrics   *metrics.Set
	alerts    *alert.Engine
	page      *dashboard.Dashboard
	publisher *publisher // nil unless Config.PushURL or Textfile is set
	sinks     []event.Sink
	wired     chan struct{} // closed once the sinks are known
	server    *server       // nil unless Config.Listen is set
	connID    atomic.Uint64
	watcher   *watcher
	deaf      func() // ends the waiting for signals; nil unless Config.FlushOnSignal

	background tasks // what is recorded off the statements' path

	mu         sync.Mutex
	connectors map[*connector]struct{}
	made       map[event.Database][]string             // tables of DDL outside migrations
	dropped    map[alert.Drop]uint64                   // messages that the metrics have
	steady     map[event.Database]metrics.Distribution // at the end of the last impact
	paces      map[event.Database]*pace
	lookouts   map[event.Database]*lookout
	ran        recentRuns
}

// New makes a witness. The zero Config is useful. A value that does not hold is
// an *Error that names it.
func New(cfg Config) (*Witness, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	w := &Witness{cfg: cfg, base: time.Now().Add(-1), connectors: map[*connector]struct{}{},
		made: map[event.Database][]string{}, dropped: map[alert.Drop]uint64{}, steady: map[event.Database]metrics.Distribution{},
		paces: map[event.Database]*pace{}, lookouts: map[event.Database]*lookout{}, wired: make(chan struct{})}
	w.watcher = newWatcher(w)
	w.metrics = metrics.New(metrics.Config{Version: Version()})
	w.log = eventlog.New(eventlog.Config{Output: cfg.LogOutput, Level: cfg.LogLevel, Slow: cfg.Slow, Lost: func(t *event.Trouble) { w.trouble(*t) }})
	if w.alerts, err = w.newAlerts(); err != nil {
		_ = w.log.Close(context.Background()) // which has nothing to write yet
		return nil, err
	}
	w.page = dashboard.New(cfg.Dashboard, dashboard.Deps{Metrics: w.WritePrometheus, Impacts: w.impacts, Pools: w.metrics.Pools, Audit: w.auditStatus, Verify: w.verifyAudit})
	w.sinks = []event.Sink{w.log, w.metrics, w.alerts, w.page}
	if w.publisher = w.newPublisher(); w.publisher != nil {
		w.sinks = append(w.sinks, w.publisher)
	}
	w.sinks = append(w.sinks, cfg.Sinks...)
	close(w.wired)
	w.metrics.StatementsInFlight(func() int { n, _ := w.watcher.statements(); return n })
	w.metrics.OldestStatement(func() time.Duration { _, age := w.watcher.statements(); return age })
	w.metrics.AuditLag(w.auditLag(func(s audit.Stats) time.Duration { return s.SealLag }), w.auditLag(func(s audit.Stats) time.Duration { return s.AnchorLag }))
	w.metrics.Dropped("alert", func() uint64 { return w.alerts.Stats().Lost })
	w.metrics.Dropped("log", func() uint64 { return w.log.Dropped() + w.log.Failed() })
	w.metrics.LinesSuppressed(w.log.Suppressed)
	if cfg.Listen != "" && !cfg.Disabled {
		w.server = w.listen(cfg.Listen, w.Handler())
	}
	for _, name := range cfg.unknown {
		w.trouble(event.Trouble{Part: "configuration", Kind: "unknown_variable", Message: name + " is no variable of sqlwitness",
			Hint: "docs/configuration.md has them all"})
	}
	if cfg.FlushOnSignal && !cfg.Disabled {
		w.deaf = w.flushOnSignal()
	}
	return w, nil
}

// Default is the witness of the packages under drivers/. It is made when it is
// first needed, from the SQLWITNESS_ environment variables and the file that
// SQLWITNESS_CONFIG names (see ConfigFromEnvironment); an error in those is
// returned here and by every connection through it.
func Default() (*Witness, error) { return defaultWitness() }

var defaultWitness = sync.OnceValues(func() (*Witness, error) {
	cfg, err := ConfigFromEnvironment()
	if err != nil {
		return nil, err
	}
	return New(cfg)
})

// RegisterDefault registers parent as Prefix + name on the default witness. It
// is what the packages under drivers/ call, and what a driver without such a
// package needs. A name that is taken stays as it is.
func RegisterDefault(name string, parent driver.Driver) {
	if slices.Contains(sql.Drivers(), Prefix+name) {
		return
	}
	sql.Register(Prefix+name, &wrappedDriver{witness: Default, name: name, parent: parent})
}

// WritePrometheus writes the metrics in the Prometheus text format.
func (w *Witness) WritePrometheus(out io.Writer) {
	w.collect()
	w.collectAlerts()
	w.metrics.WritePrometheus(out)
}

// collect adds to the metrics what connections have counted on their own.
func (w *Witness) collect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.connectors {
		c.mu.Lock()
		for conn := range c.conns {
			c.collect(conn)
		}
		c.mu.Unlock()
		c.collectAudit()
	}
}

// collectAlerts adds to the metrics what the alerts' channels have dropped since
// the last time.
func (w *Witness) collectAlerts() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d, n := range w.alerts.Stats().Dropped {
		w.metrics.AlertsDropped(d.Channel, d.Reason, n-w.dropped[d])
		w.dropped[d] = n
	}
}

// auditLag is the longest that something waits on any connector.
func (w *Witness) auditLag(of func(audit.Stats) time.Duration) func() time.Duration {
	return func() (lag time.Duration) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for c := range w.connectors {
			lag = max(lag, of(c.audit.Stats()))
		}
		return lag
	}
}

// collectAudit adds to the metrics what the audit has written since the last
// time. c.w.mu is held.
func (c *connector) collectAudit() {
	now, before := c.audit.Stats(), c.audited
	c.audited = now
	c.w.metrics.AuditEntries("tx", now.InTx-before.InTx)
	c.w.metrics.AuditEntries("own", now.Written-before.Written)
	c.w.metrics.AuditEntries("spool", now.Spooled-before.Spooled)
	c.w.metrics.AuditEntries("lost", now.Lost-before.Lost)
}

// Close ends what is open, a migration in the middle as interrupted, and writes
// out what is queued, until ctx is done: alerts, the audit trail, metrics and log
// lines, each for half of the time that is left. Connections stay usable, and what they do
// is measured and recorded; it is not watched while in flight any more. What is lost
// where the process dies without it: queued log lines and, of a migration in the
// middle, everything but its intent in the audit trail.
func (w *Witness) Close(ctx context.Context) error {
	w.mu.Lock()
	connectors := slices.Collect(maps.Keys(w.connectors))
	w.mu.Unlock()
	if w.deaf != nil {
		w.deaf()
	}
	// In the order in which they tell each other.
	for _, c := range connectors {
		c.flush(ctx)
		c.impactOver()
		c.observer.close()
	}
	w.watcher.close()
	some, cancel := share(ctx)
	errs := []error{w.alerts.Close(some), w.background.wait(some)}
	cancel()
	some, cancel = share(ctx)
	for _, c := range connectors {
		errs = append(errs, c.recording.wait(some), c.audit.Close(some))
	}
	cancel()
	w.page.Close()
	some, cancel = share(ctx)
	errs = append(errs, w.publisher.close(some))
	cancel()
	return errors.Join(append(errs, w.server.close(ctx), w.log.Close(ctx))...)
}

// share is half of the time that ctx has left, if that is limited:
// a channel or an anchor that does not answer leaves time for what comes after it.
func share(ctx context.Context) (context.Context, context.CancelFunc) {
	end, limited := ctx.Deadline()
	if !limited {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/2)
}

// now is the time since the witness was made, by the monotonic clock.
func (w *Witness) now() int64 { return int64(time.Since(w.base)) }

// connector wraps a parent connector.
func (w *Witness) connector(parent driver.Connector, d *wrappedDriver, db event.Database, inMemory bool) driver.Connector {
	if w.cfg.Disabled {
		return parent
	}
	if w.cfg.System != "" {
		db.System = w.cfg.System
	}
	if w.cfg.Database != "" {
		db.Name = w.cfg.Database
	}
	c := &connector{
		w:        w,
		driver:   d,
		parent:   parent,
		db:       db,
		dialect:  sqltext.DialectOf(db.System),
		analyzer: sqltext.Analyze,
		metrics:  w.metrics.Connector(db),
		conns:    map[*conn]struct{}{},
	}
	c.locks.wait = map[uint64]*lockWait{}
	c.prepared = w.metrics.CacheMisses(metrics.CachePrepared)
	misses := w.metrics.CacheMisses(metrics.CacheStatementClass)
	c.texts = newTextCache(w.cfg.TextCache, c.analyse, misses.Inc)
	c.observer = w.newObserver(c)
	c.tracker = migrator.New(migrator.Config{Database: db, Files: w.files(c.dialect), NewID: newID, Now: time.Now})
	c.openAudit(inMemory)
	w.mu.Lock()
	w.connectors[c] = struct{}{}
	w.mu.Unlock()
	return c
}

// files reads the migrations' own texts, which New has found readable, by the
// rules of one dialect.
func (w *Witness) files(d sqltext.Dialect) *migrator.Files {
	if w.cfg.Migrations == nil {
		return nil
	}
	files, _ := migrator.ReadFiles(w.cfg.Migrations, d)
	return files
}

// newID makes the id of a run or a migration: a UUIDv7, which sorts by time.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// each hands something to every sink. One that panics harms no other. Sinks have
// something to tell of themselves, too, and may do so while New still wires them.
func (w *Witness) each(tell func(event.Sink)) {
	<-w.wired
	for _, s := range w.sinks {
		func() {
			defer w.contain("sink")
			tell(s)
		}()
	}
}

// contain is deferred around everything of ours that a statement waits for, so
// that a defect here is a number in the metrics and a line in the log, and the
// statement goes on. It never surrounds a call of the parent's own.
func (w *Witness) contain(component string) {
	cause := recover()
	if cause == nil {
		return
	}
	w.metrics.Error(component)
	w.log.Panic(component, cause, debug.Stack())
}

// trouble tells of a part of the witness that cannot do its work.
func (w *Witness) trouble(t event.Trouble) {
	if t.At.IsZero() {
		t.At = time.Now()
	}
	w.each(func(s event.Sink) { s.Trouble(&t) })
}

// connected notes an attempt to open a connection.
func (c *connector) connected(start int64, err error) {
	took := c.w.now() - start
	c.metrics.Connected(took, err)
	if err == nil {
		c.start.connected(time.Duration(took))
	}
}

// flush ends what is open on the connector: a migration in the middle as
// interrupted.
func (c *connector) flush(ctx context.Context) {
	defer c.w.contain("migrator")
	_ = c.tell(ctx, c.tracker.Flush(), false)
}

// closeLimit bounds what closing a DB waits for: an anchor that is out of reach
// gets what it missed from a later process, which signs for all before it.
const closeLimit = 5 * time.Second

// ended is called once the DB is closed and no connection is left.
func (c *connector) ended() {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	c.flush(ctx)
	c.observer.close()
	_ = c.recording.wait(ctx)
	_ = c.audit.Close(ctx)
	c.w.mu.Lock()
	c.collectAudit()
	delete(c.w.connectors, c)
	if len(c.w.of(c.db)) == 0 {
		delete(c.w.lookouts, c.db)
		delete(c.w.paces, c.db)
	}
	c.w.mu.Unlock()
}

// trace ties an event of a connection to its caller and to the migration that it
// belongs to.
func (c *connector) trace(ctx context.Context, conn uint64) event.Trace {
	t := c.tracker.Trace(conn)
	if id := correlationID(ctx); id != "" {
		t.CorrelationID = id
	}
	return t
}
