package sqlwitness

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
	"github.com/sqlwitness/sqlwitness/probe"
)

// logBuffer is written by the log's goroutine.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// line is the line of an event; "" if there is none.
func (l *logBuffer) line(event string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, `"event":"`+event+`"`) {
			return line
		}
	}
	return ""
}

// TestTimeoutsInForce reads them from real servers, once a run begins.
func TestTimeoutsInForce(t *testing.T) {
	for _, c := range []struct {
		name, driver, options string
		fresh                 func(testing.TB) string
		want                  []string
	}{
		{"PostgreSQL", "postgres", "&lock_timeout=1500&statement_timeout=1min", testdb.PostgreSQL,
			[]string{`"lock_timeout_ms":1500`, `"statement_timeout_ms":60000`, `"idle_in_transaction_session_timeout_ms":0`, `"lock_timeout_set":true`}},
		{"PostgreSQL by default", "pgx", "", testdb.PostgreSQL,
			[]string{`"lock_timeout_ms":0`, `"lock_timeout_set":false`, `set lock_timeout`}},
		{"MariaDB", "mysql", "&lock_wait_timeout=7", testdb.MariaDB,
			[]string{`"lock_wait_timeout_ms":7000`, `"innodb_lock_wait_timeout_ms":`, `"max_statement_time_ms":0`, `"lock_timeout_set":true`}},
		{"SQLite", "sqlite", "?_pragma=busy_timeout(250)", testdb.SQLite,
			[]string{`"busy_timeout_ms":250`, `"lock_timeout_set":true`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &logBuffer{}
			w := newWitness(t, Config{LogOutput: log})
			db, err := w.Open(c.driver, c.fresh(t)+c.options)
			if err != nil {
				t.Fatal(err)
			}
			db.SetMaxOpenConns(1)
			for _, text := range []string{
				"CREATE TABLE goose_db_version (id int, version_id bigint, is_applied boolean)",
				"DELETE FROM goose_db_version WHERE id = 0",
			} {
				if _, err := db.Exec(text); err != nil {
					t.Fatal(err)
				}
			}
			rows, err := db.Query("SELECT version_id, is_applied from goose_db_version ORDER BY id DESC")
			if err != nil {
				t.Fatal(err)
			}
			_ = rows.Close()
			if _, err := db.Exec("CREATE TABLE t (id int)"); err != nil {
				t.Fatal(err)
			}
			_ = db.Close()
			if err := w.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			line := log.line("run.timeouts")
			for _, want := range c.want {
				if !strings.Contains(line, want) {
					t.Errorf("%s is not in %s", want, line)
				}
			}
		})
	}
}

// stalling is a server that answers nothing for a while, by a driver that, as most
// do, gives up the connection when a context ends before the answer.
type stalling struct {
	driver.Conn // nil: has nothing else
	until       time.Time
	broken      bool
}

func (s *stalling) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s *stalling) Driver() driver.Driver                        { return nil }
func (s *stalling) Close() error                                 { return nil }

func (s *stalling) ExecContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, s.answer(ctx)
}

func (s *stalling) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	return nil, errors.Join(s.answer(ctx), errors.New("no rows here"))
}

func (s *stalling) answer(ctx context.Context) error {
	if s.broken {
		return driver.ErrBadConn
	}
	select {
	case <-time.After(time.Until(s.until)):
		return nil
	case <-ctx.Done():
		s.broken = true
		return ctx.Err()
	}
}

// TestSlowServerKeepsItsConnection: what is asked on the tool's own connection does
// not cost it the connection when the server is slow to answer.
func TestSlowServerKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stalling{}
		w := newWitness(t, Config{System: "postgresql", NoProbe: true, Audit: audit.Config{Mode: audit.Off}})
		c := w.Wrap(s).(*connector)
		c.observer = &observer{w: w, view: asking{}}
		db := sql.OpenDB(c)
		defer db.Close()
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, text := range []string{"CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied boolean, tstamp timestamp)", "CREATE TABLE t (id int)"} {
			s.until = time.Now().Add(3 * time.Second)
			if _, err := conn.ExecContext(t.Context(), text); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	})
}

// asking is a view that asks the connection for its session.
type asking struct{ *probe.Probe }

func (asking) Session(ctx context.Context, c driver.Conn) (int64, error) {
	_, err := c.(driver.QueryerContext).QueryContext(ctx, "SELECT pg_backend_pid()", nil)
	return 0, err
}

// TestNothingIsAskedInATransaction: while another connection has a run open,
// nothing of ours stands between BEGIN and SET TRANSACTION, which has to come first.
func TestNothingIsAskedInATransaction(t *testing.T) {
	w := newWitness(t, Config{Audit: audit.Config{Mode: audit.Off}})
	db, err := w.Open("postgres", testdb.PostgreSQL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	run, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	other, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, s := range []struct {
		conn *sql.Conn
		text string
	}{
		{run, "CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied boolean, tstamp timestamp)"},
		{run, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)"},
		{run, "CREATE TABLE t (id int)"},
		{other, "BEGIN"},
		{other, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"},
		{other, "COMMIT"},
		{other, "SELECT 1"},
	} {
		if _, err := s.conn.ExecContext(t.Context(), s.text); err != nil {
			t.Errorf("%s: %v", s.text, err)
		}
	}
	for c := range w.connectors {
		for conn := range c.conns {
			if conn.session.id.Load() == 0 {
				t.Errorf("connection %d was not asked for its session", conn.id)
			}
		}
	}
}
