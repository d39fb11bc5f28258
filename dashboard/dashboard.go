// Package dashboard is the built-in page: what migrates now and how far it has
// come, who waits for it and for whom it waits, the runs so far, what they did to
// the latency of the application, alerts, findings and the audit trail.
//
// A Dashboard is an event.Sink that keeps a bounded picture in memory, and an
// HTTP handler that shows it. Nothing is written anywhere: the picture begins
// with the process and is lost with it. The audit trail is the record.
//
// What is shown has had its SQL literals redacted by whoever sent the event. Of
// errors the class and the server's code are shown, never the message, because
// servers quote values in it.
package dashboard

import (
	"context"
	"database/sql"
	"io"
	"sync"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// Config says who may look. The zero value serves clients on the same machine
// only, without a token.
type Config struct {
	// Hosts are the names under which the page is reached, without a port, such as
	// "migrations.example.com". A request for any other name is refused, unless the
	// name is localhost or an IP address: a page of somebody else whose name is made
	// to point here (DNS rebinding) comes with a name of its own.
	Hosts []string

	// Token, if it is set, is asked of every client, local ones too: as
	// "Authorization: Bearer …", which the page sends once it has been typed in. The
	// page itself and its assets hold no data and are served without it.
	Token string

	// Public serves clients on other machines without a token. It is for networks
	// that are closed by other means. Ignored where Token is set.
	Public bool
}

// Deps are what the dashboard asks while somebody looks at it. Each may be nil:
// what depends on it is then left out of the page. They are called on the
// goroutines of requests, several at once.
type Deps struct {
	// Now defaults to time.Now.
	Now func() time.Time

	// Metrics writes the metrics in the Prometheus text format. It is called once
	// a second while a page is open, and never without one.
	Metrics func(io.Writer)

	// Impacts are what the runs that go on do to the application, also those of other
	// processes, and what those have done that ended a moment ago. It is called for
	// each message to a page.
	Impacts func() []Impact

	// Pools are what the application's pools of connections say of themselves, by
	// name. It is called for each message to a page.
	Pools func() map[string]sql.DBStats

	// Audit tells how the audit trail stands; it should answer within a second.
	Audit func(context.Context) (Status, error)

	// Verify reads the whole trail and tells whether it holds. It runs once at a
	// time. What its error says, and that of Audit, is shown: it must hold no secret.
	Verify func(context.Context) (Status, error)
}

// Impact is what a run has done to the application so far.
type Impact struct {
	event.Impact
	Running bool // the run goes on
}

// Status is how the audit trail stands.
type Status struct {
	Mode     string    `json:"mode"`    // "best-effort", "strict", "off"
	Entries  uint64    `json:"entries"` // in the database
	Spooled  uint64    `json:"spooled"` // in the spool file, for want of the database
	Lost     uint64    `json:"lost"`    // recorded nowhere
	Verdict  string    `json:"verdict"` // Intact, Broken or Unknown; "" where it was not verified
	Verified time.Time `json:"-"`       // when the verdict was reached; filled in by the dashboard where it is zero
	Findings []string  `json:"findings,omitempty"`
	Note     string    `json:"note,omitempty"` // what could not be checked, in a sentence
}

// The verdicts on an audit trail.
const (
	Intact  = "intact"
	Broken  = "broken"
	Unknown = "unknown" // it could not be checked
)

// Dashboard keeps the picture and serves it. Make one with New. It is safe for
// concurrent use. The methods of event.Sink take a mutex for as long as it takes
// to copy the event, and wait for no client.
type Dashboard struct {
	event.Ignore // what it has no place for

	cfg     Config
	deps    Deps
	began   time.Time
	latency latency
	audit   auditor

	mu         sync.Mutex
	seq        uint64 // of the last change
	running    map[uint64]*running
	runs       book[run]
	migrations book[migration]
	bodies     fifo // of migrations whose statements are still kept
	statements book[statement]
	alerts     book[alert]
	findings   book[finding]
	troubles   book[trouble]
	clients    map[chan struct{}]struct{} // each told, without waiting, that there is something new
	closed     chan struct{}
	closing    func()
}

// What is kept. A run has the first 16 of its lock waits, and only the last 256
// migrations still have their statements, 64 of each: with all of it full, the
// picture takes some 25 MB. Of the statements in flight those of runs come first.
const (
	maxRuns       = 1_000
	maxMigrations = 10_000
	maxBodies     = 256
	maxBody       = 64
	maxLocks      = 16
	maxRunning    = 64
	maxStatements = 200
	maxNotices    = 200 // alerts, findings, troubles: of each
	maxClients    = 64
)

var _ event.Sink = (*Dashboard)(nil)

// New makes a dashboard that has seen nothing yet.
func New(cfg Config, deps Deps) *Dashboard {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	closed := make(chan struct{})
	d := &Dashboard{
		cfg: cfg, deps: deps, began: deps.Now(),
		running:    map[uint64]*running{},
		runs:       newBook[run](maxRuns),
		migrations: newBook[migration](maxMigrations),
		bodies:     fifo{limit: maxBodies},
		statements: newBook[statement](maxStatements),
		alerts:     newBook[alert](maxNotices),
		findings:   newBook[finding](maxNotices),
		troubles:   newBook[trouble](maxNotices),
		clients:    map[chan struct{}]struct{}{},
		closed:     closed,
		closing:    sync.OnceFunc(func() { close(closed) }),
	}
	d.audit.verifying = make(chan struct{}, 1)
	return d
}

// Close ends the streams of the pages that are open, which would otherwise hold
// up http.Server.Shutdown. Events are still kept.
func (d *Dashboard) Close() { d.closing() }

// change makes one change to the picture and tells the clients.
func (d *Dashboard) change(make func(seq uint64)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq++
	make(d.seq)
	for c := range d.clients {
		select {
		case c <- struct{}{}:
		default: // it has not come for the last one yet and will find both
		}
	}
}
