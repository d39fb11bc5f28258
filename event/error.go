package event

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Error classes: what kind of failure it was, in words that hold across
// databases. They are metric labels, so the set is closed.
const (
	ClassLockTimeout      = "lock_timeout"
	ClassStatementTimeout = "statement_timeout"
	ClassIdleTimeout      = "idle_timeout"
	ClassCancelled        = "cancelled"
	ClassTerminated       = "terminated"
	ClassDeadlock         = "deadlock"
	ClassSerialization    = "serialization"
	ClassConnections      = "connections"
	ClassReadOnly         = "read_only"
	ClassDuplicateObject  = "duplicate_object"
	ClassMissingObject    = "missing_object"
	ClassSyntax           = "syntax"
	ClassPermission       = "permission"
	ClassConstraint       = "constraint"
	ClassAbortedTx        = "aborted_tx"
	ClassBadConn          = "bad_conn"
	ClassOther            = "other"
)

// Classify names the class of a driver's error and the server's own code for
// it: a SQLSTATE, a MySQL error number or a SQLite result code, "" if the error
// carries none. An answer of the server's goes before what the network did around
// it. It imports no driver: it asks by method and field name, as
// lib/pq and pgx (SQLState), go-sql-driver/mysql (Number) and modernc.org/sqlite
// (Code) offer them. A nil error has class "".
func Classify(err error) (class, code string) {
	if err == nil {
		return "", ""
	}
	if errors.Is(err, driver.ErrBadConn) {
		return ClassBadConn, ""
	}
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		code = state.SQLState()
		return classOfSQLState(code, err.Error()), code
	}
	var sqlite interface {
		error
		Code() int
	}
	if errors.As(err, &sqlite) {
		n := sqlite.Code()
		return classOfSQLite(n, sqlite.Error()), strconv.Itoa(n)
	}
	if n, ok := mysqlNumber(err); ok {
		return classOfMySQL(n), strconv.Itoa(n)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ClassCancelled, ""
	}
	if connectionLost(err) {
		return ClassBadConn, ""
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return ClassCancelled, ""
	}
	return ClassOther, ""
}

// connectionLost reports whether an error that the server did not send says that
// the connection to it is gone, or never came to be. A deadline that passed was
// the client's own.
func connectionLost(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	var network *net.OpError
	if errors.As(err, &network) {
		return !errors.Is(err, os.ErrDeadlineExceeded)
	}
	// go-sql-driver's ErrInvalidConn, after a part of a packet
	return find(err, func(e error) bool { return e.Error() == "invalid connection" })
}

// Position is the character of the statement's text, from 1, that the server
// blames for an error; 0 where it names none. PostgreSQL names one, and lib/pq and
// pgx pass it on.
func Position(err error) (position int) {
	find(err, func(e error) bool {
		switch f := field(e, "Position"); f.Kind() {
		case reflect.String: // lib/pq
			position, _ = strconv.Atoi(f.String())
			return true
		case reflect.Int32, reflect.Int, reflect.Int64: // pgconn.PgError
			position = int(f.Int())
			return true
		}
		return false
	})
	return position
}

func mysqlNumber(err error) (n int, ok bool) {
	ok = find(err, func(e error) bool {
		f := field(e, "Number")
		if f.Kind() != reflect.Uint16 {
			return false
		}
		n = int(f.Uint())
		return true
	})
	return n, ok
}

// find shows an error and those that it wraps, joined ones too, to is until that
// says yes.
func find(err error, is func(error) bool) bool {
	if err == nil || is(err) {
		return err != nil
	}
	switch e := err.(type) { //nolint:errorlint // the chain is walked here, link by link
	case interface{ Unwrap() error }:
		return find(e.Unwrap(), is)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(one error) bool { return find(one, is) })
	}
	return false
}

// field is the named field of the struct that err points to.
func field(err error, name string) reflect.Value {
	v := reflect.ValueOf(err)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.Elem().FieldByName(name)
}

// classOfSQLState follows PostgreSQL's appendix A. 57014 covers both a timeout
// and a cancel, which only the message tells apart.
func classOfSQLState(code, message string) string {
	switch code {
	case "55P03":
		return ClassLockTimeout
	case "57014":
		if strings.Contains(message, "statement timeout") {
			return ClassStatementTimeout
		}
		if strings.Contains(message, "lock timeout") {
			return ClassLockTimeout
		}
		return ClassCancelled
	case "25P03", "25P04", "57P05": // of a transaction, and of a session
		return ClassIdleTimeout
	case "57P01", "57P02", "57P03", "57P04":
		return ClassTerminated
	case "40P01":
		return ClassDeadlock
	case "40001":
		return ClassSerialization
	case "53300":
		return ClassConnections
	case "25006":
		return ClassReadOnly
	case "25P02":
		return ClassAbortedTx
	case "42P07", "42701", "42710", "42P06", "42P04", "42723":
		return ClassDuplicateObject
	case "42P01", "42703", "42704", "42883", "3F000", "3D000":
		return ClassMissingObject
	case "42601":
		return ClassSyntax
	case "42501":
		return ClassPermission
	}
	switch {
	case strings.HasPrefix(code, "08"):
		return ClassTerminated
	case strings.HasPrefix(code, "23"):
		return ClassConstraint
	case strings.HasPrefix(code, "28"):
		return ClassPermission
	}
	return ClassOther
}

// classOfMySQL follows the error reference of MySQL 8 and MariaDB 10.11.
func classOfMySQL(n int) string {
	switch n {
	case 1205, 3572:
		return ClassLockTimeout
	case 3024, 1969:
		return ClassStatementTimeout
	case 1317:
		return ClassCancelled
	case 1053, 2006, 2013, 1927:
		return ClassTerminated
	case 1213, 3058:
		return ClassDeadlock
	case 1040, 1203:
		return ClassConnections
	case 1290, 1792, 1836:
		return ClassReadOnly
	case 1050, 1060, 1061, 1007, 1304:
		return ClassDuplicateObject
	case 1146, 1054, 1051, 1091, 1049, 1305:
		return ClassMissingObject
	case 1064, 1149:
		return ClassSyntax
	case 1044, 1045, 1142, 1143, 1227:
		return ClassPermission
	case 1062, 1048, 1451, 1452, 1216, 1217, 3819, 4025, 1586:
		return ClassConstraint
	}
	return ClassOther
}

// classOfSQLite reads the primary result code (the low byte); SQLITE_ERROR is
// every kind of bad statement, which only the message tells apart.
func classOfSQLite(n int, message string) string {
	switch n & 0xff {
	case 5, 6:
		return ClassLockTimeout
	case 9:
		return ClassCancelled
	case 8:
		return ClassReadOnly
	case 3, 23:
		return ClassPermission
	case 19:
		return ClassConstraint
	case 1:
		switch {
		case strings.Contains(message, "syntax error"), strings.Contains(message, "incomplete input"), strings.Contains(message, "unrecognized token"):
			return ClassSyntax
		case strings.Contains(message, "no such"):
			return ClassMissingObject
		case strings.Contains(message, "already exists"), strings.Contains(message, "duplicate column"):
			return ClassDuplicateObject
		}
	}
	return ClassOther
}
