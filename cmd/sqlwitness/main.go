// Command sqlwitness shows and checks what the sqlwitness driver records.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sqlwitness/sqlwitness"
)

// Exit codes.
const (
	exitOK       = 0
	exitBad      = 1 // the thing asked about is bad
	exitNotDone  = 2 // it could not be done or checked
	usageMessage = `sqlwitness watches database migrations.

Usage:

	sqlwitness demo [-dsn URL]   run goose and golang-migrate through the witness and show what it saw
	sqlwitness version           print the version

Without -dsn the demo uses a SQLite file in a temporary directory. With a URL of
a PostgreSQL (postgres://…) or MySQL or MariaDB (mysql://…) server it makes a
database of its own there and drops it at the end.
`
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(errs, usageMessage)
		return exitNotDone
	}
	var err error
	switch command, rest := args[0], args[1:]; command {
	case "demo":
		err = demoCommand(ctx, rest, out, errs)
	case "version":
		fmt.Fprintln(out, sqlwitness.Version())
	case "help", "-h", "-help", "--help":
		fmt.Fprint(out, usageMessage)
	default:
		err = fmt.Errorf("there is no command %q; see sqlwitness help", command)
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	default:
		fmt.Fprintln(errs, "sqlwitness:", err)
		return exitNotDone
	}
}
