package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"time"

	"github.com/joho/godotenv"
	"github.com/mfridman/xflag"
	"github.com/pressly/goose/v3"
)

// gooseArguments are those of the goose command, and -witness-log.
type gooseArguments struct {
	dir, table, certFile, sslCert, sslKey, envFile       string
	verbose, help, version, sequential, missing, noColor bool
	noVersioning                                         bool
	timeout                                              time.Duration
	witnessLog                                           string
	rest                                                 []string // DRIVER DBSTRING COMMAND …, or COMMAND … with the first two from the environment
}

func parseGoose(args []string, out, errs io.Writer) (*gooseArguments, *flag.FlagSet, error) {
	a := &gooseArguments{}
	flags := flag.NewFlagSet("goose", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.StringVar(&a.dir, "dir", ".", "`folder` of the migrations, or GOOSE_MIGRATION_DIR")
	flags.StringVar(&a.table, "table", "", "`name` of the version table, or GOOSE_TABLE")
	flags.BoolVar(&a.verbose, "v", false, "print more")
	flags.BoolVar(&a.help, "h", false, "print this help")
	flags.BoolVar(&a.version, "version", false, "print the version of goose")
	flags.StringVar(&a.certFile, "certfile", "", "PEM `file` of root certificates (MySQL)")
	flags.StringVar(&a.sslCert, "ssl-cert", "", "PEM `file` of the client's certificate (MySQL)")
	flags.StringVar(&a.sslKey, "ssl-key", "", "PEM `file` of the client's key (MySQL)")
	flags.BoolVar(&a.sequential, "s", false, "number new migrations in sequence")
	flags.BoolVar(&a.missing, "allow-missing", false, "apply migrations that are out of order")
	flags.BoolVar(&a.noVersioning, "no-versioning", false, "run the files in order, without a version table")
	flags.BoolVar(&a.noColor, "no-color", false, "no colours, or NO_COLOR")
	flags.DurationVar(&a.timeout, "timeout", 0, "longest `duration` of the command, such as 1h13m; default none")
	flags.StringVar(&a.envFile, "env", "", "`file` to read the environment from; default .env, none for no file")
	flags.StringVar(&a.witnessLog, "witness-log", "", "`file` to append the witness's log to, for sqlwitness report")
	flags.Usage = func() {
		fmt.Fprint(out, gooseUsage)
		flags.PrintDefaults()
	}
	err := xflag.ParseToEnd(flags, args)
	a.rest = flags.Args()
	return a, flags, err
}

const gooseUsage = `sqlwitness goose runs pressly/goose through the witness. It takes the arguments,
flags and environment of the goose command.

Usage:

	sqlwitness goose [flags] DRIVER DBSTRING COMMAND
	sqlwitness goose [flags] COMMAND    with GOOSE_DRIVER and GOOSE_DBSTRING set

Drivers: postgres, pgx, redshift, mysql, tidb, starrocks, sqlite3, sqlite

Commands:

	up                    apply what is not applied yet
	up-by-one             apply the next migration
	up-to VERSION         apply up to a version
	down                  roll the last migration back
	down-to VERSION       roll back to a version
	redo                  roll the last migration back and apply it again
	reset                 roll everything back
	status                list the migrations and when they were applied
	version               print the version of the database
	create NAME [sql|go]  make a new file
	fix                   number the files in sequence
	validate              read the files without running them

Flags:

`

// gooseCommand answers with the goose command's own exit codes: 1 where it
// failed, 2 for a flag that does not exist.
func gooseCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	a, flags, err := parseGoose(args, out, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		complain(errs, err) // what was above the help has left the screen
		return exitNotDone
	case a.version:
		fmt.Fprintln(out, "goose version:", moduleVersion("github.com/pressly/goose/v3"))
		return exitOK
	case a.help:
		flags.Usage()
		return exitOK
	}
	logger := log.New(errs, "", log.LstdFlags)
	if err := loadEnvironment(a.envFile); err != nil {
		logger.Printf("failed to load env file: %v", err)
		return exitBad
	}
	a.environment(os.Getenv)
	configureGoose(a, logger)
	switch {
	case len(a.rest) == 0:
		flags.Usage()
		return exitBad
	case gooseFiles[a.rest[0]] != nil:
		if err := gooseFiles[a.rest[0]](ctx, a, out); err != nil {
			logger.Printf("goose run: %v", err)
			return exitBad
		}
		return exitOK
	}
	a.rest = completed(a.rest, os.Getenv)
	if len(a.rest) < 3 {
		flags.Usage()
		fmt.Fprintln(errs, "sqlwitness: goose takes DRIVER DBSTRING COMMAND; the first two may be in GOOSE_DRIVER and GOOSE_DBSTRING")
		return exitBad
	}
	w, err := watch(errs, a.witnessLog, a.dir)
	if err != nil {
		complain(errs, err)
		return exitBad
	}
	logger.SetOutput(w.stderr)
	code := exitOK
	if err := a.run(ctx, w); err != nil {
		logger.Printf("goose run: %v", err)
		code = exitBad
	}
	if err := w.close(ctx); err != nil {
		complain(errs, err)
	}
	return code
}

// run does a command that needs the database.
func (a *gooseArguments) run(ctx context.Context, w *watched) error {
	driver, dsn, err := a.database()
	if err != nil {
		return err
	}
	db, err := w.Open(driver, dsn)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer db.Close()
	if a.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.timeout)
		defer cancel()
	}
	return goose.RunWithOptionsContext(ctx, a.rest[2], db, a.dir, a.rest[3:], a.options()...)
}

func (a *gooseArguments) options() (options []goose.OptionsFunc) {
	if a.noColor {
		options = append(options, goose.WithNoColor(true))
	}
	if a.missing {
		options = append(options, goose.WithAllowMissing())
	}
	if a.noVersioning {
		options = append(options, goose.WithNoVersioning())
	}
	return options
}

// configureGoose sets what the library keeps for the whole process.
func configureGoose(a *gooseArguments, logger *log.Logger) {
	goose.SetLogger(logger)
	goose.SetVerbose(a.verbose)
	goose.SetSequential(a.sequential)
	goose.SetTableName(a.table)
}

// gooseFiles are the commands that work on the files alone.
var gooseFiles = map[string]func(context.Context, *gooseArguments, io.Writer) error{
	"create": func(ctx context.Context, a *gooseArguments, _ io.Writer) error {
		return goose.RunContext(ctx, "create", nil, a.dir, a.rest[1:]...)
	},
	"fix": func(ctx context.Context, a *gooseArguments, _ io.Writer) error {
		return goose.RunContext(ctx, "fix", nil, a.dir)
	},
	"validate": func(ctx context.Context, a *gooseArguments, out io.Writer) error {
		return gooseValidate(ctx, a.dir, a.verbose, out)
	},
}

// loadEnvironment reads a file of variables that are not set yet.
func loadEnvironment(file string) error {
	switch file {
	case "":
		_ = godotenv.Load() // .env, if there is one
		return nil
	case "none":
		return nil
	}
	return godotenv.Load(file)
}

// environment fills in what no flag says.
func (a *gooseArguments) environment(getenv func(string) string) {
	a.table = cmp.Or(a.table, getenv("GOOSE_TABLE"), goose.DefaultTablename)
	if a.dir == "." {
		a.dir = cmp.Or(getenv("GOOSE_MIGRATION_DIR"), ".")
	}
	switch getenv("NO_COLOR") {
	case "1", "t", "T", "TRUE", "true", "True":
		a.noColor = true
	}
}

// completed is DRIVER DBSTRING COMMAND …, of which the environment has the first,
// the second or both.
func completed(args []string, getenv func(string) string) []string {
	if driver := getenv("GOOSE_DRIVER"); driver != "" {
		args = slices.Insert(slices.Clone(args), 0, driver)
	}
	if dsn := getenv("GOOSE_DBSTRING"); dsn != "" {
		args = slices.Insert(slices.Clone(args), 1, dsn)
	}
	return args
}
