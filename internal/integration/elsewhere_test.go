package integration

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	osexec "os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	migratemysql "github.com/golang-migrate/migrate/v4/database/mysql"
	migratepostgres "github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/pressly/goose/v3"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// Environment of the job that migrates, which is this program again.
const (
	envJob       = "SQLWITNESS_TEST_JOB"
	envJobDriver = "SQLWITNESS_TEST_JOB_DRIVER"
	envJobDSN    = "SQLWITNESS_TEST_JOB_DSN"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(envJob); kind != "" {
		if err := job(kind, os.Getenv(envJobDriver), os.Getenv(envJobDSN)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const alter = "ALTER TABLE orders ADD paid boolean;"

// job migrates, with a witness of its own or without any.
func job(kind, driver, dsn string) error {
	ctx := context.Background()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	if kind == "goose, witness" {
		w, err := sqlwitness.New(sqlwitness.Config{Audit: audit.Config{Spool: os.TempDir()}})
		if err != nil {
			return err
		}
		defer w.Close(ctx)
		if db, err = w.Open(driver, dsn); err != nil {
			return err
		}
	}
	defer db.Close()
	if kind == "golang-migrate" {
		var d database.Driver
		if driver == "mysql" {
			d, err = migratemysql.WithInstance(db, &migratemysql.Config{})
		} else {
			d, err = migratepostgres.WithInstance(db, &migratepostgres.Config{})
		}
		if err != nil {
			return err
		}
		files, err := iofs.New(fstest.MapFS{"1_paid.up.sql": {Data: []byte(alter)}}, ".")
		if err != nil {
			return err
		}
		m, err := migrate.NewWithInstance("iofs", files, driver, d)
		if err != nil {
			return err
		}
		return m.Up()
	}
	dialect := goose.DialectPostgres
	if driver == "mysql" {
		dialect = goose.DialectMySQL
	}
	p, err := goose.NewProvider(dialect, db, fstest.MapFS{"00001_paid.sql": {Data: []byte("-- +goose Up\n" + alter)}})
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// effect keeps what is told of impacts.
type effect struct {
	event.Ignore
	mu      sync.Mutex
	impacts []event.Impact
}

func (e *effect) Impact(i *event.Impact) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.impacts = append(e.impacts, *i)
}

// TestElsewhere: the application's statements go through one process, the
// migration through another, and it waits behind an idle transaction. The
// application's witness sees it: its statements are of phase migration, and
// their latency before and during, the migration's statement and the idle
// transaction are told.
func TestElsewhere(t *testing.T) {
	for _, c := range []struct {
		driver, job string
		evidence    event.Evidence
		tool        string
	}{
		{"postgres", "goose, witness", event.ByTrail, "goose"},
		{"postgres", "goose", event.ByStatement, ""},
		{"postgres", "golang-migrate", event.ByLock, "golang-migrate"},
		{"mysql", "goose, witness", event.ByTrail, "goose"},
		{"mysql", "goose", event.ByStatement, ""},
		{"mysql", "golang-migrate", event.ByLock, "golang-migrate"},
	} {
		t.Run(c.driver+"/"+c.job, func(t *testing.T) {
			dsn := testdb.PostgreSQL
			if c.driver == "mysql" {
				dsn = testdb.MariaDB
			}
			application(t, c.driver, dsn(t), c.job, c.evidence, c.tool)
		})
	}
}

func application(t *testing.T, driver, dsn, kind string, evidence event.Evidence, tool string) {
	bare, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	exec := func(text string) {
		t.Helper()
		if _, err := bare.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE orders (id int)")
	exec("CREATE TABLE visits (id int)")

	seen, log := &effect{}, &output{}
	w, err := sqlwitness.New(sqlwitness.Config{LogOutput: log, Sinks: []event.Sink{seen}})
	if err != nil {
		t.Fatal(err)
	}
	db, err := w.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	for _, table := range []string{"orders", "orders", "orders", "visits"} {
		workers.Go(func() {
			for running.Err() == nil {
				if _, err := db.ExecContext(context.Background(), "UPDATE "+table+" SET id = 1"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer func() { stop(); workers.Wait(); _ = db.Close() }()
	spent := func(phase string) float64 {
		var b strings.Builder
		w.WritePrometheus(&b)
		m := regexp.MustCompile(`db_client_operation_duration_seconds_sum\{[^}]*db_operation_name="UPDATE",phase="` + phase + `"\} (\S+)`).FindStringSubmatch(b.String())
		if m == nil {
			return 0
		}
		s, _ := strconv.ParseFloat(m[1], 64)
		return s
	}
	until(t, "the application runs", func() bool { return spent("steady") > 1 })

	idle, err := bare.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Rollback()
	if _, err := idle.Exec("SELECT * FROM orders WHERE 'swordfish' <> ''"); err != nil {
		t.Fatal(err)
	}
	child := startJob(t, kind, driver, dsn)
	// One worker goes on. Within so many seconds of its statements the server is
	// asked at least once more.
	until(t, "the migration is seen", func() bool { return spent("migration") > 3 })
	if err := idle.Rollback(); err != nil {
		t.Fatal(err)
	}
	if out := <-child; out != "" {
		t.Fatal(out)
	}
	before := spent("steady")
	until(t, "the end is seen", func() bool { return spent("steady") > before+0.5 })
	stop()
	workers.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		t.Error(err)
	}

	if len(seen.impacts) != 1 {
		t.Fatalf("%d impacts: %+v", len(seen.impacts), seen.impacts)
	}
	i := seen.impacts[0]
	t.Logf("%s, %s: p50 %v → %v → %v, p99 %v → %v → %v, %d in the queue", i.Tool, i.Evidence,
		i.Before.P50, i.During.P50, i.After.P50, i.Before.P99, i.During.P99, i.After.P99, i.Queue)
	if i.Evidence != evidence || i.Tool != tool || (i.RunID != "") != (evidence == event.ByTrail) {
		t.Errorf("known by %q, tool %q, run %q", i.Evidence, i.Tool, i.RunID)
	}
	if i.Before.Count == 0 || i.During.Count == 0 || i.After.Count == 0 {
		t.Errorf("before %+v, during %+v, after %+v", i.Before, i.During, i.After)
	}
	if i.Slowest == nil || i.Slowest.Duration < 2*time.Second || i.Slowest.Text != "UPDATE orders SET id = ?" {
		t.Errorf("slowest: %+v", i.Slowest)
	}
	if i.Worst == nil || i.Worst.Operation != "ALTER TABLE" || i.Queue != 3 {
		t.Errorf("worst: %+v, with %d behind it", i.Worst, i.Queue)
	}
	// MariaDB tells who holds a table only with the performance schema or its plugin
	// metadata_lock_info.
	if driver == "postgres" && (i.Blocker == nil || i.Blocker.State != "idle in transaction") {
		t.Errorf("blocker: %+v", i.Blocker)
	}
	for _, want := range []string{`"event":"run.impact"`, `"elsewhere":"` + string(evidence) + `"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if strings.Contains(log.String(), "swordfish") {
		t.Error("a literal of another session's query is in the log")
	}
}

// startJob starts a job; what it printed, if it failed, is in the channel.
func startJob(t *testing.T, kind, driver, dsn string) <-chan string {
	t.Helper()
	cmd := osexec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envJob+"="+kind, envJobDriver+"="+driver, envJobDSN+"="+dsn)
	done := make(chan string, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		if err != nil {
			done <- fmt.Sprintf("%v\n%s", err, out)
		}
		close(done)
	}()
	return done
}
