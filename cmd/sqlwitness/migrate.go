package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/golang-migrate/migrate/v4"
)

const migrateUsage = `sqlwitness migrate runs golang-migrate through the witness. It takes the arguments
of the migrate command.

Usage:

	sqlwitness migrate [flags] COMMAND [arguments]

Commands:

	create -ext E [-dir D] [-seq] [-digits N] [-format F] [-tz Z] NAME
	                make the files of a new migration
	goto V          migrate to version V
	up [N]          apply all migrations, or the next N
	down [N]        roll back N migrations
	down -all       roll all migrations back
	drop [-f]       drop everything in the database; -f does not ask first
	force V         set the version to V without running anything
	version         print the version of the database

Databases: postgres://, postgresql://, pgx5://, mysql://, sqlite://
Sources: file://

Flags:

`

// migrateTool is one call of the migrate command.
type migrateTool struct {
	source, path, database, witnessLog string
	prefetch, lockTimeout              uint
	verbose, help, version             bool
	in                                 io.Reader
	errs                               io.Writer
	log                                *migrateLog

	// Of the database, once it is opened.
	watched *watched
	m       *migrate.Migrate
	deaf    func() bool // ends the waiting for a signal
}

// migrateCommand answers with the migrate command's own exit codes: 1 where it
// failed, 2 for a command or flag that does not exist.
func migrateCommand(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	t := &migrateTool{in: in, errs: errs}
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.StringVar(&t.source, "source", "", "`URL` of the migrations")
	flags.StringVar(&t.path, "path", "", "`folder` of the migrations: short for -source=file://folder")
	flags.StringVar(&t.database, "database", "", "`URL` of the database")
	flags.UintVar(&t.prefetch, "prefetch", 10, "load `N` migrations in advance")
	flags.UintVar(&t.lockTimeout, "lock-timeout", 15, "wait `N` seconds at most for the database's lock")
	flags.BoolVar(&t.verbose, "verbose", false, "print more")
	flags.BoolVar(&t.version, "version", false, "print the version of golang-migrate")
	flags.BoolVar(&t.help, "help", false, "print this help")
	flags.StringVar(&t.witnessLog, "witness-log", "", "`file` to append the witness's log to, for sqlwitness report")
	flags.Usage = func() {
		fmt.Fprint(errs, migrateUsage)
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		complain(errs, err) // what was above the help has left the screen
		return exitNotDone
	case t.version:
		fmt.Fprintln(errs, moduleVersion("github.com/golang-migrate/migrate/v4"))
		return exitOK
	case t.help:
		flags.Usage()
		return exitOK
	}
	if t.source == "" && t.path != "" {
		t.source = "file://" + t.path
	}
	t.log = &migrateLog{out: errs, verbose: t.verbose}
	command := migrateCommands[flags.Arg(0)]
	if command == nil {
		flags.Usage()
		if flags.NArg() > 0 {
			fmt.Fprintf(errs, "sqlwitness: there is no command migrate %q\n", flags.Arg(0))
		}
		return exitNotDone
	}
	start := time.Now()
	err := command(t, ctx, flags.Args()[1:])
	if err == nil && t.m != nil && t.verbose {
		t.log.Println("Finished after", time.Since(start))
	}
	// What the tool says comes before what the witness says in closing.
	failed := err != nil && !errors.Is(err, flag.ErrHelp) && !errors.Is(err, errUsage)
	if failed {
		t.log.Println("error:", err)
	}
	if err := t.close(ctx); err != nil {
		complain(errs, err)
	}
	switch {
	case errors.Is(err, errUsage):
		return exitNotDone
	case failed:
		return exitBad
	}
	return exitOK
}

// errUsage is a flag of a subcommand that does not exist; the flag set has said so.
var errUsage = errors.New("usage")

// open opens source and database, the latter through a witness.
func (t *migrateTool) open(ctx context.Context) error {
	w, err := watch(t.errs, t.witnessLog, sourceFolder(t.source))
	if err != nil {
		return err
	}
	t.watched = w
	t.log.out = w.stderr
	t.m, err = newMigration(w.Witness, t.source, t.database)
	if err != nil {
		return err
	}
	t.m.Log = t.log
	t.m.PrefetchMigrations = t.prefetch
	t.m.LockTimeout = time.Duration(t.lockTimeout) * time.Second
	m := t.m
	t.deaf = context.AfterFunc(ctx, func() {
		t.log.Println("Stopping after this running migration ...")
		m.GracefulStop <- true
	})
	return nil
}

func (t *migrateTool) close(ctx context.Context) error {
	var errs []error
	if t.m != nil {
		t.deaf()
		source, database := t.m.Close()
		errs = append(errs, source, database)
	}
	if t.watched != nil {
		errs = append(errs, t.watched.close(ctx))
	}
	return errors.Join(errs...)
}

// done is nil where there was nothing to do, which is said.
func (t *migrateTool) done(err error) error {
	if errors.Is(err, migrate.ErrNoChange) {
		t.log.Println(err)
		return nil
	}
	return err
}

// agreed asks a question that has to be answered with y.
func (t *migrateTool) agreed(question string) bool {
	t.log.Println(question, "[y/N]")
	var answer string
	_, _ = fmt.Fscanln(t.in, &answer)
	return answer == "y" || answer == "Y"
}

var _ migrate.Logger = (*migrateLog)(nil)
