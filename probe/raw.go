package probe

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// number is the answer, a whole number, to a query without arguments on a
// driver's own connection.
func number(ctx context.Context, conn driver.Conn, query string) (int64, error) {
	row, err := answer(ctx, conn, query)
	if err != nil {
		return 0, err
	}
	if len(row) != 1 {
		return 0, fmt.Errorf("probe: %q has %d values for an answer, not 1", query, len(row))
	}
	switch v := row[0].(type) {
	case int64:
		return v, nil
	case uint64: // go-sql-driver/mysql
		return int64(v), nil
	case []byte:
		return strconv.ParseInt(string(v), 10, 64)
	case string:
		return strconv.ParseInt(v, 10, 64)
	default:
		return 0, fmt.Errorf("probe: %q has a %T for an answer, not a number", query, v)
	}
}

// answer runs a text without arguments the way that database/sql would, and
// returns its first row, nil if there is none. It reads the rows to their end: a
// connection is no good for its owner otherwise.
func answer(ctx context.Context, conn driver.Conn, text string) (row []driver.Value, err error) {
	rows, done, err := query(ctx, conn, text)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close(), done()) }()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return row, nil
		case err != nil:
			return nil, err
		case row == nil:
			row = make([]driver.Value, len(values))
			for i, v := range values {
				if b, ok := v.([]byte); ok {
					v = string(b) // the driver's own until the next row
				}
				row[i] = v
			}
		}
	}
}

// query sends the text; done is to be called when the rows are closed.
func query(ctx context.Context, conn driver.Conn, text string) (rows driver.Rows, done func() error, err error) {
	if c, ok := conn.(driver.QueryerContext); ok {
		rows, err := c.QueryContext(ctx, text, nil)
		if err != driver.ErrSkip { //nolint:errorlint // database/sql compares it so
			return rows, func() error { return nil }, err
		}
	}
	var stmt driver.Stmt
	if c, ok := conn.(driver.ConnPrepareContext); ok {
		stmt, err = c.PrepareContext(ctx, text)
	} else {
		stmt, err = conn.Prepare(text)
	}
	if err != nil {
		return nil, nil, err
	}
	if s, ok := stmt.(driver.StmtQueryContext); ok {
		rows, err = s.QueryContext(ctx, nil)
	} else {
		rows, err = stmt.Query(nil) //nolint:staticcheck // all that the driver has
	}
	if err != nil {
		return nil, nil, errors.Join(err, stmt.Close())
	}
	return rows, stmt.Close, nil
}
