package sqlwitness

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/ngrok/sqlmw"
	_ "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness/event"
)

func newWitness(t testing.TB, cfg Config) *Witness {
	t.Helper()
	if cfg.LogOutput == nil {
		cfg.LogOutput = io.Discard
	}
	if cfg.Audit.Spool == "" {
		cfg.Audit.Spool = t.TempDir() + "/spool.jsonl"
	}
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func TestUnknownParentDriver(t *testing.T) {
	w := newWitness(t, Config{})
	_, err := w.Open("oracel", "dsn")
	wantError(t, err, []string{"oracel", "forgotten blank import", "sqlite"})
	_, err = w.Register("oracel")
	wantError(t, err, []string{"oracel"})
}

func TestRegisterTwice(t *testing.T) {
	w := newWitness(t, Config{})
	bare, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	parent := fmt.Sprintf("sqlite-%d", len(sql.Drivers())) // a name cannot be taken back, and tests are repeated
	sql.Register(parent, bare.Driver())
	name, err := w.Register(parent)
	if err != nil || name != "witness+"+parent {
		t.Fatalf("%q, %v", name, err)
	}
	_, err = w.Register(parent)
	wantError(t, err, []string{name, "already", "Wrap"})

	db, err := sql.Open(name, t.TempDir()+"/a.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE t (id int)"); err != nil {
		t.Fatal(err)
	}
}

// A wrong DSN is the parent's to refuse, in the parent's words.
func TestWrongDSN(t *testing.T) {
	w := newWitness(t, Config{})
	path := t.TempDir() + "/no/such/dir/x.db"
	bare, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	seen, err := w.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer seen.Close()
	want, got := bare.Ping(), seen.Ping()
	if want == nil || got == nil || want.Error() != got.Error() {
		t.Errorf("bare %v, witness %v", want, got)
	}
}

func TestDisabledIsTheParentsOwn(t *testing.T) {
	w := newWitness(t, Config{Disabled: true})
	db, err := w.Open("sqlite", t.TempDir()+"/a.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		if _, ours := c.(interface{ unwrap() any }); ours {
			t.Errorf("%T", c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnwrap(t *testing.T) {
	w := newWitness(t, Config{})
	db, err := w.Open("sqlite", t.TempDir()+"/a.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Raw(func(c any) error {
		if name := strings.TrimPrefix(typeName(Unwrap(c)), "*"); name != "sqlite.conn" {
			t.Errorf("unwrapped %s", name)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if name := typeName(Unwrap(db.Driver())); name != "*sqlite.Driver" {
		t.Errorf("driver %s", name)
	}
	if Unwrap(7) != 7 {
		t.Error("a value that is not the witness's must stay as it is")
	}
}

// counting is a team's interceptor.
type counting struct {
	sqlmw.NullInterceptor
	calls *[]string
	name  string
}

func (c counting) ConnExecContext(ctx context.Context, conn driver.ExecerContext, query string, args []driver.NamedValue) (driver.Result, error) {
	*c.calls = append(*c.calls, c.name+" exec "+query)
	return conn.ExecContext(ctx, query, args)
}

func (c counting) RowsNext(ctx context.Context, rows driver.Rows, dest []driver.Value) error {
	*c.calls = append(*c.calls, c.name+" next")
	return rows.Next(dest)
}

func (c counting) TxCommit(ctx context.Context, tx driver.Tx) error {
	*c.calls = append(*c.calls, c.name+" commit")
	return tx.Commit()
}

func TestInterceptorsRunInside(t *testing.T) {
	var calls []string
	w := newWitness(t, Config{Interceptors: []sqlmw.Interceptor{counting{calls: &calls, name: "inner"}, counting{calls: &calls, name: "outer"}}})
	db, err := w.Open("sqlite", t.TempDir()+"/a.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("SELECT 1"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT 1").Scan(&n); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	want := "outer exec SELECT 1|inner exec SELECT 1|outer next|inner next|outer commit|inner commit"
	if got := strings.Join(calls, "|"); got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
}

// panicking is a sink with a defect.
type panicking struct{ event.Ignore }

func (panicking) Statement(*event.Statement) { panic("statement") }
func (panicking) Lock(*event.Lock)           { panic("lock") }
func (panicking) Migration(*event.Migration) { panic("migration") }
func (panicking) Run(*event.Run)             { panic("run") }

func TestPanicOfASinkIsContained(t *testing.T) {
	var log strings.Builder
	w := newWitness(t, Config{Sinks: []event.Sink{panicking{}}, LogOutput: &log})
	db, err := w.Open("sqlite", t.TempDir()+"/a.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("no such statement"); err == nil || !strings.Contains(err.Error(), "syntax error") {
		t.Fatalf("the caller must see the parent's error, not %v", err)
	}
	var metrics strings.Builder
	w.WritePrometheus(&metrics)
	if !strings.Contains(metrics.String(), `sqlwitness_errors_total{component="sink"} 1`) {
		t.Errorf("the panic is not counted:\n%s", metrics.String())
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), `"witness.panic"`) {
		t.Errorf("the panic is not logged: %s", log.String())
	}
}

func typeName(v any) string { return reflect.TypeOf(v).String() }

// TestConnectionsOfAnOldWrapper: a wrapper that opens each connection by the
// driver's own Open leaves nothing behind with those that it closes.
func TestConnectionsOfAnOldWrapper(t *testing.T) {
	w := newWitness(t, Config{})
	db, err := w.Open("sqlite", t.TempDir()+"/a.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range 3 {
		conn, err := db.Driver().Open(t.TempDir() + "/b.db")
		if err != nil {
			t.Fatal(err)
		}
		if n := len(w.connectors); n != 2 {
			t.Errorf("%d connectors while it is open", n)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Driver().Open(t.TempDir() + "/no/such/dir/c.db"); err != nil {
		t.Log(err)
	}
	if n := len(w.connectors); n > 2 {
		t.Errorf("%d connectors", n)
	}
}
