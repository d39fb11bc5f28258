package sqlwitness_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"

	"github.com/ngrok/sqlmw"
	_ "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness"
	_ "github.com/sqlwitness/sqlwitness/drivers/pq" // was: _ "github.com/lib/pq"
)

// The whole change for a program that migrates at its start: the import, and
// the driver's name in sql.Open.
func Example() {
	db, err := sql.Open("witness+postgres", os.Getenv("DATABASE_URL")) // was: "postgres"
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	// goose.Up(db, "migrations"), as before
}

// A witness of one's own, with its metrics on the program's own HTTP server.
func ExampleNew() {
	w, err := sqlwitness.New(sqlwitness.Config{LogLevel: "warn"})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close(context.Background())
	http.Handle("/witness/", http.StripPrefix("/witness", w.Handler()))

	db, err := w.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
}

// counter is an interceptor that a team has had all along.
type counter struct {
	sqlmw.NullInterceptor
	execs int
}

func (c *counter) ConnExecContext(ctx context.Context, conn driver.ExecerContext, query string, args []driver.NamedValue) (driver.Result, error) {
	c.execs++
	return conn.ExecContext(ctx, query, args)
}

// Interceptors written for ngrok/sqlmw run between the witness and the driver.
func ExampleConfig_interceptors() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	c := &counter{}
	w, err := sqlwitness.New(sqlwitness.Config{Interceptors: []sqlmw.Interceptor{c}, LogOutput: io.Discard})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close(context.Background())
	db, err := w.Open("sqlite", filepath.Join(dir, "app.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA user_version = 7"); err != nil {
		log.Fatal(err)
	}
	fmt.Println("statements executed:", c.execs)
	// Output: statements executed: 1
}

// The way to the parent's own connection.
func ExampleUnwrap() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	w, err := sqlwitness.New(sqlwitness.Config{LogOutput: io.Discard})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close(context.Background())
	db, err := w.Open("sqlite", filepath.Join(dir, "app.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_ = conn.Raw(func(c any) error {
		fmt.Printf("%T\n", sqlwitness.Unwrap(c))
		return nil
	})
	// Output: *sqlite.conn
}
