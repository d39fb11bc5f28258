package drivertest_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync/atomic"

	"github.com/sqlwitness/sqlwitness/drivertest"
)

// counter is a wrapper that counts the connections made. It forwards Connect and
// Driver, and forgets that a connector may be an io.Closer.
type counter struct {
	driver.Connector
	made *atomic.Int64
}

func (c counter) Connect(ctx context.Context) (driver.Conn, error) {
	c.made.Add(1)
	return c.Connector.Connect(ctx)
}

// A wrapper that embeds what it wraps has the methods of the embedded interface,
// and loses those that only some drivers have.
func ExampleCheck() {
	var made atomic.Int64
	wrapper := drivertest.Wrapper{
		Wrap: func(parent driver.Connector) driver.Connector { return counter{parent, &made} },
	}
	for _, r := range drivertest.Check(wrapper) {
		if !r.OK() {
			fmt.Printf("%s: %s\n%s\n", r.Name, r.Rule, r.Difference)
		}
	}
	// Output:
	// connector closed: DB.Close closes a connector that is an io.Closer, once, and its error is the driver's own
	// the caller sees, 2.:
	//   bare:    close: <nil>, error *fakedb.Error "fakedb: not closed" which is what Connector.Close returned
	//   wrapped: close: <nil>, error none
}
