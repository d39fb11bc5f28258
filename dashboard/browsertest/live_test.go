package browsertest

import (
	"context"
	"database/sql"
	"io"
	"net/http/httptest"
	"regexp"
	"testing"
	"testing/fstest"

	_ "github.com/lib/pq"
	"github.com/pressly/goose/v3"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// TestLiveMigration watches goose on the page, without loading it again, while an
// ALTER TABLE waits for a session that is idle in its transaction.
func TestLiveMigration(t *testing.T) {
	chromium(t)
	dsn := testdb.PostgreSQL(t)
	direct, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()

	var w *sqlwitness.Witness
	d := dashboard.New(dashboard.Config{}, dashboard.Deps{Metrics: func(out io.Writer) { w.WritePrometheus(out) }})
	w, err = sqlwitness.New(sqlwitness.Config{LogLevel: "off", Sinks: []event.Sink{d}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close(context.Background()) }()
	server := httptest.NewServer(d.Handler())
	defer server.Close()
	defer d.Close()
	files := fstest.MapFS{
		"00001_orders.sql":   {Data: []byte(lines("-- +goose Up", "CREATE TABLE orders (id int);", "INSERT INTO orders VALUES (42424242);"))},
		"00002_refunded.sql": {Data: []byte(lines("-- +goose Up", "ALTER TABLE orders ADD COLUMN refunded int DEFAULT 77777777;"))},
	}
	migrate := func(to int64) error {
		db, err := w.Open("postgres", dsn)
		if err != nil {
			return err
		}
		defer db.Close()
		p, err := goose.NewProvider(goose.DialectPostgres, db, files)
		if err != nil {
			return err
		}
		_, err = p.UpTo(context.Background(), to)
		return err
	}

	b := openTab(t, server)
	b.open(server, 1280, 900, "light")
	b.until("that nothing runs", `document.querySelector("#now-body")?.innerText.includes("Nothing has been in flight")`)
	if err := migrate(1); err != nil {
		t.Fatal(err)
	}
	b.until("the first run", `[...document.querySelectorAll("#runs-body tbody tr")].some((r) => r.innerText.includes("goose") && r.innerText.includes("ok"))`)

	blocker, err := direct.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Rollback()
	if _, err := blocker.Exec("SELECT * FROM orders"); err != nil {
		t.Fatal(err)
	}
	migrated := make(chan error, 1)
	go func() { migrated <- migrate(2) }()
	b.until("the ALTER TABLE that waits", `document.querySelector("#now-body .flight h3")?.innerText === "ALTER TABLE orders"`)
	read := make(chan error, 1)
	go func() { _, err := direct.Exec("SELECT count(*) FROM orders"); read <- err }()
	b.until("who blocks it", `document.querySelector("#now-body .node.root")?.innerText.includes("idle in transaction")`)
	b.until("whom it blocks", `document.querySelector("#now-body")?.innerText.includes("1 session blocked")`)
	b.until("its bar on the timeline", `document.querySelector("#timeline-body .track i.live") !== null`)
	b.until("a growing age of the oldest statement", `document.querySelector("#latency-legend")?.innerText.match(/oldest in flight\s*[0-9.]+ s/) !== null`)

	if err := blocker.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	b.until("that nothing runs any more", `document.querySelectorAll("#now-body .flight").length === 0`)
	b.until("two runs that went well", `[...document.querySelectorAll("#runs-body tbody tr")].filter((r) => r.innerText.includes("goose") && r.innerText.includes("ok")).length === 2`)
	b.until("the migration on the timeline", `[...document.querySelectorAll("#timeline-body .lane-label")].some((l) => l.innerText.trim() === "2")`)
	var page string
	b.eval("document.documentElement.outerHTML", &page)
	for _, literal := range []string{"42424242", "77777777"} {
		if regexp.MustCompile(`\b` + literal + `\b`).MatchString(page) {
			t.Errorf("the literal %s is on the page", literal)
		}
	}
}
