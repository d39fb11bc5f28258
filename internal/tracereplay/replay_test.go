package tracereplay

import (
	"context"
	"database/sql/driver"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

func TestParseValue(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 16, 9, 5000, time.UTC)
	for s, want := range map[string]driver.Value{
		"NULL":                             nil,
		"3(int64)":                         int64(3),
		"-1(int)":                          -1,
		"7(uint32)":                        uint32(7),
		"1.5(float64)":                     1.5,
		"true(bool)":                       true,
		"a (b)(string)":                    "a (b)",
		"(string)":                         "",
		"x(int64)":                         Foreign{"int64", "x"},
		"&[1](*pq.Int64Array)":             Foreign{"*pq.Int64Array", "&[1]"},
		"time:2026-11-23T12:16:09.000005Z": at,
		"text":                             Foreign{"", "text"},
	} {
		if got := ParseValue(s); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %#v, want %#v", s, got, want)
		}
	}
}

// An error that is rebuilt must be told from others as the real one is.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		line        Line
		class, code string
		is          error
	}{
		{Line{Err: "driver: bad connection"}, event.ClassBadConn, "", driver.ErrBadConn},
		{Line{Err: "driver: skip fast-path; continue as if unimplemented"}, event.ClassOther, "", driver.ErrSkip},
		{Line{Err: "context deadline exceeded"}, event.ClassCancelled, "", context.DeadlineExceeded},
		{Line{Err: "timeout: context deadline exceeded", ErrType: "*pgconn.errTimeout"}, event.ClassCancelled, "", context.DeadlineExceeded},
		{Line{Err: "pq: syntax error", ErrType: "*pq.Error", SQLState: "42601"}, event.ClassSyntax, "42601", nil},
		{Line{Err: "no relation", ErrType: "*pgconn.PrepareError", SQLState: "42P01"}, event.ClassMissingObject, "42P01", nil},
		{Line{Err: "Error 1146", ErrType: "*mysql.MySQLError", SQLState: "42S02/1146"}, event.ClassMissingObject, "1146", nil},
		{Line{Err: "database is locked", ErrType: "*sqlite.Error", SQLState: "sqlite:5"}, event.ClassLockTimeout, "5", nil},
		{Line{Err: "use of closed network connection", ErrType: "*net.OpError"}, event.ClassBadConn, "", net.ErrClosed},
	} {
		err := test.line.err()
		if err == nil || err.Error() != test.line.Err {
			t.Errorf("%q became %v", test.line.Err, err)
			continue
		}
		if class, code := event.Classify(err); class != test.class || code != test.code {
			t.Errorf("%q: %s %s, want %s %s", test.line.Err, class, code, test.class, test.code)
		}
		if test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%q is not %v", test.line.Err, test.is)
		}
	}
	if err := (&Line{}).err(); err != nil {
		t.Errorf("an error out of nowhere: %v", err)
	}
}

const trace = `{"seq":1,"inst":"A","conn":1,"kind":"connect"}
{"seq":2,"inst":"A","conn":1,"kind":"query","sql":"SELECT a","args":["1(int64)"]}
{"seq":3,"inst":"A","conn":1,"kind":"rows_next","cols":["a"],"row":["x(string)"]}
{"seq":4,"inst":"B","conn":2,"kind":"connect"}
{"seq":5,"inst":"A","conn":1,"kind":"begin","opts":"iso=Serializable ro=true"}
{"seq":6,"kind":"mark"}
{"seq":7,"inst":"A","conn":1,"kind":"prepare","sql":"INSERT b"}
{"seq":8,"inst":"A","conn":1,"kind":"stmt_exec","sql":"INSERT b","rows_affected":2}
{"seq":9,"inst":"A","conn":1,"kind":"stmt_close"}
{"seq":10,"inst":"A","conn":1,"kind":"rollback","err":"driver: bad connection"}
{"seq":11,"inst":"A","conn":1,"kind":"reset"}
{"seq":12,"inst":"A","conn":1,"kind":"close"}
`

func TestPlay(t *testing.T) {
	tr, err := Read(strings.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	var insts []string
	wrap := func(inst string, parent driver.Connector) driver.Connector {
		insts = append(insts, inst)
		return parent
	}
	if err := tr.Play(t.Context(), wrap); err != nil {
		t.Fatal(err)
	}
	if want := []string{"A", "B"}; !reflect.DeepEqual(insts, want) {
		t.Errorf("wrapped %v, want %v", insts, want)
	}
}

// Who opens a connection of his own beside the replay gets none of the recorded.
func TestPlayKeepsItsConnections(t *testing.T) {
	tr, err := Read(strings.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	err = tr.Play(t.Context(), func(_ string, parent driver.Connector) driver.Connector {
		if _, err := parent.Connect(t.Context()); err == nil {
			t.Error("a connection that was not recorded is opened")
		}
		return parent
	})
	if err != nil {
		t.Error(err)
	}
}

// lossy gives connections that answer something else than the recording.
type lossy struct{ driver.Connector }

func (l lossy) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := l.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return lossyConn{c.(*conn)}, nil
}

type lossyConn struct{ *conn }

func (c lossyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.conn.BeginTx(ctx, o)
	return lossyTx{tx}, err
}

type lossyTx struct{ driver.Tx }

func (t lossyTx) Rollback() error { _ = t.Tx.Rollback(); return nil }

func TestPlayFindsWhatIsLost(t *testing.T) {
	tr, err := Read(strings.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	err = tr.Play(t.Context(), func(_ string, parent driver.Connector) driver.Connector { return lossy{parent} })
	if err == nil || !strings.Contains(err.Error(), "seq 10") {
		t.Errorf("got %v, want seq 10 to differ", err)
	}
}

func TestConnectorRefusesWhatWasNotRecorded(t *testing.T) {
	tr, err := Read(strings.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	c := tr.Connector("A")
	conn, err := c.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.(driver.ExecerContext).ExecContext(t.Context(), "SELECT a", nil); err == nil {
		t.Error("an Exec where a Query was recorded is answered")
	}
	if _, err := conn.(driver.QueryerContext).QueryContext(t.Context(), "SELECT b", nil); err == nil {
		t.Error("another text is answered")
	}
	if _, err := c.Connect(t.Context()); err == nil {
		t.Error("one connection more is opened")
	}
}

func TestReadRefusesGarbage(t *testing.T) {
	if _, err := Read(strings.NewReader("{\"seq\":4}\nnonsense\n")); err == nil || !strings.Contains(err.Error(), "after seq 4") {
		t.Errorf("got %v", err)
	}
	if _, err := OpenWant(filepath.Join(t.TempDir(), "x.jsonl")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestOptions(t *testing.T) {
	if o := options("iso=Serializable ro=true"); o.Isolation != 6 || !o.ReadOnly {
		t.Errorf("%+v", o)
	}
	if o := options("iso=Default ro=false"); o != (driver.TxOptions{}) {
		t.Errorf("%+v", o)
	}
}

func TestSystem(t *testing.T) {
	for path, want := range map[string]string{"goose/pgx/a_up.jsonl": "postgresql", "x/mysql/a.jsonl": "mysql", "sqlite/a.jsonl": "sqlite", "a.jsonl": ""} {
		if got := System(filepath.FromSlash(path)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
