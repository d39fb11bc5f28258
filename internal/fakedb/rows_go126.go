//go:build !go1.27

package fakedb

import "database/sql/driver"

// scanningRows has no such rows to offer: their interface is new in Go 1.27.
func scanningRows(*rows, RowsCan) driver.Rows { return nil }
