// Command goose migrates a SQLite file with goose's Provider, through the
// witness. The import and the driver's name are all that differs from the same
// program without it.
//
//	go run ./goose app.db
package main

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log"
	"os"

	"github.com/pressly/goose/v3"

	_ "github.com/sqlwitness/sqlwitness/drivers/sqlite" // was: _ "modernc.org/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: goose FILE")
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, path string) error {
	db, err := sql.Open("witness+sqlite", path) // was: "sqlite"
	if err != nil {
		return err
	}
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	results, err := provider.Up(ctx)
	for _, r := range results {
		fmt.Println(r)
	}
	return err
}
