//go:build !go1.27

package fakedb

import "database/sql/driver"

func hasScanner(driver.Rows) bool { return false }
