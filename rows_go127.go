//go:build go1.27

package sqlwitness

import (
	"database/sql/driver"
	"reflect"
)

// scanRows is rows over a driver that scans for itself (Go 1.27's
// RowsColumnScanner): database/sql then calls NextRow and ScanColumn and never
// Next, so a wrapper that has no such methods would take the ability away.
type scanRows struct {
	*rows
	scanner driver.RowsColumnScanner
	values  []driver.Value // of the current row, as far as they were scanned; only if the rows are watched
}

func (r *rows) public() driver.Rows {
	if s, ok := r.parent.(driver.RowsColumnScanner); ok {
		return &scanRows{rows: r, scanner: s}
	}
	return r
}

func (r *scanRows) NextRow() error {
	r.report()
	err := r.scanner.NextRow()
	if err != nil {
		r.ended(err)
		return err
	}
	r.count++
	if r.watch != nil {
		r.values = make([]driver.Value, len(r.scanner.Columns()))
	}
	return nil
}

func (r *scanRows) ScanColumn(ctx driver.ScanContext, i int, dest any) error {
	err := r.scanner.ScanColumn(ctx, i, dest)
	if err == nil && r.values != nil && i < len(r.values) {
		r.values[i] = scanned(dest)
	}
	return err
}

func (r *scanRows) Close() error {
	r.report()
	return r.rows.Close()
}

// report shows the row that has been scanned to those who watch.
func (r *scanRows) report() {
	if r.values != nil && r.watch != nil {
		r.watch.row(r.scanner.Columns(), r.values)
	}
	r.values = nil
}

// scanning is r with what its parent needs to scan for itself.
func (r *interceptedRows) scanning() driver.Rows {
	if s, ok := r.parent.(driver.RowsColumnScanner); ok {
		return &interceptedScanRows{interceptedRows: r, scanner: s}
	}
	return r
}

// interceptedScanRows shows an interceptor of sqlmw, which knows of no such
// thing, each row as a Next without a destination.
type interceptedScanRows struct {
	*interceptedRows
	scanner driver.RowsColumnScanner
}

func (r *interceptedScanRows) NextRow() error {
	return r.i.RowsNext(r.ctx, nextRow{r.parent, r.scanner}, nil)
}

func (r *interceptedScanRows) ScanColumn(ctx driver.ScanContext, i int, dest any) error {
	return r.scanner.ScanColumn(ctx, i, dest)
}

// nextRow is rows whose Next goes to the next row and reads nothing of it.
type nextRow struct {
	driver.Rows
	scanner driver.RowsColumnScanner
}

func (n nextRow) Next([]driver.Value) error { return n.scanner.NextRow() }

// scanned reads back what a driver has put into the caller's variable.
func scanned(dest any) driver.Value {
	if v, ok := dest.(driver.Valuer); ok {
		value, _ := v.Value()
		return value
	}
	p := reflect.ValueOf(dest)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return nil
	}
	v := p.Elem()
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return int64(v.Uint())
	case reflect.Float32, reflect.Float64:
		return v.Float()
	}
	if valuer, ok := v.Interface().(driver.Valuer); ok {
		value, _ := valuer.Value()
		return value
	}
	return v.Interface()
}
