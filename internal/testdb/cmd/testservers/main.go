// Testservers runs a command, go test above all, with a PostgreSQL server for
// all the packages that it tests:
//
//	go run ./internal/testdb/cmd/testservers go test ./...
//
// It exits with the command's exit code. Its last line says which tests were
// skipped for want of a server. See package testdb for why MariaDB is left to
// each package.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: testservers command [argument...]")
		os.Exit(2)
	}
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testservers:", err)
	}
	for _, missing := range testdb.Missing() {
		fmt.Printf("SKIPPED: EVERY TEST THAT NEEDS %s\n", strings.ToUpper(missing.Error()))
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	if os.Getenv(testdb.EnvPostgreSQL) == "" {
		start := time.Now()
		s, startErr := testdb.StartPostgreSQL()
		switch {
		case startErr == nil:
			fmt.Fprintf(os.Stderr, "testservers: PostgreSQL started in %v\n", time.Since(start).Round(time.Millisecond))
			cmd.Env = append(cmd.Env, testdb.EnvPostgreSQL+"="+s.DSN())
			defer func() { err = errors.Join(err, s.Stop()) }()
		case !errors.Is(startErr, testdb.ErrNotInstalled):
			return 2, startErr
		}
	}
	// A terminal sends Ctrl-C to the command as well: it ends, and then so do
	// the servers. Any other sender means this process alone.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 2, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if s != os.Interrupt {
				_ = cmd.Process.Signal(s)
			}
		case err := <-ended:
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				return max(exit.ExitCode(), 1), nil // -1: a signal
			}
			return 0, err
		}
	}
}
