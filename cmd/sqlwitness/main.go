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
	"strings"
	"syscall"
	"time"

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
	sqlwitness goose …           run goose, with its own arguments, through the witness
	sqlwitness migrate …         run golang-migrate, with its own arguments, through the witness
	sqlwitness report …          show a run, from the witness's log or the audit trail, as Markdown and HTML
	sqlwitness audit …           was the record altered? proofs, exports, keys
	sqlwitness alerts …          who is told of what; known issues
	sqlwitness version           print the version

goose, migrate, report, audit and alerts tell their arguments with -h.

Without -dsn the demo uses a SQLite file in a temporary directory. With a URL of
a PostgreSQL (postgres://…) or MySQL or MariaDB (mysql://…) server it makes a
database of its own there and drops it at the end.
`
)

// secondSignal is when a further signal ends the process at once. Before, it is
// the same one: timeout(1), for one, sends it to the process and to its group.
const secondSignal = time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(secondSignal, stop) })
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// parseAlone reads the flags of a command that takes nothing else. Flags after an
// argument are not read, and -dry-run may be one of them.
func parseAlone(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%s takes no argument %q", f.Name(), f.Arg(0))
	}
	return nil
}

// complain writes an error under the command's name, which the library's own bear too.
func complain(errs io.Writer, err error) {
	fmt.Fprintln(errs, "sqlwitness:", strings.TrimPrefix(err.Error(), "sqlwitness: "))
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
	case "goose":
		return gooseCommand(ctx, rest, out, errs)
	case "migrate":
		return migrateCommand(ctx, rest, os.Stdin, out, errs)
	case "report":
		return reportCommand(ctx, rest, os.Stdin, out, errs)
	case "audit":
		return auditCommand(ctx, rest, out, errs)
	case "alerts":
		err = alertsCommand(ctx, rest, out, errs)
	case "version":
		fmt.Fprintln(out, sqlwitness.Version())
	case "help", "-h", "-help", "--help":
		fmt.Fprint(out, usageMessage)
	default:
		err = fmt.Errorf("there is no command %q; see sqlwitness help", command)
	}
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	complain(errs, err)
	if errors.As(err, new(bad)) {
		return exitBad
	}
	return exitNotDone
}
