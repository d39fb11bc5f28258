package fakedb

// Options say which optional interfaces a driver has. The zero value has none,
// as the oldest drivers.
type Options struct {
	Conn ConnCan
	Stmt StmtCan
	Rows RowsCan

	DriverContext bool // the driver makes connectors
	Closer        bool // the connectors are io.Closers
}

// Full has every optional interface in its present form.
func Full() Options {
	return Options{Conn: ConnAll, Stmt: StmtAll, Rows: RowsAll, DriverContext: true, Closer: true}
}

// ConnCan is a set of optional interfaces of a connection.
type ConnCan uint

// The interfaces of package driver that each stands for.
const (
	ConnPing        ConnCan = 1 << iota // Pinger
	ConnExec                            // ExecerContext
	ConnQuery                           // QueryerContext
	ConnPrepare                         // ConnPrepareContext
	ConnBegin                           // ConnBeginTx
	ConnReset                           // SessionResetter
	ConnValid                           // Validator
	ConnCheck                           // NamedValueChecker
	ConnLegacyExec                      // Execer
	ConnLegacyQuery                     // Queryer

	ConnAll = ConnLegacyExec - 1 // the old forms excepted
)

// StmtCan is a set of optional interfaces of a statement.
type StmtCan uint

// The interfaces of package driver that each stands for.
const (
	StmtExec    StmtCan = 1 << iota // StmtExecContext
	StmtQuery                       // StmtQueryContext
	StmtCheck                       // NamedValueChecker
	StmtConvert                     // ColumnConverter

	StmtAll = StmtConvert - 1 // the old form excepted
)

// RowsCan is a set of optional interfaces of rows.
type RowsCan uint

// The interfaces of package driver that each stands for.
const (
	RowsSets     RowsCan = 1 << iota // RowsNextResultSet
	RowsTypeName                     // RowsColumnTypeDatabaseTypeName
	RowsLength                       // RowsColumnTypeLength
	RowsNullable                     // RowsColumnTypeNullable
	RowsDecimal                      // RowsColumnTypePrecisionScale
	RowsScanType                     // RowsColumnTypeScanType
	RowsScanner                      // RowsColumnScanner, since Go 1.27; only with RowsAll or alone

	RowsAll = RowsScanner - 1 // the scanner excepted
)
