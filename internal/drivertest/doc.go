// Package drivertest finds out whether a driver that wraps another is
// transparent: whether callers of database/sql can tell it from the driver that
// it wraps.
//
// It plays the same calls twice, on a bare driver and on the same driver
// wrapped, and compares what the caller got, in values and in the identity of
// errors, and what the driver was called with. [Run] plays them on package
// fakedb's driver, with each of its sets of optional interfaces; [RunSQL] on a
// real one.
//
// Each case states the rule that it tests, and a failure repeats it.
package drivertest
