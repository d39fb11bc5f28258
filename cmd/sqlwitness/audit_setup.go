package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
)

// auditSetup makes the audit tables, their guards and the roles, or prints what
// would.
func auditSetup(ctx context.Context, args []string, out, errs io.Writer) error {
	f := newAuditFlags("setup", errs)
	var r audit.Roles
	f.StringVar(&r.Writer, "writer", "", "`account` that migrates: it gets INSERT and SELECT and no more (MySQL: user@host)")
	f.StringVar(&r.Owner, "owner", "", "PostgreSQL `role` that gets to own the tables; made, without a login, where it does not exist")
	f.BoolVar(&r.EventTrigger, "event-trigger", false, "PostgreSQL: note DDL done by any client; takes a superuser")
	print := f.Bool("print", false, "print the statements for a database that has none of it, and run none")
	if err := parseAlone(f.FlagSet, args); err != nil {
		return err
	}
	if *print {
		statements, err := audit.SetupSQL(systemOf(f.url()), r)
		if err != nil {
			return err
		}
		return printStatements(out, statements)
	}
	store, done, err := f.store(audit.Config{})
	if err != nil {
		return err
	}
	defer done()
	ran, err := store.SetUp(ctx, r)
	if err != nil {
		fmt.Fprintf(errs, "%d statements were run; setup may be repeated\n", len(ran))
		return fmt.Errorf("set up the audit tables: %w", err)
	}
	states, err := store.Guards(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "ready: %s run, %s\n", counted(len(ran), "statement"), guardsLine(len(states)))
	for _, g := range states {
		fmt.Fprintf(out, "  %s: %s\n", g.Table, g.State)
		if g.Fix != "" {
			fmt.Fprintf(out, "    %s;\n", g.Fix)
		}
	}
	return nil
}

func guardsLine(weak int) string {
	if weak == 0 {
		return "the guards are complete"
	}
	return "what is still weak:"
}

func printStatements(out io.Writer, statements []string) error {
	for _, s := range statements {
		if _, err := fmt.Fprintf(out, "%s;\n\n", s); err != nil {
			return err
		}
	}
	return nil
}

// counted is "1 statement", "2 statements".
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func (f auditFlags) url() string {
	if *f.dsn != "" {
		return *f.dsn
	}
	return os.Getenv("SQLWITNESS_DSN")
}

// systemOf is the database system that a URL names; "" for none that is known.
func systemOf(dsn string) string {
	scheme, _, _ := strings.Cut(dsn, "://")
	return map[string]string{"postgres": "postgresql", "postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite"}[scheme]
}

// store opens the audit store of the database that the flags name, to write to
// it. The function returned closes it.
func (f auditFlags) store(cfg audit.Config) (store *audit.Store, done func(), err error) {
	db, system, err := f.open()
	if err != nil {
		return nil, nil, err
	}
	_ = db.Close() // it was never connected; its driver is what the store needs
	dsn, name, err := parentDSN(f.url())
	if err != nil {
		return nil, nil, err
	}
	parent := db.Driver()
	connect := func(context.Context) (driver.Conn, error) { return parent.Open(dsn) }
	store, err = audit.Open(cfg, event.Database{System: system, Name: name}, connect, audit.Deps{Library: sqlwitness.Version()})
	if err != nil {
		return nil, nil, err
	}
	return store, func() { _ = store.Close(context.Background()) }, nil
}

// parentDSN is a URL as its driver takes it, and the name of the database.
func parentDSN(address string) (dsn, name string, err error) {
	scheme, rest, _ := strings.Cut(address, "://")
	if scheme == "sqlite" {
		dsn, file := sqliteDSN(rest)
		return dsn, path.Base(file), nil
	}
	u, err := parseURL(address)
	if err != nil {
		return "", "", fmt.Errorf("-dsn: %w", err)
	}
	name = strings.TrimPrefix(u.Path, "/")
	if scheme != "mysql" && scheme != "mariadb" {
		return address, name, nil
	}
	cfg, err := mysqlConfig(u)
	if err != nil {
		return "", "", fmt.Errorf("-dsn: %w", err)
	}
	return cfg.FormatDSN(), name, nil
}

var errNoReason = errors.New("-reason is missing: it is what the record says about why")
