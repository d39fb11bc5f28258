package browsertest

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// TestLoad is the bad minute with nothing made up: an application works through
// the witness, somebody has left a transaction open, and goose wants to alter a
// table. The page says at its top who is in the way, what the application suffers
// and what to run; it is run, and the page is quiet again.
func TestLoad(t *testing.T) {
	chromium(t)
	dsn := testdb.PostgreSQL(t)
	var w *sqlwitness.Witness
	d := dashboard.New(dashboard.Config{}, dashboard.Deps{Metrics: func(out io.Writer) { w.WritePrometheus(out) }})
	w, err := sqlwitness.New(sqlwitness.Config{LogLevel: "off", Sinks: []event.Sink{d}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close(context.Background()) }()
	server := httptest.NewServer(d.Handler())
	defer server.Close()
	defer d.Close()
	open := func(name string) *sql.DB {
		db, err := w.Open("postgres", named(dsn, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	files := fstest.MapFS{
		"20261123101500_shop.sql": {Data: []byte(lines("-- +goose Up",
			"CREATE TABLE orders (id int PRIMARY KEY, state text NOT NULL, cents int NOT NULL);", "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);",
			"INSERT INTO orders SELECT i, 'new', i FROM generate_series(1, 20000) i;", "INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 20000) i;"))},
		"20261124094512_refunded_cents.sql": {Data: []byte(lines("-- +goose Up", "ALTER TABLE orders ADD COLUMN refunded_cents int NOT NULL DEFAULT 0;"))},
	}
	migrate := func(to int64) error {
		p, err := goose.NewProvider(goose.DialectPostgres, open("shop-migrate"), files)
		if err != nil {
			return err
		}
		_, err = p.UpTo(context.Background(), to)
		return err
	}
	if err := migrate(20261123101500); err != nil {
		t.Fatal(err)
	}

	b := openTab(t, server)
	b.open(server, 1280, 1000, "light")
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	shop := open("shop-api")
	for range 6 {
		working.Go(func() { work(ctx, shop, "SELECT state, cents FROM orders WHERE id = $1") })
		working.Go(func() { work(ctx, shop, "UPDATE orders SET cents = cents + 1 WHERE id = $1") })
		working.Go(func() { work(ctx, shop, "SELECT name FROM customers WHERE id = $1") })
	}
	b.until("what was before", `document.querySelectorAll("#latency-plot canvas").length === 2`)
	b.until("what is usual", `(window.since ??= Date.now()) < Date.now() - 8000`)

	reporting := open("reporting")
	idle, err := reporting.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Rollback()
	if err := idle.QueryRow("SELECT sum(cents) FROM orders").Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	migrated := make(chan error, 1)
	go func() { migrated <- migrate(20261124094512) }()
	b.until("the cause", `/^ALTER TABLE orders waits for session \d+, and \d+ sessions wait for it/.test(document.querySelector("#cause h2")?.innerText)`)
	b.until("which migration it is", `document.querySelector("#cause").innerText.includes("after 20261123101500")`)
	b.until("whose it is", `document.querySelector("#cause").innerText.includes("idle in transaction") && document.querySelector("#cause").innerText.includes("reporting")`)
	b.until("what the application suffers", `/−[3-9]\d %/.test(document.querySelector("#cause").innerText)`)
	b.until("what to run", `[...document.querySelectorAll("#cause code")].some((c) => c.innerText.includes("pg_terminate_backend"))`)
	b.shot("load.png", 1280, 920)

	var end string
	b.eval(`[...document.querySelectorAll("#cause code")].find((c) => c.innerText.includes("pg_terminate_backend")).innerText`, &end)
	if _, err := open("by-hand").Exec(end); err != nil {
		t.Fatalf("%s: %v", end, err)
	}
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	b.until("that it is over", `document.querySelector("#cause").hidden`)
}

// work asks for one row after the other, and gives up on one after 4 s, as
// applications do. It has a pace: where all callers went as fast as they could,
// those that are not blocked would take the others' share of the machine.
func work(ctx context.Context, db *sql.DB, query string) {
	for ctx.Err() == nil {
		one, cancel := context.WithTimeout(ctx, 4*time.Second)
		rows, err := db.QueryContext(one, query, 1+rand.IntN(20_000))
		if err == nil {
			for rows.Next() {
			}
			_ = rows.Close()
		}
		cancel()
		select {
		case <-ctx.Done():
		case <-time.After(40 * time.Millisecond):
		}
	}
}

// named gives the sessions of a DSN a name.
func named(dsn, name string) string {
	if strings.Contains(dsn, "://") {
		separator := "?"
		if strings.Contains(dsn, "?") {
			separator = "&"
		}
		return dsn + separator + "application_name=" + name
	}
	return fmt.Sprintf("%s application_name='%s'", dsn, name)
}
