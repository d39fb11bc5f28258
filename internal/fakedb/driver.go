package fakedb

import (
	"context"
	"database/sql/driver"
)

// Driver opens connections, whatever the DSN.
func (d *DB) Driver() driver.Driver {
	if d.opts.DriverContext {
		return contextDriver{oldDriver{d}}
	}
	return oldDriver{d}
}

// Connector makes a connector of the driver's.
func (d *DB) Connector() driver.Connector {
	if d.opts.Closer {
		return closingConnector{connector{d}}
	}
	return connector{d}
}

type oldDriver struct{ db *DB }

func (o oldDriver) Open(string) (driver.Conn, error) {
	return o.db.connect(noContext, "Driver.Open")
}

type contextDriver struct{ oldDriver }

func (c contextDriver) OpenConnector(string) (driver.Connector, error) {
	if err := c.db.call(noContext, Call{Method: "Driver.OpenConnector"}, Fault{}); err != nil {
		return nil, err
	}
	return c.db.Connector(), nil
}

type connector struct{ db *DB }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	return c.db.connect(ctx, "Connector.Connect")
}

func (c connector) Driver() driver.Driver { return c.db.Driver() }

type closingConnector struct{ connector }

func (c closingConnector) Close() error {
	return c.db.call(noContext, Call{Method: "Connector.Close"}, Fault{})
}

func (d *DB) connect(ctx context.Context, method string) (driver.Conn, error) {
	if err := d.call(ctx, Call{Method: method}, Fault{}); err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.conns++
	d.open++
	c := &conn{db: d, id: d.conns}
	d.mu.Unlock()
	return d.connType(c), nil
}
