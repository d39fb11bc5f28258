package sqlwitness

import (
	"context"
	"database/sql/driver"
	"io"
	"reflect"
)

// rows forwards a result set. A query ends when its rows do: an error may come
// as late as the last Next (MariaDB reports a duplicate key of INSERT …
// RETURNING there), and a lock's answer is a value in a row.
//
// Each connection keeps one rows value for use again and again, since it has at
// most one open result set at a time under most drivers; see conn.newRows.
type rows struct {
	conn   *conn
	parent driver.Rows
	ctx    context.Context // of the query, for its correlation id alone
	text   *text
	start  int64 // when the query was sent
	took   int64 // what the query call took
	count  int64 // rows read
	watch  *watch
	err    error // what ended it, if not io.EOF
}

var (
	_ driver.RowsNextResultSet              = (*rows)(nil)
	_ driver.RowsColumnTypeDatabaseTypeName = (*rows)(nil)
	_ driver.RowsColumnTypeLength           = (*rows)(nil)
	_ driver.RowsColumnTypeNullable         = (*rows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*rows)(nil)
	_ driver.RowsColumnTypeScanType         = (*rows)(nil)
)

func (r *rows) Columns() []string {
	if r.parent == nil {
		return nil
	}
	return r.parent.Columns()
}

func (r *rows) Next(dest []driver.Value) error {
	if r.parent == nil {
		return io.EOF
	}
	err := r.parent.Next(dest)
	if err != nil {
		r.ended(err)
		return err
	}
	r.count++
	if r.watch != nil {
		r.watch.row(r.parent.Columns(), dest)
	}
	return nil
}

// ended notes what Next has met at the end of a result set.
func (r *rows) ended(err error) {
	if err != io.EOF { //nolint:errorlint // database/sql compares it so
		r.err = err
	}
}

// Close ends the query. A second Close does nothing: by then the value may
// serve another query of the connection only if database/sql has let go of it,
// which it does at the first Close.
func (r *rows) Close() error {
	parent := r.parent
	if parent == nil {
		return nil
	}
	r.parent = nil
	err := parent.Close()
	r.conn.rowsClosed(r)
	return err
}

func (r *rows) HasNextResultSet() bool {
	next, ok := r.parent.(driver.RowsNextResultSet)
	return ok && next.HasNextResultSet()
}

func (r *rows) NextResultSet() error {
	next, ok := r.parent.(driver.RowsNextResultSet)
	if !ok {
		return io.EOF
	}
	err := next.NextResultSet()
	if err != nil {
		r.ended(err)
	}
	return err
}

// What database/sql reports for a column where the driver says nothing of it
// (sql.go, rowsColumnInfoSetupConnLocked), is what these fall back to.

func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	if c, ok := r.parent.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return c.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

func (r *rows) ColumnTypeLength(i int) (int64, bool) {
	if c, ok := r.parent.(driver.RowsColumnTypeLength); ok {
		return c.ColumnTypeLength(i)
	}
	return 0, false
}

func (r *rows) ColumnTypeNullable(i int) (nullable, ok bool) {
	if c, ok := r.parent.(driver.RowsColumnTypeNullable); ok {
		return c.ColumnTypeNullable(i)
	}
	return false, false
}

func (r *rows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	if c, ok := r.parent.(driver.RowsColumnTypePrecisionScale); ok {
		return c.ColumnTypePrecisionScale(i)
	}
	return 0, 0, false
}

func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	if c, ok := r.parent.(driver.RowsColumnTypeScanType); ok {
		return c.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}
