package probe

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"time"
)

// idleTime is how long the connection stays open without use.
const idleTime = 10 * time.Second

var errClosed = errors.New("the probe is closed")

// own is the probe's own connection: one at a time, opened when it is needed and
// closed when it is idle.
type own struct {
	connect func(context.Context) (driver.Conn, error)
	system  system
	life    context.Context // ends with close
	end     context.CancelFunc

	mu      sync.Mutex
	db      *sql.DB  // nil before the first use
	attempt *attempt // at a connection, under way; nil for none
}

func newOwn(connect func(context.Context) (driver.Conn, error), s system) *own {
	o := &own{connect: connect, system: s}
	o.life, o.end = context.WithCancel(context.Background())
	return o
}

// do lends the connection. One that the server has closed meanwhile is replaced
// once; one on which anything fails is closed, and with it what it had begun.
func (o *own) do(ctx context.Context, f func(context.Context, *sql.Conn) error) error {
	db, err := o.pool()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(o.life, cancel)()
	for range 2 {
		if err = o.once(ctx, db, f); !errors.Is(err, driver.ErrBadConn) {
			break
		}
	}
	if err != nil && o.life.Err() != nil {
		return errClosed
	}
	return err
}

func (o *own) once(ctx context.Context, db *sql.DB, f func(context.Context, *sql.Conn) error) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return &connectError{err}
	}
	defer c.Close()
	if err = o.enclosed(ctx, c, f); err != nil {
		_ = c.Raw(func(any) error { return driver.ErrBadConn }) // closes it
	}
	return err
}

func (o *own) enclosed(ctx context.Context, c *sql.Conn, f func(context.Context, *sql.Conn) error) error {
	if begin := o.system.begin(); begin != "" {
		if _, err := c.ExecContext(ctx, begin); err != nil {
			return err
		}
	}
	if err := f(ctx, c); err != nil {
		return err
	}
	if end := o.system.end(); end != "" {
		_, err := c.ExecContext(ctx, end)
		return err
	}
	return nil
}

// connectError says that there was no connection, whatever the reason.
type connectError struct{ error }

func (e *connectError) Unwrap() error { return e.error }

func (o *own) pool() (*sql.DB, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.life.Err() != nil {
		return nil, errClosed
	}
	if o.db == nil {
		o.db = sql.OpenDB(connector{o})
		o.db.SetMaxOpenConns(1)
		o.db.SetConnMaxIdleTime(idleTime)
	}
	return o.db, nil
}

func (o *own) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end()
	if o.attempt != nil {
		go o.attempt.abandon()
		o.attempt = nil
	}
	if o.db == nil {
		return nil
	}
	return o.db.Close()
}
