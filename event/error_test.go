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
