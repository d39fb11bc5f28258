// Package metrics counts what a witness sees and exposes it in the Prometheus
// text format. The names are those of [Families]; docs/metrics.md is their
// reference.
//
// Counting never blocks on I/O and never fails. No SQL text, migration version,
// process id or host name ever is a label value, and every family has a hard
// cap on its series.
package metrics

import (
	"bytes"
	"io"
	"runtime"
	"sync"
	"time"

	vm "github.com/VictoriaMetrics/metrics"

	"github.com/sqlwitness/sqlwitness/event"
)

// Config of a Set. The zero value is ready for use.
type Config struct {
	// Version of sqlwitness, for sqlwitness_build_info.
	Version string
	// MaxSeries of one family, its "other" series included; 0 means 1000 and
	// less than 3 means 3.
	MaxSeries int
	// MaxNamespaces is how many databases, and how many pools, are told apart by
	// name; 0 means 100.
	MaxNamespaces int
}

// Counter is a counter that only goes up. Add costs one atomic operation;
// what happens with every statement is better counted on its connection first
// and added now and then.
type Counter = vm.Counter

// The caches that hits and misses are counted of.
const (
	CacheStatementClass = "statement_class" // what is known of a SQL text
	CachePrepared       = "prepared"        // executions of a statement already prepared
	CacheConnection     = "connection"      // connections taken from the pool
)

// Set holds the metrics of one witness. It is safe for concurrent use and has
// nothing to close. What it has counted dies with the process.
//
// It is an [event.Sink]: locks, migrations, runs and slow statements are counted
// from their events, everything else by its own methods.
type Set struct {
	event.Ignore // what has no metric

	families []*family
	byName   map[string]*family

	mu         sync.Mutex
	namespaces *limit
	errorTypes *limit

	queues          queues
	pools           pools
	openConnections *vm.Gauge
	overhead        *Histogram
	rows            *Counter
	classHits       *Counter
	preparedHits    *Counter
	connectionHits  *Counter
	connectionMiss  *Counter
}

var _ event.Sink = (*Set)(nil)

// maxErrorTypes bounds the values of error_type: the codes of one server's
// errors that an application meets are few.
const maxErrorTypes = 100

// New makes an empty Set.
func New(cfg Config) *Set {
	if cfg.MaxSeries == 0 {
		cfg.MaxSeries = 1000
	}
	if cfg.MaxNamespaces == 0 {
		cfg.MaxNamespaces = 100
	}
	s := &Set{
		byName:     map[string]*family{},
		namespaces: newLimit(cfg.MaxNamespaces),
		errorTypes: newLimit(maxErrorTypes),
	}
	for _, d := range Families() {
		f := newFamily(d, max(cfg.MaxSeries, 3))
		s.families = append(s.families, f)
		s.byName[d.Name] = f
	}
	// A pool has up to three series in a family, and so has "other".
	s.pools.max = min(cfg.MaxNamespaces, max(cfg.MaxSeries, 3)/3-1)
	for _, name := range []string{poolConnections, poolMaxOpen, poolWaits, poolWaited, poolClosed} {
		f := s.family(name)
		f.set.RegisterMetricsWriter(func(w io.Writer) { s.pools.write(w, f) })
	}
	s.family(buildInfo).callback(func() float64 { return 1 }, cfg.Version, runtime.Version())
	s.openConnections = s.family(connectionsOpen).set.NewGauge(connectionsOpen, nil)
	s.overhead = s.family(overhead).histogram()
	s.rows = s.RowsRead()
	s.queues.open = map[uint64]queueBehind{}
	s.family(blockedSessions).callback(s.queues.length)
	s.family(victimSeconds).sum()
	for _, cache := range []string{CacheStatementClass, CachePrepared, CacheConnection} {
		s.CacheHits(cache) // at 0, so that a ratio of the two is there from the start
		s.CacheMisses(cache)
	}
	s.classHits = s.CacheHits(CacheStatementClass)
	s.preparedHits = s.CacheHits(CachePrepared)
	s.connectionHits = s.CacheHits(CacheConnection)
	s.connectionMiss = s.CacheMisses(CacheConnection)
	return s
}

func (s *Set) family(name string) *family { return s.byName[name] }

// WritePrometheus writes every family that has series, each with its HELP and
// TYPE once. An error of w is w's own affair. The callbacks given to the Set are
// called by it, with none of the Set's locks held.
func (s *Set) WritePrometheus(w io.Writer) {
	var all, one bytes.Buffer
	for _, f := range s.families {
		f.write(&all, &one)
	}
	_, _ = w.Write(all.Bytes())
}

// CacheHits resolves the counter of lookups that a cache has answered.
func (s *Set) CacheHits(cache string) *Counter { return s.family(cacheHits).counter(cache) }

// CacheMisses resolves the counter of lookups that a cache could not answer.
func (s *Set) CacheMisses(cache string) *Counter { return s.family(cacheMisses).counter(cache) }

// RowsRead resolves the counter of rows that callers have read.
func (s *Set) RowsRead() *Counter { return s.family(rowsRead).counter() }

// Error counts a failure inside sqlwitness that a component kept from the
// statement: a panic contained, a sink that failed.
func (s *Set) Error(component string) { s.family(errorsTotal).counter(component).Inc() }

// Retried counts n retries of a kind and the time that they have lost.
func (s *Set) Retried(kind string, n int, lost time.Duration) {
	s.family(retriesTotal).counter(kind).Add(n)
	s.family(retryLost).sum(kind).Add(lost.Seconds())
}

// Overhead counts the nanoseconds that the witness itself added to a statement.
func (s *Set) Overhead(ns int64) { s.overhead.Observe(ns) }

// AuditEntries counts audit entries by where they went: "tx", "own", "spool" or
// "lost".
func (s *Set) AuditEntries(place string, n uint64) {
	s.family(auditEntries).counter(place).AddInt64(int64(n))
}

// AlertsDropped counts messages that a channel did not get.
func (s *Set) AlertsDropped(channel, reason string, n uint64) {
	s.family(alertsDropped).counter(channel, reason).AddInt64(int64(n))
}

// The following take callbacks that a scrape calls. They must be safe for
// concurrent use and must not block; a later callback for the same series takes
// the place of an earlier one.

// StatementsInFlight exposes the number of statements without an answer.
func (s *Set) StatementsInFlight(f func() int) {
	s.family(statementsInFlight).callback(func() float64 { return float64(f()) })
}

// OldestStatement exposes the age of the oldest statement without an answer; 0
// where there is none.
func (s *Set) OldestStatement(f func() time.Duration) {
	s.family(oldestStatement).callback(func() float64 { return f().Seconds() })
}

// AuditLag exposes how long audit entries wait for their place in the tree, and
// checkpoints for their anchors.
func (s *Set) AuditLag(seal, anchor func() time.Duration) {
	s.family(auditSealLag).callback(func() float64 { return seal().Seconds() })
	s.family(auditAnchorLag).callback(func() float64 { return anchor().Seconds() })
}

// Dropped exposes the number of events that a sink has dropped, which must not
// go down.
func (s *Set) Dropped(sink string, f func() uint64) {
	s.family(eventsDropped).callback(func() float64 { return float64(f()) }, sink)
}

// LinesSuppressed exposes the number of log lines that the rate limit has left
// out, which must not go down.
func (s *Set) LinesSuppressed(f func() uint64) {
	s.family(linesSuppressed).callback(func() float64 { return float64(f()) })
}
