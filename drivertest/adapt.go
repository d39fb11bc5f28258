package drivertest

import (
	"context"
	"database/sql/driver"
)

// DriverOf is a driver whose connectors are all c, whatever the DSN: for a
// [Wrapper] that wraps drivers.
func DriverOf(c driver.Connector) driver.Driver { return &driverOf{c} }

type driverOf struct{ c driver.Connector }

func (d *driverOf) Open(string) (driver.Conn, error) { return d.c.Connect(context.Background()) }

func (d *driverOf) OpenConnector(string) (driver.Connector, error) { return d.c, nil }

// ConnectorOf makes a connector of a driver as sql.Open does: the driver's own,
// if it is a driver.DriverContext. It panics if that has an error.
func ConnectorOf(d driver.Driver, dsn string) driver.Connector {
	if dc, ok := d.(driver.DriverContext); ok {
		c, err := dc.OpenConnector(dsn)
		if err != nil {
			panic(err)
		}
		return c
	}
	return connectorOf{d, dsn}
}

// connectorOf is what database/sql makes of a driver that has no connectors.
type connectorOf struct {
	driver driver.Driver
	dsn    string
}

func (c connectorOf) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connectorOf) Driver() driver.Driver                        { return c.driver }
