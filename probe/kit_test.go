package probe

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// kit is a driver with a database of its kind.
type kit struct {
	name, system string
	dsn          func(testing.TB) string
	connector    func(dsn string) (driver.Connector, error)
}

var (
	kitPQ = kit{"pq", "postgresql", testdb.PostgreSQL,
		func(dsn string) (driver.Connector, error) { return pq.NewConnector(dsn) }}
	kitPGX = kit{"pgx", "postgresql", testdb.PostgreSQL,
		func(dsn string) (driver.Connector, error) {
			return stdlib.GetDefaultDriver().(driver.DriverContext).OpenConnector(dsn)
		}}
	kitMariaDB = kit{"mariadb", "mariadb", testdb.MariaDB,
		func(dsn string) (driver.Connector, error) { return mysqldriver.MySQLDriver{}.OpenConnector(dsn) }}
)

// bench is a database with a probe on it.
type bench struct {
	t     *testing.T
	kit   kit
	dsn   string
	db    *sql.DB
	probe *Probe

	mu       sync.Mutex
	troubles []event.Trouble
}

func newBench(t *testing.T, k kit) *bench { return benchAs(t, k, k.dsn(t), nil) }

// benchAs has its probe log in as another role, where as is not nil.
func benchAs(t *testing.T, k kit, dsn string, as func(dsn string) string) *bench {
	b := &bench{t: t, kit: k, dsn: dsn}
	b.db = b.open(dsn)
	probed := dsn
	if as != nil {
		probed = as(dsn)
	}
	c, err := k.connector(probed)
	if err != nil {
		t.Fatal(err)
	}
	b.probe = b.newProbe(c.Connect)
	return b
}

func (b *bench) newProbe(connect func(context.Context) (driver.Conn, error)) *Probe {
	p := Open(event.Database{System: b.kit.system, Name: "test"}, connect, Deps{
		Now:    time.Now,
		Redact: func(s string) string { return "redacted: " + s },
		Trouble: func(t event.Trouble) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.troubles = append(b.troubles, t)
		},
	})
	b.t.Cleanup(func() { _ = p.Close() })
	return p
}

func (b *bench) open(dsn string) *sql.DB {
	b.t.Helper()
	c, err := b.kit.connector(dsn)
	if err != nil {
		b.t.Fatal(err)
	}
	db := sql.OpenDB(c)
	b.t.Cleanup(func() { _ = db.Close() })
	return db
}

func (b *bench) do(statements ...string) {
	b.t.Helper()
	for _, s := range statements {
		if _, err := b.db.Exec(s); err != nil {
			b.t.Fatalf("%s: %v", s, err)
		}
	}
}

// client is one session of a program.
type client struct {
	b    *bench
	conn *sql.Conn
	id   int64
}

func (b *bench) client() *client { return b.clientOf(b.db) }

func (b *bench) clientOf(db *sql.DB) *client {
	b.t.Helper()
	conn, err := db.Conn(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	c := &client{b: b, conn: conn}
	if err := conn.Raw(func(raw any) error {
		var err error
		c.id, err = b.probe.Session(context.Background(), raw.(driver.Conn))
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (c *client) do(statements ...string) *client {
	c.b.t.Helper()
	for _, s := range statements {
		if _, err := c.conn.ExecContext(context.Background(), s); err != nil {
			c.b.t.Fatalf("%s: %v", s, err)
		}
	}
	return c
}

// start sends a statement without waiting for its end. It is cancelled when the
// test ends, and its error is in the channel.
func (c *client) start(statement string) <-chan error {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var ended sync.WaitGroup
	ended.Go(func() {
		_, err := c.conn.ExecContext(ctx, statement)
		done <- err
	})
	c.b.t.Cleanup(func() {
		cancel()
		ended.Wait()
	})
	return done
}

// until looks at a session again and again until a picture is as wanted.
func (b *bench) until(what string, c *client, wanted func(*event.Picture) bool) *event.Picture {
	b.t.Helper()
	var last *event.Picture
	poll(b.t, what, func() bool {
		seen, err := b.probe.Look(context.Background(), []Asked{{Session: c.id}})
		if err != nil {
			b.t.Fatalf("look: %v", err)
		}
		last = seen[c.id]
		return last != nil && wanted(last)
	}, func() any { return last })
	return last
}

// poll asks until the answer is yes: nobody tells a program what goes on between
// the sessions of a server. InnoDB does not look anew at its transactions for one
// who asked less than 100 ms ago.
func poll(t *testing.T, what string, ask func() bool, last func() any) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	again := time.NewTicker(150 * time.Millisecond)
	defer again.Stop()
	for !ask() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("%s: not within 20 s; last seen: %+v", what, last())
		}
	}
}

func ids(sessions []event.Session) []int64 {
	var list []int64
	for _, s := range sessions {
		list = append(list, s.PID)
	}
	slices.Sort(list)
	return list
}

func sorted(list ...int64) []int64 {
	slices.Sort(list)
	return list
}

func (b *bench) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.troubles) > 0 {
		b.t.Errorf("troubles: %+v", b.troubles)
	}
}

// fixes are the statements that the picture asks for.
func fixes(p *event.Picture) string {
	var list []string
	for _, m := range p.Missing {
		list = append(list, m.Fix)
	}
	return strings.Join(list, "; ")
}

// refusing does not connect.
func refusing(err error) func(context.Context) (driver.Conn, error) {
	return func(context.Context) (driver.Conn, error) { return nil, err }
}

var errRefused = errors.New("dial tcp secret.example:5432: connection refused")
