package drivertest

import (
	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

// kind is a driver with some of the optional interfaces.
type kind struct {
	name string
	opts fakedb.Options
}

// kinds are the drivers that the cases are played on: each connection type of
// fakedb with modern statements and rows, each statement type under a modern
// connection, an old one, and one with fast paths alone, and each rows type.
func kinds() []kind {
	modern := fakedb.Full()
	ks := []kind{{"everything", modern}, {"nothing", fakedb.Options{}}}
	add := func(name string, change func(*fakedb.Options)) {
		o := modern
		change(&o)
		ks = append(ks, kind{name, o})
	}
	add("no DriverContext", func(o *fakedb.Options) { o.DriverContext = false })
	add("no io.Closer", func(o *fakedb.Options) { o.Closer = false })
	for _, c := range connKinds {
		add(c.name, func(o *fakedb.Options) { o.Conn = c.can })
	}
	for _, conn := range []fakedb.ConnCan{fakedb.ConnAll, fakedb.ConnAll &^ fakedb.ConnCheck, fakedb.ConnExec | fakedb.ConnQuery, 0} {
		for _, s := range stmtKinds {
			add(connName(conn)+", "+s.name, func(o *fakedb.Options) { o.Conn, o.Stmt = conn, s.can })
		}
	}
	for _, r := range rowsKinds {
		add(r.name, func(o *fakedb.Options) { o.Rows = r.can })
	}
	return append(ks, scannerKinds...)
}

func connName(can fakedb.ConnCan) string {
	switch can {
	case fakedb.ConnAll:
		return "a modern connection"
	case fakedb.ConnAll &^ fakedb.ConnCheck:
		return "no NamedValueChecker"
	case 0:
		return "a bare connection"
	}
	return "ExecerContext and QueryerContext alone"
}

var connKinds = []struct {
	name string
	can  fakedb.ConnCan
}{
	{"a bare connection", 0},
	{"no Pinger", fakedb.ConnAll &^ fakedb.ConnPing},
	{"no ExecerContext", fakedb.ConnAll &^ fakedb.ConnExec},
	{"no QueryerContext", fakedb.ConnAll &^ fakedb.ConnQuery},
	{"no ConnPrepareContext", fakedb.ConnAll &^ fakedb.ConnPrepare},
	{"no ConnBeginTx", fakedb.ConnAll &^ fakedb.ConnBegin},
	{"no SessionResetter", fakedb.ConnAll &^ fakedb.ConnReset},
	{"no Validator", fakedb.ConnAll &^ fakedb.ConnValid},
	{"no NamedValueChecker of the connection", fakedb.ConnAll &^ fakedb.ConnCheck},
	{"no fast paths", fakedb.ConnAll &^ (fakedb.ConnExec | fakedb.ConnQuery)},
	{"old fast paths", fakedb.ConnAll&^(fakedb.ConnExec|fakedb.ConnQuery) | fakedb.ConnLegacyExec | fakedb.ConnLegacyQuery},
	{"old fast paths beside the new", fakedb.ConnAll | fakedb.ConnLegacyExec | fakedb.ConnLegacyQuery},
	{"ExecerContext alone", fakedb.ConnExec},
	{"QueryerContext alone", fakedb.ConnQuery},
	{"Execer alone", fakedb.ConnLegacyExec},
	{"Queryer alone", fakedb.ConnLegacyQuery},
	{"Execer and Queryer alone", fakedb.ConnLegacyExec | fakedb.ConnLegacyQuery},
}

var stmtKinds = []struct {
	name string
	can  fakedb.StmtCan
}{
	{"a bare statement", 0},
	{"StmtExecContext alone", fakedb.StmtExec},
	{"StmtQueryContext alone", fakedb.StmtQuery},
	{"NamedValueChecker of the statement alone", fakedb.StmtCheck},
	{"ColumnConverter alone", fakedb.StmtConvert},
	{"no NamedValueChecker of the statement", fakedb.StmtExec | fakedb.StmtQuery},
	{"no StmtQueryContext", fakedb.StmtExec | fakedb.StmtCheck},
	{"no StmtExecContext", fakedb.StmtQuery | fakedb.StmtCheck},
	{"NamedValueChecker and ColumnConverter alone", fakedb.StmtCheck | fakedb.StmtConvert},
	{"ColumnConverter and no NamedValueChecker of the statement", fakedb.StmtExec | fakedb.StmtQuery | fakedb.StmtConvert},
	{"ColumnConverter", fakedb.StmtAll | fakedb.StmtConvert},
}

var rowsKinds = []struct {
	name string
	can  fakedb.RowsCan
}{
	{"bare rows", 0},
	{"no RowsNextResultSet", fakedb.RowsAll &^ fakedb.RowsSets},
	{"no ColumnTypeDatabaseTypeName", fakedb.RowsAll &^ fakedb.RowsTypeName},
	{"no ColumnTypeLength", fakedb.RowsAll &^ fakedb.RowsLength},
	{"no ColumnTypeNullable", fakedb.RowsAll &^ fakedb.RowsNullable},
	{"no ColumnTypePrecisionScale", fakedb.RowsAll &^ fakedb.RowsDecimal},
	{"no ColumnTypeScanType", fakedb.RowsAll &^ fakedb.RowsScanType},
}

// contextual says that every method that takes a context gets it.
func contextual(o fakedb.Options) bool {
	needs := fakedb.ConnExec | fakedb.ConnQuery | fakedb.ConnPrepare | fakedb.ConnBegin | fakedb.ConnPing
	stmts := fakedb.StmtExec | fakedb.StmtQuery
	return o.Conn&needs == needs && o.Stmt&stmts == stmts
}
