//go:build go1.27

package drivertest

import "github.com/sqlwitness/sqlwitness/internal/fakedb"

// scannerKinds scan for themselves.
var scannerKinds = []kind{
	{"RowsColumnScanner", fakedb.Options{Conn: fakedb.ConnAll, Stmt: fakedb.StmtAll, Rows: fakedb.RowsAll | fakedb.RowsScanner, DriverContext: true, Closer: true}},
	{"RowsColumnScanner alone", fakedb.Options{Conn: fakedb.ConnAll, Stmt: fakedb.StmtAll, Rows: fakedb.RowsScanner, DriverContext: true, Closer: true}},
}
