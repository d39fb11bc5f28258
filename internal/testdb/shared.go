package testdb

import (
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
)

// Environment variables that name a server to use, as its administrator, in
// place of a private one.
const (
	EnvPostgreSQL = "SQLWITNESS_TEST_POSTGRES" // postgres://user@host:port/database
	EnvMariaDB    = "SQLWITNESS_TEST_MARIADB"  // user:password@tcp(host:port)/
)

// One server of a kind serves all the tests of a process. The process is the
// only thing that all of them have in common and nothing in package testing
// outlives a test, so the servers are package variables.
var (
	postgreSQL = shared{env: EnvPostgreSQL, start: StartPostgreSQL}
	mariaDB    = shared{env: EnvMariaDB, start: StartMariaDB}
)

// shared is a server that is started once, when it is first needed.
type shared struct {
	env   string
	start func() (*Server, error)

	once   sync.Once
	server *Server // held, because dropping it would end the server
	dsn    string
	err    error
}

// admin returns the administrator's DSN, or skips the test where there is no
// server to be had.
func (s *shared) admin(t testing.TB) string {
	t.Helper()
	s.once.Do(func() {
		if s.dsn = os.Getenv(s.env); s.dsn != "" {
			return
		}
		if s.server, s.err = s.start(); s.err == nil {
			s.dsn = s.server.DSN()
		}
	})
	started(t, s.err, s.env)
	return s.dsn
}

// Missing says which servers there are none of, so that the tests that need
// them are skipped.
func Missing() []error {
	var missing []error
	for _, server := range []struct {
		env  string
		find func() (kind, error)
	}{{EnvPostgreSQL, postgreSQLKind}, {EnvMariaDB, mariaDBKind}} {
		if os.Getenv(server.env) != "" {
			continue
		}
		k, err := server.find()
		if err == nil {
			_, err = accountFor(k.accounts)
		}
		if err != nil {
			missing = append(missing, err)
		}
	}
	return missing
}

// started skips the test for want of a server and fails it for one that does
// not start.
func started(t testing.TB, err error, env string) {
	t.Helper()
	switch {
	case errors.Is(err, ErrNotInstalled):
		t.Skipf("no server to test with: %v (install it, or name one in %s)", err, env)
	case err != nil:
		t.Fatal(err)
	}
}

// freshName is a name for a database or a role that none has had before.
func freshName() string { return "test_" + strings.ToLower(rand.Text()[:16]) }
