//go:build go1.27

package fakedb

import (
	"database/sql"
	"database/sql/driver"
	"testing"
)

func hasScanner(r driver.Rows) bool { return has[driver.RowsColumnScanner](r) }

func TestScanner(t *testing.T) {
	opts := Full()
	opts.Rows |= RowsScanner
	db := sql.OpenDB(New(opts).Connector())
	defer db.Close()
	var n int
	var list List
	var b []byte
	if err := db.QueryRow("ROWS 2").Scan(&n, &list, &b); err != nil {
		t.Fatal(err)
	}
	if n != 1 || len(list) != 2 || list[0] != "row 1" || b[0] != 1 {
		t.Errorf("scanned %d %v %v", n, list, b)
	}
}
