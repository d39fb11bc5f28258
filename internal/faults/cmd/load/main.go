// Command load puts much of everything through a witness and prints what that
// costs:
//
//	go run ./internal/faults/cmd/load             all scenarios, half a minute each at most
//	go run ./internal/faults/cmd/load -for 10m connections
//	go run ./internal/faults/cmd/load -texts 10000000 texts
//
// The scenarios are connections, texts, migrations and schemas. It exits with 1
// where something was lost that no counter tells of, or memory grew.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// load is what the command line asks for.
type load struct {
	length     time.Duration
	conns      int
	texts      int
	migrations int
	schemas    int

	dsn    string // of the server; "" until one is needed
	server *testdb.Server
}

func main() {
	var l load
	flag.DurationVar(&l.length, "for", 20*time.Second, "how long connections lasts")
	flag.IntVar(&l.conns, "conns", 64, "connections at once")
	flag.IntVar(&l.texts, "texts", 1_000_000, "distinct SQL texts")
	flag.IntVar(&l.migrations, "migrations", 10_000, "migrations in one run")
	flag.IntVar(&l.schemas, "schemas", 500, "schemas that are migrated in parallel")
	flag.StringVar(&l.dsn, "dsn", "", "PostgreSQL to use; without it a server of its own is started")
	flag.Parse()
	err := l.run(flag.Args())
	if l.server != nil {
		_ = l.server.Stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func (l *load) run(names []string) error {
	all := []string{"texts", "connections", "migrations", "schemas"}
	if len(names) == 0 {
		names = all
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return fmt.Errorf("there is no scenario %q: use %q", name, all)
		}
	}
	ctx := context.Background()
	for _, name := range names {
		scenario := map[string]func(context.Context) error{
			"connections": l.connections, "texts": l.manyTexts, "migrations": l.manyMigrations, "schemas": l.manySchemas}[name]
		fmt.Println("--", name)
		if err := scenario(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// database makes an empty database and returns its DSN.
func (l *load) database(ctx context.Context, name string) (string, error) {
	if l.dsn == "" {
		s, err := testdb.StartPostgreSQL()
		if err != nil {
			return "", err
		}
		l.server, l.dsn = s, s.DSN()
	}
	db, err := sql.Open("pgx", l.dsn)
	if err != nil {
		return "", err
	}
	defer db.Close()
	name = fmt.Sprintf("load_%s_%d", name, time.Now().UnixNano())
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	return named(l.dsn, name)
}

// usage is what a process holds once garbage is gone.
type usage struct {
	heap       float64 // MiB
	goroutines int
}

func used() usage {
	runtime.GC()
	runtime.GC() // what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{float64(m.HeapAlloc) / (1 << 20), runtime.NumGoroutine()}
}

func (u usage) String() string {
	return fmt.Sprintf("%.1f MiB heap, %d goroutines", u.heap, u.goroutines)
}

// grown says whether memory has: more than a little, and more than by half.
func grown(before, after usage) error {
	if after.heap > before.heap*1.5+4 {
		return fmt.Errorf("memory grows: %v, then %v", before, after)
	}
	return nil
}
