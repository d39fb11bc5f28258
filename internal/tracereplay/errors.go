package tracereplay

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// err rebuilds a recorded error, so that it answers the questions by which
// drivers' errors are told apart. Values that are compared by identity are the
// real ones.
func (l *Line) err() error {
	if l.Err == "" {
		return nil
	}
	for _, e := range []error{driver.ErrSkip, driver.ErrBadConn, context.DeadlineExceeded, context.Canceled} {
		if l.Err == e.Error() {
			return e
		}
	}
	kind := strings.TrimPrefix(l.ErrType, "*")
	switch {
	case strings.HasPrefix(kind, "mysql."):
		_, number, _ := strings.Cut(l.SQLState, "/")
		n, _ := strconv.ParseUint(number, 10, 16)
		return &mysqlError{Number: uint16(n), Message: l.Err}
	case strings.HasPrefix(kind, "sqlite"):
		n, _ := strconv.Atoi(strings.TrimPrefix(l.SQLState, "sqlite:"))
		return &sqliteError{code: n, message: l.Err}
	case kind == "pgconn.errTimeout":
		return &timeoutError{l.Err}
	case kind == "pgconn.PrepareError":
		return fmt.Errorf("%w", &serverError{state: l.SQLState, message: l.Err})
	case kind == "net.OpError":
		return &closedError{l.Err}
	case l.SQLState != "":
		return &serverError{state: l.SQLState, message: l.Err}
	}
	return errors.New(l.Err)
}

// closedError is what the network says of a connection that is closed.
type closedError struct{ message string }

func (e *closedError) Error() string { return e.message }
func (e *closedError) Unwrap() error { return net.ErrClosed }

// serverError is PostgreSQL's, as lib/pq and pgx give it.
type serverError struct{ state, message string }

func (e *serverError) Error() string    { return e.message }
func (e *serverError) SQLState() string { return e.state }

// mysqlError is MySQL's, as go-sql-driver/mysql gives it.
type mysqlError struct {
	Number  uint16
	Message string
}

func (e *mysqlError) Error() string { return e.Message }

// sqliteError is SQLite's, as modernc.org/sqlite gives it.
type sqliteError struct {
	code    int
	message string
}

func (e *sqliteError) Error() string { return e.message }
func (e *sqliteError) Code() int     { return e.code }

// timeoutError is pgx's for a context that ran out.
type timeoutError struct{ message string }

func (e *timeoutError) Error() string { return e.message }
func (*timeoutError) Timeout() bool   { return true }
func (*timeoutError) Unwrap() error   { return context.DeadlineExceeded }
