//go:build !go1.27

package drivertest

// scannerKinds is empty: RowsColumnScanner is new in Go 1.27.
var scannerKinds []kind
