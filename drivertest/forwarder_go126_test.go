//go:build !go1.27

package drivertest

import "database/sql/driver"

const scanners = false

func (r *fwRows) scanning() driver.Rows { return r }
