// Package drivertest finds out whether a database/sql driver that wraps another
// is transparent: whether callers of database/sql can tell it from the driver
// that it wraps.
//
// It plays the same calls twice, on a bare driver and on the same driver
// wrapped, and compares what the caller got, in values and in the identity of
// errors, and what the wrapped driver was called with. Each case states the rule
// that it tests, and a failure repeats it.
//
// There are two ways to run it.
//
//   - [Run] needs no database. It plays on a scripted driver, in some seventy
//     kinds that differ in which of the optional interfaces of package driver they
//     have, and can make it fail, panic, wait and skip on cue. [Check] does the
//     same and returns results instead of failing a test.
//   - [RunSQL] plays on two real databases by a real driver.
//
// # For the author of a wrapper
//
// One test is enough to begin with:
//
//	func TestTransparent(t *testing.T) {
//		drivertest.Run(t, drivertest.Wrapper{Wrap: wrapper.Wrap})
//	}
//
// A wrapper of drivers instead of connectors goes between [DriverOf] and
// [ConnectorOf]:
//
//	Wrap: func(c driver.Connector) driver.Connector {
//		return drivertest.ConnectorOf(wrapper.Driver(drivertest.DriverOf(c)), "")
//	}
//
// # For the author of a driver
//
// The scripted driver stands for yours in [Run]. What only yours can do, its own
// argument types, its error types, its result sets, [RunSQL] compares with and
// without a wrapper that your users use.
//
// # What is not compared
//
// How often rows are asked for their columns; what a wrapper does on
// connections of its own; times. What sql.Conn.Raw shows is the wrapper's own
// type, necessarily: the kit tests that [Wrapper].Unwrap finds the driver's.
package drivertest
