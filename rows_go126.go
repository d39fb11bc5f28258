//go:build !go1.27

package sqlwitness

import "database/sql/driver"

// public is the value that database/sql sees.
func (r *rows) public() driver.Rows { return r }

func (r *interceptedRows) scanning() driver.Rows { return r }
