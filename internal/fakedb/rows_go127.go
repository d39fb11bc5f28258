//go:build go1.27

package fakedb

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// scanningRows are rows that scan for themselves.
func scanningRows(r *rows, can RowsCan) driver.Rows {
	switch can {
	case RowsScanner:
		return struct {
			*rows
			rowsScanner
		}{r, rowsScanner{r}}
	case RowsAll | RowsScanner:
		return struct {
			*rows
			rowsScanner
			rowsSets
			rowsTypeName
			rowsLength
			rowsNullable
			rowsDecimal
			rowsScanType
		}{r, rowsScanner{r}, rowsSets{r}, rowsTypeName{r}, rowsLength{r}, rowsNullable{r}, rowsDecimal{r}, rowsScanType{r}}
	}
	return nil
}

type rowsScanner struct{ on *rows }

func (s rowsScanner) NextRow() error { return s.on.advance("Rows.NextRow") }

// ScanColumn scans what database/sql alone cannot: a List.
func (s rowsScanner) ScanColumn(ctx driver.ScanContext, i int, dest any) error {
	if err := s.on.conn.call(noContext, Call{Method: "Rows.ScanColumn"}, Fault{}); err != nil {
		return err
	}
	if list, ok := dest.(*List); ok {
		*list = List{fmt.Sprintf("row %d", s.on.n), fmt.Sprintf("column %d", i)}
		return nil
	}
	return sql.ConvertAssign(ctx, dest, s.on.value(i))
}
