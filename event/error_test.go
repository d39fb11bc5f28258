package event

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lib/pq"
)

type serverSays struct{ state string }

func (e *serverSays) Error() string    { return "the server says " + e.state }
func (e *serverSays) SQLState() string { return e.state }

// A lost connection is one by whichever word a driver tells it, bare or wrapped;
// what the client did itself, and what the server answered, is not.
func TestLostConnection(t *testing.T) {
	network := func(err error) error { return &net.OpError{Op: "read", Net: "tcp", Err: err} }
	for _, c := range []struct {
		name  string
		err   error
		class string
	}{
		{"database/sql's word", driver.ErrBadConn, ClassBadConn},
		{"closed by the peer", io.EOF, ClassBadConn},
		{"closed in the middle of an answer", io.ErrUnexpectedEOF, ClassBadConn},
		{"closed here", net.ErrClosed, ClassBadConn},
		{"reset", network(os.NewSyscallError("read", syscall.ECONNRESET)), ClassBadConn},
		{"refused", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, ClassBadConn},
		{"no answer for as long as the system waits", network(os.NewSyscallError("read", syscall.ETIMEDOUT)), ClassBadConn},
		{"no such host", &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, ClassBadConn},
		{"go-sql-driver's ErrInvalidConn", mysql.ErrInvalidConn, ClassBadConn},
		{"the client's deadline", network(os.ErrDeadlineExceeded), ClassCancelled},
		{"the client's context", network(context.DeadlineExceeded), ClassCancelled},
		{"the client's cancel", errors.Join(context.Canceled, io.ErrUnexpectedEOF), ClassCancelled},
		{"the server's last word", errors.Join(&serverSays{"57P01"}, io.EOF), ClassTerminated},
		{"an error of another kind", errors.New("invalid connection string"), ClassOther},
	} {
		for _, err := range []error{c.err, fmt.Errorf("goose: run 2: %w", fmt.Errorf("exec: %w", c.err))} {
			if class, _ := Classify(err); class != c.class {
				t.Errorf("%s: %v is of class %s, want %s", c.name, err, class, c.class)
			}
		}
	}
}

// An answer of the server's is found where an error is one of several: what a
// migration and its rollback say, joined.
func TestJoinedAnswer(t *testing.T) {
	after := errors.New("rollback: connection is busy")
	for _, c := range []struct {
		err         error
		class, code string
		position    int
	}{
		{&mysql.MySQLError{Number: 1205}, ClassLockTimeout, "1205", 0},
		{&pgconn.PgError{Code: "57P05", Position: 7}, ClassIdleTimeout, "57P05", 7},
		{&pgconn.PgError{Code: "57P04"}, ClassTerminated, "57P04", 0},
		{&pq.Error{Code: "42601", Position: "12"}, ClassSyntax, "42601", 12},
		{mysql.ErrInvalidConn, ClassBadConn, "", 0},
	} {
		for _, err := range []error{c.err, fmt.Errorf("migrate: %w", errors.Join(c.err, after)), errors.Join(after, c.err), fmt.Errorf("%w (%w)", after, c.err)} {
			class, code := Classify(err)
			if class != c.class || code != c.code || Position(err) != c.position {
				t.Errorf("%q: %s, %q, at %d; want %s, %q, at %d", err, class, code, Position(err), c.class, c.code, c.position)
			}
		}
	}
}
