package audit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"time"
)

// idleTime is how long the store's own connection stays open without use.
const idleTime = 10 * time.Second

var errClosed = errors.New("the audit store is closed")

// own is the store's own connection: never of the tool's pool, which may have
// one connection only; opened when it is needed, one at a time, and closed when
// it is idle, so that a session of ours is in nobody's way.
type own struct {
	connect func(context.Context) (driver.Conn, error)
	session string // run once on each connection

	mu     sync.Mutex
	db     *sql.DB // nil while nothing is open: an idle pool still keeps a goroutine
	users  int
	timer  *time.Timer
	closed bool

	pending *connecting // nil for none; outlives the DB
}

// do lends the connection. One that the server has closed meanwhile is replaced
// once.
func (o *own) do(ctx context.Context, f func(context.Context, *sql.Conn) error) error {
	db, err := o.acquire()
	if err != nil {
		return err
	}
	defer o.release()
	for range 2 {
		if err = once(ctx, db, f); !errors.Is(err, driver.ErrBadConn) {
			return err
		}
	}
	return err
}

func once(ctx context.Context, db *sql.DB, f func(context.Context, *sql.Conn) error) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return &connectError{err}
	}
	defer c.Close()
	return f(ctx, c)
}

// connectError says that there was no connection, whatever the reason.
type connectError struct{ error }

func (e *connectError) Unwrap() error { return e.error }

func (o *own) acquire() (*sql.DB, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, errClosed
	}
	if o.timer != nil {
		o.timer.Stop()
	}
	if o.db == nil {
		o.db = sql.OpenDB(connector{o})
		o.db.SetMaxOpenConns(1)
	}
	o.users++
	return o.db, nil
}

func (o *own) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users--; o.users == 0 && !o.closed {
		o.timer = time.AfterFunc(idleTime, o.expire)
	}
}

func (o *own) expire() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users == 0 {
		_ = o.shut()
	}
}

// shut closes what is open; the caller holds the lock.
func (o *own) shut() error {
	if o.timer != nil {
		o.timer.Stop()
	}
	if o.db == nil {
		return nil
	}
	db := o.db
	o.db = nil
	return db.Close()
}

func (o *own) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return o.shut()
}

// connector makes the own connection for database/sql.
type connector struct{ own *own }

// connecting is an attempt at a connection. What changes is under own's lock.
type connecting struct {
	ctx     context.Context
	done    chan struct{} // closed when there is an answer
	waiting int           // who want it
	taken   bool
	conn    driver.Conn
	err     error
}

// Connect gives up when the context ends. Not every driver does: lib/pq waits for
// a server that has accepted and does not answer as long as TCP does. Such an
// attempt is waited for by the next Connect, so that there is one of them and
// they do not pile up. A connection that comes when nobody waits is closed.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	for {
		a := c.own.attempt(ctx)
		select {
		case <-a.done:
		case <-ctx.Done():
		}
		if conn, ok, err := c.own.take(ctx, a); ok {
			return conn, err
		}
	}
}

// attempt returns the one that is under way, or begins one.
func (o *own) attempt(ctx context.Context) *connecting {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pending == nil {
		a := &connecting{ctx: ctx, done: make(chan struct{})}
		o.pending = a
		go func() {
			conn, err := o.open(ctx)
			o.answered(a, conn, err)
		}()
	}
	o.pending.waiting++
	return o.pending
}

func (o *own) answered(a *connecting, conn driver.Conn, err error) {
	o.mu.Lock()
	a.conn, a.err = conn, err
	o.pending = nil
	unwanted := err == nil && a.waiting == 0
	o.mu.Unlock()
	close(a.done)
	if unwanted {
		_ = conn.Close()
	}
}

// take ends the wait for an attempt. It is not ok, and there is to be another
// one, where the answer is somebody else's: their connection, or the end of their
// context.
func (o *own) take(ctx context.Context, a *connecting) (conn driver.Conn, ok bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a.waiting--
	switch {
	case o.pending == a:
		return nil, true, ctx.Err()
	case a.taken, a.err != nil && a.ctx != ctx && a.ctx.Err() != nil:
		return nil, false, nil
	}
	a.taken = true
	return a.conn, true, a.err
}

func (o *own) open(ctx context.Context) (driver.Conn, error) {
	conn, err := o.connect(ctx)
	if err != nil || o.session == "" {
		return conn, err
	}
	if err := exec(ctx, conn, o.session); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// Driver is not used: database/sql asks for it in DB.Driver alone.
func (c connector) Driver() driver.Driver { return nil }

// exec runs a text without arguments on a driver's connection, the way that
// database/sql would: drivers send it as it is, in one round trip.
func exec(ctx context.Context, conn driver.Conn, text string) error {
	if c, ok := conn.(driver.ExecerContext); ok {
		if _, err := c.ExecContext(ctx, text, nil); err != driver.ErrSkip { //nolint:errorlint // database/sql compares it so
			return err
		}
	}
	stmt, err := conn.Prepare(text)
	if err != nil {
		return err
	}
	defer stmt.Close()
	if s, ok := stmt.(driver.StmtExecContext); ok {
		_, err = s.ExecContext(ctx, nil)
		return err
	}
	_, err = stmt.Exec(nil) //nolint:staticcheck // all that the driver has
	return err
}
