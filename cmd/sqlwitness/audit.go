package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/sqlwitness/sqlwitness/audit"
)

const auditUsage = `sqlwitness audit checks, hands out and looks after the sealed record of migrations.

Usage:

	sqlwitness audit status -dsn URL             how much there is, and how far it is sealed and signed
	sqlwitness audit verify -dsn URL             was it altered?
	sqlwitness audit verify -file EXPORT.jsonl   was an export altered?
	sqlwitness audit prove  -dsn URL ENTRY       a proof that an entry is in the record
	sqlwitness audit prove  -check FILE          check such a proof
	sqlwitness audit export -dsn URL             all of it, as JSONL, CSV or OCSF
	sqlwitness audit keygen -name NAME           a key that signs checkpoints
	sqlwitness audit rotate -dsn URL -o FILE     a new key in place of the one that signs
	sqlwitness audit recover -dsn URL -anchor FILE   answer for a part that a restored backup has lost
	sqlwitness audit setup  -dsn URL             make the tables, their guards and the roles; -print shows how
	sqlwitness audit prune  -dsn URL             delete what a retention policy no longer keeps
	sqlwitness audit erase  -dsn URL             delete what is recorded of one person, attempt or entry
	sqlwitness audit hold   -dsn URL NAME        keep everything, or one attempt, from being deleted

A URL is postgres://…, mysql://… or sqlite:///path; it may be given in SQLWITNESS_DSN
instead, where no list of processes shows its password. The exit code is 0 for a
record that is as it was written, 1 for one that was altered, 2 where that could
not be checked. Each command tells its flags with -h.
`

// auditCommand answers with an exit code.
func auditCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(errs, auditUsage)
		return exitNotDone
	}
	var err error
	switch command, rest := args[0], args[1:]; command {
	case "status":
		err = auditStatus(ctx, rest, out, errs)
	case "verify":
		err = auditVerify(ctx, rest, out, errs)
	case "prove":
		err = auditProve(ctx, rest, out, errs)
	case "export":
		err = auditExport(ctx, rest, out, errs)
	case "setup":
		err = auditSetup(ctx, rest, out, errs)
	case "prune":
		err = auditPrune(ctx, rest, out, errs)
	case "erase":
		err = auditErase(ctx, rest, out, errs)
	case "hold":
		err = auditHold(ctx, rest, out, errs)
	case "rotate":
		err = auditRotate(ctx, rest, out, errs)
	case "recover":
		err = auditRecover(ctx, rest, out, errs)
	case "keygen":
		err = auditKeygen(rest, out, errs)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(out, auditUsage)
	default:
		err = fmt.Errorf("there is no command audit %q; see sqlwitness audit help", command)
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errAltered):
		return exitBad // it has been said at length
	}
	complain(errs, err)
	if errors.As(err, new(bad)) {
		return exitBad
	}
	return exitNotDone
}

var errAltered = errors.New("the record was altered")

// auditFlags are those that several commands share.
type auditFlags struct {
	*flag.FlagSet
	dsn *string
}

func newAuditFlags(name string, errs io.Writer) auditFlags {
	f := flag.NewFlagSet("audit "+name, flag.ContinueOnError)
	f.SetOutput(errs)
	return auditFlags{f, f.String("dsn", "", "`URL` of the database; default the one in SQLWITNESS_DSN")}
}

// open opens the database, to read.
func (f auditFlags) open() (*sql.DB, string, error) {
	dsn := *f.dsn
	if dsn == "" {
		dsn = os.Getenv("SQLWITNESS_DSN")
	}
	return openAudited(dsn)
}

// openAudited opens the database that a URL names, and says of which system it is.
func openAudited(dsn string) (db *sql.DB, system string, err error) {
	scheme, rest, _ := strings.Cut(dsn, "://")
	switch scheme {
	case "postgres", "postgresql":
		if _, err := parseURL(dsn); err != nil {
			return nil, "", fmt.Errorf("-dsn: %w", err)
		}
		db, err = sql.Open("pgx", dsn) // binary results: half the bytes of lib/pq's
		return db, "postgresql", err
	case "mysql", "mariadb":
		u, err := parseURL(dsn)
		if err != nil {
			return nil, "", fmt.Errorf("-dsn: %w", err)
		}
		cfg, err := mysqlConfig(u)
		if err != nil {
			return nil, "", fmt.Errorf("-dsn: %w", err)
		}
		db, err = sql.Open("mysql", cfg.FormatDSN())
		return db, "mysql", err
	case "sqlite":
		dsn, file := sqliteDSN(rest)
		if _, err := os.Stat(file); err != nil { // a file that does not exist would be made
			return nil, "", fmt.Errorf("-dsn: %w", err)
		}
		db, err = sql.Open("sqlite", dsn)
		return db, "sqlite", err
	}
	if dsn == "" {
		return nil, "", errors.New("-dsn is missing, and SQLWITNESS_DSN is not set: a URL of a database, postgres://, mysql:// or sqlite:///path")
	}
	return nil, "", errors.New("-dsn must begin with postgres://, mysql:// or sqlite://")
}

// sqliteDSN is what follows sqlite:// as SQLite takes it, and the file that it
// names. SQLite reads a URI, in which # and % in a file's name mean something else.
func sqliteDSN(rest string) (dsn, file string) {
	file, query, _ := strings.Cut(rest, "?")
	return "file:" + strings.NewReplacer("%", "%25", "#", "%23").Replace(file) + "?" + query, file
}

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// publicKeys are the keys of -key, each a key or a file of keys, or that of the
// private key which the environment has.
func publicKeys(given list) ([]string, error) {
	var keys []string
	for _, k := range given {
		text := k
		if b, err := os.ReadFile(k); err == nil {
			text = string(b)
		} else if !strings.Contains(k, "+") {
			return nil, fmt.Errorf("-key: %w", err)
		}
		keys = append(keys, strings.Fields(text)...)
	}
	if len(keys) > 0 {
		return keys, nil
	}
	public, err := audit.Key(os.Getenv(audit.EnvKey)).Public()
	if err != nil || public == "" {
		return nil, err
	}
	return []string{public}, nil
}

// entryCount shows how far a long command is: on a terminal a line that is written
// again and again, in a pipe a line now and then.
type entryCount struct {
	out      io.Writer
	terminal bool
	start    time.Time
	last     time.Time
	what     string
}

func newEntryCount(out io.Writer, what string) *entryCount {
	f, ok := out.(*os.File)
	now := time.Now()
	return &entryCount{out: out, terminal: ok && isatty.IsTerminal(f.Fd()), start: now, last: now, what: what}
}

func (p *entryCount) show(done, total int64) {
	every := 10 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	now := time.Now()
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	text := fmt.Sprintf("%s %d entries", p.what, done)
	if total > 0 {
		text = fmt.Sprintf("%s %d of %d entries (%d %%)", p.what, done, total, done*100/total)
	}
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K"+text)
	} else {
		fmt.Fprintln(p.out, text)
	}
}

func (p *entryCount) end() {
	if p.terminal && p.last != p.start {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
