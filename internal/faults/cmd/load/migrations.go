package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
)

// named is a DSN with another database.
func named(dsn, database string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("-dsn is no URL") // which is not shown: it may hold a password
	}
	u.Path = "/" + database
	return u.String(), nil
}

// manyMigrations is one run of a tool with so many migrations, with the witness
// and without it.
func (l *load) manyMigrations(ctx context.Context) error {
	w, forget, err := newWitness()
	if err != nil {
		return err
	}
	defer forget()
	var each [2]time.Duration
	for i, what := range []string{"bare", "witness"} {
		dsn, err := l.database(ctx, what)
		if err != nil {
			return err
		}
		open := w.Open
		if i == 0 {
			open = sql.Open
		}
		db, err := open("pgx", dsn)
		if err != nil {
			return err
		}
		db.SetMaxOpenConns(1)
		began := time.Now()
		var half usage
		tenths := []time.Time{began}
		err = migrateMany(ctx, db, l.migrations, func(done int) {
			if done == l.migrations/2 {
				half = used()
			}
			if done > 0 && done%max(l.migrations/10, 1) == 0 {
				tenths = append(tenths, time.Now())
			}
		})
		if err != nil {
			return err
		}
		took := time.Since(began)
		after := used()
		each[i] = took / time.Duration(l.migrations)
		closing := time.Now()
		if err := db.Close(); err != nil {
			return err
		}
		if i == 1 {
			if err := w.Close(ctx); err != nil {
				return err
			}
		}
		fmt.Printf("%s: %d migrations in %v, %v each; half way: %v; at the end: %v; closed in %v\n",
			what, l.migrations, took.Round(time.Millisecond), each[i].Round(time.Microsecond), half, after, time.Since(closing).Round(time.Millisecond))
		for n := range tenths[1:] {
			fmt.Printf(" %v", tenths[n+1].Sub(tenths[n]).Round(time.Millisecond))
		}
		fmt.Println(": each tenth of them")
		if i == 0 {
			continue
		}
		if err := grown(half, after); err != nil {
			return err
		}
		if err := recorded(ctx, w, dsn, 2*l.migrations); err != nil {
			return err
		}
	}
	fmt.Printf("the witness adds %v to each\n", (each[1] - each[0]).Round(time.Microsecond))
	return nil
}

// newWitness makes one whose spool is nobody else's; forget removes that.
func newWitness() (w *sqlwitness.Witness, forget func(), err error) {
	dir, err := os.MkdirTemp("", "sqlwitness-load-")
	if err != nil {
		return nil, nil, err
	}
	w, err = sqlwitness.New(sqlwitness.Config{LogOutput: io.Discard, Audit: audit.Config{Spool: filepath.Join(dir, "spool.jsonl")}})
	return w, func() { _ = os.RemoveAll(dir) }, err
}

// migrateMany does what sql-migrate does, without reading its own table after each
// migration, so that what the witness adds shows.
func migrateMany(ctx context.Context, db *sql.DB, n int, progress func(done int)) error {
	if _, err := db.ExecContext(ctx, `create table if not exists "gorp_migrations" ("id" text not null primary key, "applied_at" timestamp with time zone) ;`); err != nil {
		return err
	}
	for i := range n {
		progress(i)
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		body := "ALTER TABLE t ALTER a SET DEFAULT " + strconv.Itoa(i)
		if i == 0 {
			body = "CREATE TABLE t (a INT)"
		}
		if _, err := tx.ExecContext(ctx, body); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `insert into "gorp_migrations" ("id","applied_at") values ($1,$2);`, fmt.Sprintf("%05d.sql", i), time.Now()); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	progress(n)
	return nil
}

// manySchemas migrates schemas of one database in parallel, each by its own pool,
// as programs with a schema for each customer do: without the witness and with it.
func (l *load) manySchemas(ctx context.Context) error {
	w, forget, err := newWitness()
	if err != nil {
		return err
	}
	defer forget()
	bare, err := l.database(ctx, "schemas_bare")
	if err != nil {
		return err
	}
	if err := l.migrateSchemas(ctx, "bare", sql.Open, bare); err != nil {
		return err
	}
	dsn, err := l.database(ctx, "schemas")
	if err != nil {
		return err
	}
	if err := l.migrateSchemas(ctx, "witness", w.Open, dsn); err != nil {
		return err
	}
	closing := time.Now()
	if err := w.Close(ctx); err != nil {
		return err
	}
	fmt.Printf("closed in %v; %v\n", time.Since(closing).Round(time.Millisecond), used())
	return recorded(ctx, w, dsn, 2*3*l.schemas)
}

// opener is sql.Open, or that of a witness.
type opener func(driver, dsn string) (*sql.DB, error)

func (l *load) migrateSchemas(ctx context.Context, what string, open opener, dsn string) error {
	plain, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer plain.Close()
	for i := range l.schemas {
		if _, err := plain.ExecContext(ctx, fmt.Sprintf("CREATE SCHEMA customer_%d", i)); err != nil {
			return err
		}
	}
	began := time.Now()
	var done sync.WaitGroup
	errs := make(chan error, l.schemas)
	room := make(chan struct{}, 50) // the server takes 300 connections, and each schema three
	for i := range l.schemas {
		room <- struct{}{}
		done.Go(func() {
			defer func() { <-room }()
			errs <- migrateSchema(ctx, open, dsn, fmt.Sprintf("customer_%d", i))
		})
	}
	done.Wait()
	close(errs)
	failed := 0
	for err := range errs {
		if err != nil {
			if failed++; failed == 1 {
				fmt.Println("the first failure:", err)
			}
		}
	}
	fmt.Printf("%s: %d schemas, 3 migrations each, in %v; %d failed; %v\n", what, l.schemas, time.Since(began).Round(time.Millisecond), failed, used())
	if failed > 0 {
		return fmt.Errorf("%d schemas failed", failed)
	}
	return nil
}

var files = fstest.MapFS{
	"00001_users.sql":  {Data: []byte("-- +goose Up\nCREATE TABLE users (id INT PRIMARY KEY);\n")},
	"00002_orders.sql": {Data: []byte("-- +goose Up\nCREATE TABLE orders (id INT PRIMARY KEY);\n")},
	"00003_seed.sql":   {Data: []byte("-- +goose Up\nINSERT INTO users VALUES (1);\n")},
}

func migrateSchema(ctx context.Context, open opener, dsn, schema string) error {
	u, err := url.Parse(dsn)
	if err != nil {
		return err
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	db, err := open("pgx", u.String())
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	p, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// recorded holds the trail against what was done: so many intents and outcomes, in
// the tables or in the spool.
func recorded(ctx context.Context, w *sqlwitness.Witness, dsn string, want int) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	var n, outside int
	if err := db.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE kind = 'outcome' AND stage <> 'commit') FROM sqlwitness.entry WHERE kind IN ('intent', 'outcome')").Scan(&n, &outside); err != nil {
		return err
	}
	var metrics strings.Builder
	w.WritePrometheus(&metrics)
	spooled := int(sum(metrics.String(), `sqlwitness_audit_entries_total\{[^}]*"spool"`))
	lost := int(sum(metrics.String(), `sqlwitness_audit_entries_total\{[^}]*"lost"`))
	began := time.Now()
	report, err := audit.Verify(ctx, db, "postgresql", audit.VerifyConfig{})
	if err != nil {
		return err
	}
	fmt.Printf("trail: %d intents and outcomes, %d outcomes outside of their transaction; %d entries in the spool, %d lost; %d sealed, %d not yet; verified in %v\n",
		n, outside, spooled, lost, report.Size, report.Unsealed, time.Since(began).Round(time.Millisecond))
	if n+spooled < want || lost > 0 || report.Altered() {
		return fmt.Errorf("%d entries of migrations were to be recorded, verification finds %v", want, report.Counts)
	}
	return nil
}
