package probe

import (
	"context"
	"database/sql/driver"
	"time"
)

// connector makes the own connection for database/sql.
type connector struct{ own *own }

// attempt is one at a connection.
type attempt struct {
	done chan struct{}
	conn driver.Conn
	err  error
}

// Connect gives up when the context ends. The attempt goes on, because not every
// driver knows how to end one (lib/pq does not, once the server has accepted),
// and the next Connect takes it over: a server that does not let anybody in is
// not asked again and again. What nobody has taken for idleTime is closed.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	o := c.own
	o.mu.Lock()
	a := o.attempt
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		o.attempt = a
		go func() {
			a.conn, a.err = o.open()
			close(a.done)
			time.AfterFunc(idleTime, func() { o.drop(a) })
		}()
	}
	o.mu.Unlock()
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.attempt != a { // closed meanwhile, and abandoned
		return nil, errClosed
	}
	o.attempt = nil
	return a.conn, a.err
}

// drop closes what an attempt has brought, unless it was taken.
func (o *own) drop(a *attempt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.attempt == a {
		o.attempt = nil
		go a.abandon()
	}
}

// abandon closes what comes of the attempt.
func (a *attempt) abandon() {
	<-a.done
	if a.err == nil {
		_ = a.conn.Close()
	}
}

func (o *own) open() (driver.Conn, error) {
	conn, err := o.connect(o.life)
	if err != nil {
		return nil, err
	}
	for _, s := range o.system.settings() {
		if _, err := answer(o.life, conn, s); err != nil && o.life.Err() != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// Driver is not used: database/sql asks for it in DB.Driver alone.
func (c connector) Driver() driver.Driver { return nil }
