package metrics

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/sqlwitness/sqlwitness/event"
)

// Phase says whether a statement ran while a migration run of its connector was
// open.
type Phase uint8

const (
	Steady    Phase = iota // no run was open
	Migrating              // a run was open
	// NumPhases is the number of phases, to size an array by.
	NumPhases = iota
)

// String is the value of the phase label: "steady" or "migration".
func (p Phase) String() string {
	switch p {
	case Steady:
		return "steady"
	case Migrating:
		return "migration"
	}
	return "Phase(" + strconv.Itoa(int(p)) + ")"
}

// Connector counts for one wrapped connector: its calls carry the name of its
// database. It is safe for concurrent use.
type Connector struct {
	set       *Set
	system    string
	namespace string
	shared    bool        // by all databases beyond the cap
	warm      atomic.Bool // a connection has been opened

	begin, commit, rollback [NumPhases]lazy
	committed, rolledBack   ended

	mu         sync.Mutex
	operations map[*Histogram]operation // those that it has resolved, and that count its database alone
}

// operation says what a histogram of operations counts.
type operation struct {
	phase   Phase
	failed  bool
	framing bool
}

// lazy is a histogram that is resolved when it is first used: a series that
// nothing is counted in would take another's place under the cap.
type lazy struct{ p atomic.Pointer[Histogram] }

func (l *lazy) get(resolve func() *Histogram) *Histogram {
	h := l.p.Load()
	if h == nil {
		h = resolve()
		l.p.Store(h)
	}
	return h
}

// ended counts the transactions of one outcome.
type ended struct {
	total *Counter
	open  *Histogram
}

// Connector makes the counters of one connector. Several connectors of one
// database share their series.
func (s *Set) Connector(db event.Database) *Connector {
	c := &Connector{set: s, system: db.System, namespace: s.namespace(db), operations: map[*Histogram]operation{}}
	c.shared = c.namespace != db.Name
	c.committed, c.rolledBack = s.ended(Committed), s.ended(RolledBack)
	return c
}

func (s *Set) ended(outcome string) ended {
	return ended{s.family(transactionsTotal).counter(outcome), s.family(transactionDuration).histogram(outcome)}
}

// Operation resolves the histogram of the successful calls of an operation
// ("SELECT", "CREATE TABLE"): once for each distinct text, not with every call,
// because it takes a lock and allocates. A series shows up in a scrape with its
// first observation.
func (c *Connector) Operation(op string, phase Phase) *Histogram {
	return c.operation(op, phase, "")
}

// Failed counts a call that the database answered with an error, after ns
// nanoseconds. The errorType is the server's own code, else the error's class;
// at most 100 distinct ones are told apart.
func (c *Connector) Failed(op string, phase Phase, errorType string, ns int64) {
	if errorType == "" {
		errorType = event.ClassOther
	}
	c.operation(op, phase, c.set.errorType(errorType)).Observe(ns)
}

func (c *Connector) operation(op string, phase Phase, errorType string) *Histogram {
	h := c.set.family(operationDuration).histogram(c.system, c.namespace, op, phase.String(), errorType)
	if !c.shared && !h.shared {
		c.mu.Lock()
		c.operations[h] = operation{phase, errorType != "", slices.Contains(framing, op)}
		c.mu.Unlock()
	}
	return h
}

// Connected counts an attempt to open a connection, which took ns nanoseconds.
// Attempts are cold until one has succeeded, which is the last cold one. It is
// also what the pool could not answer: a miss of the cache "connection".
func (c *Connector) Connected(ns int64, err error) {
	s := c.set
	s.connectionMiss.Inc()
	start := "warm"
	if err == nil && c.warm.CompareAndSwap(false, true) || !c.warm.Load() {
		start = "cold"
	}
	errorType := ""
	if err == nil {
		s.openConnections.Inc()
	} else {
		errorType = s.errorType(typeOf(err))
	}
	s.family(connectDuration).histogram(start, errorType).Observe(ns)
}

// Disconnected counts that a connection which [Connector.Connected] has counted
// as open was closed. Call it once for each.
func (c *Connector) Disconnected() { c.set.openConnections.Dec() }

// Counted adds what a connection has counted on its own since it last did so:
// texts whose class was known already, executions of a prepared statement that
// had been executed before, rows that the caller has read, and the times that the
// pool has handed the connection out again.
func (c *Connector) Counted(classHits, preparedHits, rows, connectionHits uint64) {
	c.set.classHits.AddInt64(int64(classHits))
	c.set.preparedHits.AddInt64(int64(preparedHits))
	c.set.rows.AddInt64(int64(rows))
	c.set.connectionHits.AddInt64(int64(connectionHits))
}

// Began counts the begin of a transaction by a connection, as an operation BEGIN
// that took ns nanoseconds.
func (c *Connector) Began(conn uint64, phase Phase, ns int64, err error) {
	if err != nil {
		c.Failed("BEGIN", phase, typeOf(err), ns)
		return
	}
	c.begin[phase].get(func() *Histogram { return c.Operation("BEGIN", phase) }).ObserveOn(conn, ns)
}

// The outcomes of a transaction.
const (
	Committed  = "committed"
	RolledBack = "rolled_back"
	// txFailed: the commit or rollback was answered with an error.
	txFailed = "failed"
)

// Ended counts the end of a transaction by its outcome, [Committed] or
// [RolledBack] (failed, if err is not nil): the operation COMMIT or ROLLBACK, which
// took ns nanoseconds, and the transaction, which was open for open.
func (c *Connector) Ended(conn uint64, phase Phase, outcome string, ns, open int64, err error) {
	op, call, end := "COMMIT", &c.commit[phase], c.committed
	if outcome == RolledBack {
		op, call, end = "ROLLBACK", &c.rollback[phase], c.rolledBack
	}
	if err != nil {
		c.Failed(op, phase, typeOf(err), ns)
		end = c.set.ended(txFailed)
	} else {
		call.get(func() *Histogram { return c.Operation(op, phase) }).ObserveOn(conn, ns)
	}
	end.total.Inc()
	end.open.ObserveOn(conn, open)
}

// errorType bounds how many distinct values error_type has.
func (s *Set) errorType(t string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errorTypes.pass(t)
}

// typeOf is OpenTelemetry's error.type: the server's code, else the class.
func typeOf(err error) string {
	class, code := event.Classify(err)
	if code != "" {
		return code
	}
	return class
}
