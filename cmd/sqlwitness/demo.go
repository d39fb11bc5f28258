package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/eventlog"
)

func demoCommand(ctx context.Context, args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(errs)
	dsn := flags.String("dsn", "", "`URL` of a PostgreSQL or MySQL server; default an embedded SQLite file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("demo takes no argument %q", flags.Arg(0))
	}
	t, err := target(ctx, *dsn)
	if err != nil {
		return err
	}
	err = demo(ctx, t, out)
	return errors.Join(err, t.remove())
}

// demo migrates with real tools through the witness and shows what it saw.
func demo(ctx context.Context, t *demoTarget, out io.Writer) error {
	seen := newAccount(out)
	recorded := audit.Config{Actor: "sqlwitness demo", Reason: "to show what a migration looks like"}
	if t.audit == "" {
		recorded.Mode = audit.Off
	}
	w, err := sqlwitness.New(sqlwitness.Config{
		Audit:     recorded,
		LogLevel:  "debug",
		LogOutput: &seen.log,
		Sinks:     []event.Sink{seen},
		Slow:      eventlog.Slow{Read: 100 * time.Millisecond, Write: 100 * time.Millisecond, DDL: 100 * time.Millisecond},
	})
	if err != nil {
		return err
	}
	name, err := w.Register(t.parent)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Database   %s\nDriver     sql.Open(%q, dsn)\n\n", t.where, name)

	d := &demonstration{target: t, seen: seen, open: func() (*sql.DB, error) { return sql.Open(name, t.dsn) }}
	for _, step := range d.steps() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		seen.heading(step.title)
		err := step.do(ctx)
		switch {
		case err != nil && !step.fails:
			return fmt.Errorf("%s: %w", step.title, err)
		case err == nil && step.fails:
			return fmt.Errorf("%s: it did not fail", step.title)
		}
	}
	seen.done()
	if err := w.Close(ctx); err != nil {
		return err
	}
	if t.audit == "" {
		seen.summary(out, t, nil, nil, w)
		return nil
	}
	entries, err := queryOn(ctx, t.parent, t.dsn, "SELECT kind FROM "+t.audit)
	if err != nil {
		return fmt.Errorf("read the audit entries: %w", err)
	}
	trail, err := verifyOn(ctx, t)
	if err != nil {
		return fmt.Errorf("verify the audit trail: %w", err)
	}
	seen.summary(out, t, entries, trail, w)
	return nil
}

type demonstration struct {
	target *demoTarget
	seen   *account
	open   func() (*sql.DB, error)
}

type demoStep struct {
	title string
	fails bool // as it should
	do    func(context.Context) error
}

func (d *demonstration) steps() []demoStep {
	steps := []demoStep{
		{"goose up", false, func(ctx context.Context) error {
			return d.goose(ctx, func(p *goose.Provider) error { _, err := p.UpTo(ctx, 4); return err })
		}},
		{"goose down", false, func(ctx context.Context) error {
			return d.goose(ctx, func(p *goose.Provider) error { _, err := p.Down(ctx); return err })
		}},
		{"goose up, with a migration that fails", true, func(ctx context.Context) error {
			return d.goose(ctx, func(p *goose.Provider) error { _, err := p.Up(ctx); return err })
		}},
	}
	up := func(context.Context) error {
		return d.golangMigrate(func(m *migrate.Migrate) error { return m.Migrate(3) })
	}
	if d.target.locks {
		steps = append(steps, demoStep{"golang-migrate up, two replicas at once: one waits for the lock", false, func(ctx context.Context) error {
			other := make(chan error, 1)
			go func() { other <- up(ctx) }()
			return errors.Join(up(ctx), <-other)
		}})
	} else {
		steps = append(steps, demoStep{"golang-migrate up", false, up})
	}
	return append(steps,
		demoStep{"golang-migrate down 1", false, func(context.Context) error {
			return d.golangMigrate(func(m *migrate.Migrate) error { return m.Steps(-1) })
		}},
		demoStep{"golang-migrate up, with a migration that fails", true, func(context.Context) error {
			return d.golangMigrate((*migrate.Migrate).Up)
		}},
	)
}

func (d *demonstration) goose(ctx context.Context, do func(*goose.Provider) error) error {
	files, err := d.target.files("goose")
	if err != nil {
		return err
	}
	db, err := d.open()
	if err != nil {
		return err
	}
	defer db.Close()
	var options []goose.ProviderOption
	if d.target.dialect == goose.DialectPostgres {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(d.target.dialect, db, files, options...)
	if err != nil {
		return err
	}
	return do(p)
}

func (d *demonstration) golangMigrate(do func(*migrate.Migrate) error) error {
	files, err := d.target.files("migrate")
	if err != nil {
		return err
	}
	m, err := newMigrate(d, files)
	if err != nil {
		return err
	}
	err = do(m)
	if errors.Is(err, migrate.ErrNoChange) {
		err = nil
	}
	sourceErr, databaseErr := m.Close()
	return errors.Join(err, sourceErr, databaseErr)
}

func newMigrate(d *demonstration, files fs.FS) (*migrate.Migrate, error) {
	source, err := iofs.New(files, ".")
	if err != nil {
		return nil, err
	}
	db, err := d.open()
	if err != nil {
		return nil, err
	}
	driver, err := d.target.migrate(db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return migrate.NewWithInstance("iofs", source, d.target.parent, driver)
}
