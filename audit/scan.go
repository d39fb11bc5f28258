package audit

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// scan is a query for the rows of a range of numbers.
type scan struct {
	number  string   // column of the numbers
	columns []string // expressions of texts and bytes
	from    string
}

// scan calls f with each row from number start to before end, in their order.
// What f is given is its own only until it returns; nil is NULL.
func (d *dialect) scan(ctx context.Context, c *sql.Conn, s scan, start, end int64, f func(n int64, row [][]byte) error) error {
	if d.packed {
		return s.packed(ctx, c, start, end, f)
	}
	rows, err := c.QueryContext(ctx, s.query(strconv.FormatInt(start, 10), strconv.FormatInt(end, 10)))
	if err != nil {
		return err
	}
	defer rows.Close()
	var n int64
	raw, row := make([]sql.RawBytes, len(s.columns)), make([][]byte, len(s.columns))
	into := []any{&n}
	for i := range raw {
		into = append(into, &raw[i])
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i := range raw {
			row[i] = raw[i]
		}
		if err := f(n, row); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s scan) query(start, end string) string {
	return "SELECT " + strings.Join(append([]string{s.number}, s.columns...), ", ") + " FROM " + s.from +
		" WHERE " + s.number + " >= " + start + " AND " + s.number + " < " + end + " ORDER BY " + s.number
}

// packSpan is how many numbers the rows are of that come as one value. It is
// small enough for a value to stay far under the gigabyte that PostgreSQL
// allows, and large enough for a value to cost little by the row.
const packSpan = 256

var errPack = errors.New("the server sent rows that cannot be read")

// packed is scan on PostgreSQL. To take a row through a driver and database/sql
// costs more than all that verification does with it, so the server puts rows one after the
// other into one value, each as the wire protocol has a composite: the number of
// columns, and for each its type, its length (-1 for NULL) and its bytes.
func (s scan) packed(ctx context.Context, c *sql.Conn, start, end int64, f func(n int64, row [][]byte) error) error {
	const int8 = "::pg_catalog.int8"
	from, to, span := strconv.FormatInt(start, 10)+int8, strconv.FormatInt(end, 10)+int8, strconv.Itoa(packSpan)
	// To order the values themselves would have the server sort all of them
	// before it sends the first. They come in order as it is, which is checked.
	rows, err := c.QueryContext(ctx, "SELECT (SELECT pg_catalog.string_agg(pg_catalog.record_send(r), ''::pg_catalog.bytea) FROM ("+
		s.query("span.first", "LEAST(span.first + "+span+", "+to+")")+") r) FROM pg_catalog.generate_series("+from+", "+to+" - 1, "+span+") span (first)")
	if err != nil {
		return err
	}
	defer rows.Close()
	var pack sql.RawBytes
	last := start
	row := make([][]byte, 1+len(s.columns))
	for rows.Next() {
		if err := rows.Scan(&pack); err != nil {
			return err
		}
		for rest := []byte(pack); len(rest) > 0; {
			if rest, err = unpack(rest, row); err != nil {
				return err
			}
			if len(row[0]) != 8 {
				return errPack
			}
			n := int64(binary.BigEndian.Uint64(row[0]))
			if n < last {
				return errPack
			}
			last = n
			if err := f(n, row[1:]); err != nil {
				return err
			}
		}
	}
	return rows.Err()
}

// unpack reads the columns of the first row and returns what comes after it.
func unpack(b []byte, row [][]byte) ([]byte, error) {
	word := func() (int, bool) {
		if len(b) < 4 {
			return 0, false
		}
		n := int(int32(binary.BigEndian.Uint32(b)))
		b = b[4:]
		return n, true
	}
	if n, ok := word(); !ok || n != len(row) {
		return nil, errPack
	}
	for i := range row {
		_, typed := word()
		size, ok := word()
		switch {
		case !typed || !ok || size < -1 || size > len(b):
			return nil, errPack
		case size == -1:
			row[i] = nil
		default:
			row[i], b = b[:size:size], b[size:]
		}
	}
	return b, nil
}
