// Command application runs an application's statements through the witness and
// through the bare driver, in turns on one database, and prints how the two
// compare:
//
//	go run ./bench/application                                20,000 statements/s on SQLite
//	go run ./bench/application -server postgres -rate 0       as fast as it goes on PostgreSQL
//
// Half a second each, many times, in both orders; what is compared are
// neighbours. The noise is how much neighbours of the same kind differ, by the same
// reckoning.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

type application struct {
	server string
	rate   int // statements a second; 0 for as many as there can be
	conns  int
	rounds int
}

func main() {
	var a application
	flag.StringVar(&a.server, "server", "sqlite", "sqlite, postgres or mariadb; a server of its own is started")
	flag.IntVar(&a.rate, "rate", 20_000, "statements a second; 0 for as many as there can be")
	flag.IntVar(&a.conns, "conns", 8, "connections at once")
	flag.IntVar(&a.rounds, "rounds", 40, "rounds, of three turns of 0.5 s")
	flag.Parse()
	if err := a.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "application:", err)
		os.Exit(1)
	}
}

// turn is what was measured in half a second.
type turn struct {
	median     time.Duration
	throughput float64 // statements a second
}

const turnLength = 500 * time.Millisecond

func (a application) run(ctx context.Context) error {
	driver, dsn, stop, err := a.start()
	if err != nil {
		return err
	}
	defer stop()
	w, err := sqlwitness.New(sqlwitness.Config{LogOutput: io.Discard})
	if err != nil {
		return err
	}
	defer w.Close(ctx)
	bare, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer bare.Close()
	watched, err := w.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer watched.Close()
	for _, text := range []string{"CREATE TABLE accounts (id INT PRIMARY KEY, balance INT)", "INSERT INTO accounts VALUES (1, 10), (2, 20), (3, 30)"} {
		if _, err := bare.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	// Bare, bare, watched, or the other way round: the bare one in the middle has
	// neighbours of either kind, and what comes first is not always the same.
	var turns [3][]turn
	for round := range a.rounds + 2 {
		dbs, order := []*sql.DB{bare, bare, watched}, []int{0, 1, 2}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, i := range order {
			t, err := a.turn(ctx, dbs[i])
			if err != nil {
				return err
			}
			if round > 1 { // the first two warm up
				turns[i] = append(turns[i], t)
			}
		}
	}
	latency := func(t turn) float64 { return float64(t.median) }
	throughput := func(t turn) float64 { return t.throughput }
	fmt.Printf("%s, %d connections, asked for %d statements/s: bare %.0f/s with a median of %v, watched %.0f/s with %v\n", a.server, a.conns, a.rate,
		middle(turns[1], throughput), time.Duration(middle(turns[1], latency)), middle(turns[2], throughput), time.Duration(middle(turns[2], latency)))
	for _, m := range []struct {
		name string
		of   func(turn) float64
	}{{"median latency", latency}, {"throughput", throughput}} {
		effect, _ := ratios(turns[2], turns[1], m.of)
		same, noise := ratios(turns[1], turns[0], m.of)
		fmt.Printf("%-14s  watched to bare: %.3f; bare to bare: %.3f, half of them within ±%.3f\n", m.name, effect, same, noise)
	}
	return nil
}

// start makes a database of the kind that was asked for.
func (a application) start() (driver, dsn string, stop func(), err error) {
	var server *testdb.Server
	switch a.server {
	case "sqlite":
		dir, err := os.MkdirTemp("", "sqlwitness-application-")
		return "sqlite", "file:" + filepath.Join(dir, "app.db") + "?_pragma=journal_mode(WAL)", func() { _ = os.RemoveAll(dir) }, err
	case "postgres":
		driver = "pgx"
		server, err = testdb.StartPostgreSQL()
	case "mariadb":
		driver = "mysql"
		if server, err = testdb.StartMariaDB(); err == nil {
			err = a.makeDatabase(server.DSN())
		}
	default:
		return "", "", nil, fmt.Errorf("there is no server %q: use sqlite, postgres or mariadb", a.server)
	}
	if err != nil {
		if server != nil {
			_ = server.Stop()
		}
		return "", "", nil, err
	}
	dsn = server.DSN()
	if driver == "mysql" {
		dsn += mariaDatabase
	}
	return driver, dsn, func() { _ = server.Stop() }, nil
}

// mariaDatabase is where the table is: a DSN of the server names none.
const mariaDatabase = "application"

func (application) makeDatabase(dsn string) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec("CREATE DATABASE " + mariaDatabase)
	return err
}

// turn sends statements for half a second.
func (a application) turn(ctx context.Context, db *sql.DB) (turn, error) {
	db.SetMaxIdleConns(a.conns)
	var wg sync.WaitGroup
	took := make([][]time.Duration, a.conns)
	errs := make([]error, a.conns)
	begin := time.Now()
	end := begin.Add(turnLength)
	for c := range a.conns {
		wg.Go(func() {
			conn, err := db.Conn(ctx)
			if err != nil {
				errs[c] = err
				return
			}
			defer conn.Close()
			for n := 1; ; n++ {
				if a.rate > 0 {
					time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Second * time.Duration(a.conns) / time.Duration(a.rate))))
				}
				start := time.Now()
				if start.After(end) {
					return
				}
				var balance int
				if err := conn.QueryRowContext(ctx, "SELECT balance FROM accounts WHERE id = 2").Scan(&balance); err != nil {
					errs[c] = err
					return
				}
				took[c] = append(took[c], time.Since(start))
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return turn{}, err
		}
	}
	all := slices.Concat(took...)
	if len(all) == 0 {
		return turn{}, fmt.Errorf("no statement was answered within %v", turnLength)
	}
	slices.Sort(all)
	return turn{all[len(all)/2], float64(len(all)) / time.Since(begin).Seconds()}, nil
}

// ratios compares neighbours: the median of their ratios, and how far from it half
// of them are at most.
func ratios(a, b []turn, of func(turn) float64) (median, deviation float64) {
	list := make([]float64, len(a))
	for i := range a {
		list[i] = of(a[i]) / of(b[i])
	}
	median = center(list)
	for i := range list {
		list[i] = max(list[i]-median, median-list[i])
	}
	return median, center(list)
}

func middle(turns []turn, of func(turn) float64) float64 {
	list := make([]float64, len(turns))
	for i, t := range turns {
		list[i] = of(t)
	}
	return center(list)
}

// center is the median.
func center(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}
