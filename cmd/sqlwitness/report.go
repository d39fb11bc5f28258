package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/sqlwitness/sqlwitness/audit"
)

const reportUsage = `sqlwitness report shows one run of a migration tool: as Markdown for a pull
request, and as one HTML file with a chart of what ran, waited and blocked.

Usage:

	sqlwitness report -log FILE [-run ID] [-md FILE] [-html FILE]
	sqlwitness report -dsn URL  [-run ID] [-md FILE] [-html FILE]

It is made of the witness's log, which has everything that was slow, failed, waited
or blocked, or of the audit trail, which has every statement of every migration.
A log that shows each lock is written at level debug, as by
sqlwitness goose -witness-log FILE. A report of the trail leaves an entry in it that says so.
Without -md and -html the Markdown goes to stdout.
The log of an application tells of migrations that ran in another process, too: what
they did to the application, and not how they went.
The exit code is 0 for a run that went well or that was another process's, 1 for one that failed or has not
ended, 2 where there is no report.

Flags:

`

// reportCommand answers with an exit code.
func reportCommand(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(errs)
	logFile := flags.String("log", "", "`file` of the witness's log, - for stdin")
	dsn := flags.String("dsn", "", "`URL` of a database with an audit trail: postgres://, mysql://, sqlite://")
	runID := flags.String("run", "", "`id` of the run; default the last one")
	noRecord := flags.Bool("no-record", false, "with -dsn: "+noRecordUsage)
	md := flags.String("md", "", "`file` to write the Markdown to, - for stdout")
	html := flags.String("html", "", "`file` to write the HTML to, - for stdout")
	flags.Usage = func() {
		fmt.Fprint(errs, reportUsage)
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitNotDone
	}
	err := func() error {
		switch {
		case flags.NArg() > 0:
			return fmt.Errorf("report takes no argument %q", flags.Arg(0))
		case (*logFile == "") == (*dsn == ""):
			return errors.New("report takes either -log or -dsn; see sqlwitness report -h")
		}
		return nil
	}()
	var r *runReport
	if err == nil {
		if *logFile != "" {
			r, err = reportOfLogFile(*logFile, in, *runID)
		} else {
			r, err = reportOfTrail(ctx, *dsn, *runID)
		}
	}
	if err == nil && *dsn != "" && !*noRecord {
		auditFlags{flags, dsn}.recordReading(errs, "report", func(s *audit.Store) error { return s.Reported(ctx, r.ID, r.entries) })
	}
	if err == nil {
		if *md == "" && *html == "" {
			*md = "-"
		}
		err = errors.Join(render(*md, out, r, markdownReport), render(*html, out, r, htmlReport))
	}
	switch {
	case err != nil:
		complain(errs, err)
		return exitNotDone
	case !r.good():
		return exitBad
	}
	return exitOK
}

// render writes a report to a file, or to out for "-", or not at all for "".
func render(path string, out io.Writer, r *runReport, write func(io.Writer, *runReport) error) error {
	switch path {
	case "":
		return nil
	case "-":
		return write(out, r)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file, r), file.Close())
}
