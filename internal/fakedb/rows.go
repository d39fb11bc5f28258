package fakedb

import (
	"database/sql/driver"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// rows are result sets of three columns: a number, a text and bytes. It is what
// every driver's rows can do; the types after it are the optional interfaces.
type rows struct {
	conn *conn
	sets []int  // how many rows each set that is left has, the present one first
	last string // what happens after the last row
	n    int    // rows read of the present set
}

func newRows(c *conn, query string) *rows {
	r := &rows{conn: c, sets: []int{1}}
	switch word, rest, _ := strings.Cut(query, " "); word {
	case "ROWS":
		r.sets[0] = number(rest, 1)
		_, r.last, _ = strings.Cut(rest, " ")
	case "SETS":
		r.sets = nil
		for _, n := range strings.Fields(rest) {
			r.sets = append(r.sets, number(n, 1))
		}
	}
	return r
}

func (r *rows) Columns() []string { return []string{"n", "s", "b"} }

func (r *rows) Close() error { return r.conn.call(noContext, Call{Method: "Rows.Close"}, Fault{}) }

func (r *rows) Next(dest []driver.Value) error {
	if err := r.advance("Rows.Next"); err != nil {
		return err
	}
	for i := range dest {
		dest[i] = r.value(i)
	}
	return nil
}

func (r *rows) advance(method string) error {
	var script Fault
	if r.n == r.sets[0] {
		script = r.conn.db.script(r.last, true)
		if script == (Fault{}) {
			script.Err = io.EOF
		}
	}
	if err := r.conn.call(noContext, Call{Method: method}, script); err != nil {
		return err
	}
	r.n++
	return nil
}

// value of a column of the present row. Some texts are NULL.
func (r *rows) value(i int) driver.Value {
	switch {
	case i == 0:
		return int64(r.n)
	case i == 1 && r.n%3 == 0:
		return nil
	case i == 1:
		return fmt.Sprintf("row %d", r.n)
	}
	return []byte{byte(r.n)}
}

type rowsSets struct{ on *rows }

func (s rowsSets) HasNextResultSet() bool { return len(s.on.sets) > 1 }

func (s rowsSets) NextResultSet() error {
	var script Fault
	if len(s.on.sets) < 2 {
		script.Err = io.EOF
	}
	if err := s.on.conn.call(noContext, Call{Method: "Rows.NextResultSet"}, script); err != nil {
		return err
	}
	s.on.sets, s.on.n = s.on.sets[1:], 0
	return nil
}

type rowsTypeName struct{ on *rows }

func (rowsTypeName) ColumnTypeDatabaseTypeName(i int) string {
	return []string{"INT", "TEXT", "BLOB"}[i]
}

type rowsLength struct{ on *rows }

func (rowsLength) ColumnTypeLength(i int) (int64, bool) { return int64(i * 100), i > 0 }

type rowsNullable struct{ on *rows }

func (rowsNullable) ColumnTypeNullable(i int) (nullable, ok bool) { return i == 1, true }

type rowsDecimal struct{ on *rows }

func (rowsDecimal) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	return 10, 2, i == 0
}

type rowsScanType struct{ on *rows }

func (rowsScanType) ColumnTypeScanType(i int) reflect.Type {
	return []reflect.Type{reflect.TypeFor[int64](), reflect.TypeFor[string](), reflect.TypeFor[[]byte]()}[i]
}
