package sqlwitness

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/metrics"
	"github.com/sqlwitness/sqlwitness/migrator"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// Prefix is what a wrapped driver's name begins with: "postgres" becomes
// "witness+postgres".
const Prefix = "witness+"

// Register registers a driver that wraps the registered driver parent, and
// returns its name, Prefix + parent, for use in [sql.Open]. It fails where
// there is no such parent and where the name is taken already: database/sql can
// neither replace nor remove a driver.
func (w *Witness) Register(parent string) (name string, err error) {
	d, err := registered(parent)
	if err != nil {
		return "", err
	}
	name = Prefix + parent
	if slices.Contains(sql.Drivers(), name) {
		return "", &Error{Op: "Register", Err: fmt.Errorf("a driver named %q is registered already", name),
			Hint: "register each parent once; a second witness can use Wrap or Open, which need no name"}
	}
	sql.Register(name, &wrappedDriver{witness: func() (*Witness, error) { return w, nil }, name: parent, parent: d})
	return name, nil
}

// Open is [sql.Open] through the witness, without a registered name.
func (w *Witness) Open(parent, dsn string) (*sql.DB, error) {
	d, err := registered(parent)
	if err != nil {
		return nil, err
	}
	c, err := (&wrappedDriver{witness: func() (*Witness, error) { return w, nil }, name: parent, parent: d}).OpenConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

// Wrap wraps a connector, for [sql.OpenDB]. Wrapping what the same witness has
// wrapped already changes nothing.
func (w *Witness) Wrap(parent driver.Connector) driver.Connector {
	if c, ok := parent.(*connector); ok && c.w == w {
		return c
	}
	d := &wrappedDriver{witness: func() (*Witness, error) { return w, nil }, parent: parent.Driver()}
	return w.connector(parent, d, event.Database{System: systemOf("", parent.Driver())}, false)
}

// registered finds a registered driver by its name.
func registered(name string) (driver.Driver, error) {
	if !slices.Contains(sql.Drivers(), name) {
		have := slices.DeleteFunc(sql.Drivers(), func(n string) bool { return strings.HasPrefix(n, Prefix) })
		return nil, &Error{Op: "find the parent driver", Err: fmt.Errorf("no driver named %q is registered", name),
			Hint: fmt.Sprintf("import its package (forgotten blank import?); registered are: %s", strings.Join(have, ", "))}
	}
	// The driver is had from a DB that is never connected. A driver may refuse
	// the empty DSN; then Wrap is the way.
	db, err := sql.Open(name, "")
	if err != nil {
		return nil, &Error{Op: "find the parent driver", Err: fmt.Errorf("driver %q does not open an empty DSN: %w", name, err),
			Hint: "make a connector with the driver's own package and pass it to Wrap"}
	}
	d := db.Driver()
	_ = db.Close()
	return d, nil
}

// wrappedDriver is a parent driver seen through a witness.
type wrappedDriver struct {
	witness func() (*Witness, error) // the default witness is made, and may fail, when it is first needed
	name    string                   // the parent's registered name, if it has one
	parent  driver.Driver
}

var _ driver.DriverContext = (*wrappedDriver)(nil)

// Open connects once. database/sql uses OpenConnector instead; wrappers that know
// no connectors call this for each connection, which is then the only one of its
// connector and ends it.
func (d *wrappedDriver) Open(dsn string) (driver.Conn, error) {
	c, err := d.OpenConnector(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := c.Connect(context.Background())
	if own, ok := c.(*connector); ok {
		own.close()
	}
	return conn, err
}

// OpenConnector makes a connector for a DSN. A parent without connectors opens
// each connection by the DSN, as it does under database/sql.
func (d *wrappedDriver) OpenConnector(dsn string) (driver.Connector, error) {
	w, err := d.witness()
	if err != nil {
		return nil, err
	}
	var parent driver.Connector = dsnConnector{dsn: dsn, driver: d.parent}
	if p, ok := d.parent.(driver.DriverContext); ok {
		if parent, err = p.OpenConnector(dsn); err != nil {
			return nil, err
		}
	}
	system := systemOf(d.name, d.parent)
	db := event.Database{System: system, Name: databaseOf(system, dsn)}
	return w.connector(parent, d, db, system == "sqlite" && inMemory(dsn)), nil
}

func (d *wrappedDriver) unwrap() any { return d.parent }

// dsnConnector opens connections of a driver that has no connectors.
type dsnConnector struct {
	dsn    string
	driver driver.Driver
}

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c dsnConnector) Driver() driver.Driver                        { return c.driver }

// connector forwards to a parent connector and owns what its connections share.
type connector struct {
	w        *Witness
	driver   *wrappedDriver
	parent   driver.Connector
	db       event.Database
	dialect  sqltext.Dialect
	analyzer func(sql string, d sqltext.Dialect) *sqltext.Text
	texts    *textCache
	tracker  *migrator.Tracker
	locks    locks
	retries  retries
	observer *observer
	impact   atomic.Pointer[impact] // of a run on the database that is open, or just over
	start    coldStart
	audit    *audit.Store
	audited  audit.Stats // what the metrics have of it; guarded by w.mu
	altered  atomic.Bool // the last verification found it so
	metrics  *metrics.Connector
	prepared *metrics.Counter // first executions of prepared statements

	configured atomic.Bool // the configuration is recorded
	recording  tasks       // what the audit writes off the callers' path

	mu      sync.Mutex
	conns   map[*conn]struct{}
	closing bool // no further connection is to come: DB.Close has been called
}

// Connect opens a connection and chooses its type; nothing is chosen per call.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	start := c.w.now()
	parent, err := c.connect(ctx)
	c.connected(start, err)
	if err != nil {
		return nil, err
	}
	conn := &conn{
		connector: c,
		parent:    parent,
		caps:      capabilitiesOf(parent),
		id:        c.w.connID.Add(1),
		base:      c.w.base,
		awake:     &c.w.watcher.on,
	}
	for _, i := range c.w.cfg.Interceptors {
		intercept(i, conn)
	}
	c.mu.Lock()
	c.conns[conn] = struct{}{}
	c.mu.Unlock()
	return conn.public(), nil
}

// connect opens a parent connection, through the user's interceptors.
func (c *connector) connect(ctx context.Context) (driver.Conn, error) {
	parent := c.parent
	for _, i := range c.w.cfg.Interceptors {
		parent = interceptedConnector{i, parent}
	}
	return parent.Connect(ctx)
}

// Driver is the wrapped driver, so that a further wrapper that starts from
// db.Driver() (as many do) wraps the witness too instead of going round it.
func (c *connector) Driver() driver.Driver { return c.driver }

// Close is called by DB.Close. Connections that are in use then, be it by a
// rollback of database/sql's own, are closed later: what there is to tell of them
// is waited for.
func (c *connector) Close() error {
	c.close()
	if closer, ok := c.parent.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// close ends the connector, with its last connection.
func (c *connector) close() {
	c.mu.Lock()
	c.closing = true
	inUse := len(c.conns)
	c.mu.Unlock()
	if inUse == 0 {
		c.ended()
	}
}

func (c *connector) unwrap() any { return c.parent }

// Unwrap returns what a value of the witness wraps: the parent's own
// connection for one seen in [sql.Conn.Raw], the parent's driver for
// [sql.DB.Driver], and so on for connectors, statements, transactions and rows.
// It returns any other value as it is.
//
//	conn.Raw(func(c any) error {
//		pgxConn := sqlwitness.Unwrap(c).(*stdlib.Conn).Conn()
//		…
//	})
//
// What is done on the parent's own value is not observed.
func Unwrap(v any) any {
	if u, ok := v.(interface{ unwrap() any }); ok {
		return u.unwrap()
	}
	return v
}
