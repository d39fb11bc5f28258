//go:build go1.27

package drivertest

import "database/sql/driver"

const scanners = true

func (r *fwRows) scanning() driver.Rows {
	if s, ok := r.Rows.(driver.RowsColumnScanner); ok && !r.conn.has("scanning is lost") {
		return &fwScanner{r, s}
	}
	return r
}

type fwScanner struct {
	*fwRows
	parent driver.RowsColumnScanner
}

func (s *fwScanner) NextRow() (err error) {
	defer s.conn.recover(&err)
	return s.parent.NextRow()
}

func (s *fwScanner) ScanColumn(ctx driver.ScanContext, i int, dest any) error {
	return s.parent.ScanColumn(ctx, i, dest)
}
