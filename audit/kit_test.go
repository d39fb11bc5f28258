package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/google/uuid"
	"github.com/gowebpki/jcs"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"
	sqlitedriver "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// kit is a driver with a database of its kind.
type kit struct {
	name, system string
	dsn          func(testing.TB) string
	connector    func(dsn string) (driver.Connector, error)
	table        string // prefix of the audit tables
}

var (
	kitPQ = kit{"pq", "postgresql", testdb.PostgreSQL,
		func(dsn string) (driver.Connector, error) { return pq.NewConnector(dsn) }, "sqlwitness."}
	kitPGX = kit{"pgx", "postgresql", testdb.PostgreSQL,
		func(dsn string) (driver.Connector, error) {
			return stdlib.GetDefaultDriver().(driver.DriverContext).OpenConnector(dsn)
		}, "sqlwitness."}
	kitMySQL = kit{"mysql", "mariadb", mariaDB,
		mysqlConnector, "sqlwitness."}
	kitSQLite = kit{"sqlite", "sqlite", testdb.SQLite,
		func(dsn string) (driver.Connector, error) { return dsnConnector{dsn}, nil }, "sqlwitness_"}

	allKits = []kit{kitPQ, kitPGX, kitMySQL, kitSQLite}
	txKits  = []kit{kitPQ, kitPGX, kitSQLite}
)

// mariaDB is a server without the audit's database, whose name is the same for
// all tests.
func mariaDB(t testing.TB) string {
	dsn := testdb.MariaDB(t)
	c, err := mysqldriver.MySQLDriver{}.OpenConnector(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	if _, err := db.Exec("DROP DATABASE IF EXISTS sqlwitness"); err != nil {
		t.Fatal(err)
	}
	return dsn
}

// mysqlConnector takes one statement in a text, as the driver does by default.
func mysqlConnector(dsn string) (driver.Connector, error) {
	cfg, err := mysqldriver.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MultiStatements = false
	return mysqldriver.NewConnector(cfg)
}

type dsnConnector struct{ dsn string }

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) {
	return (&sqlitedriver.Driver{}).Open(c.dsn)
}
func (c dsnConnector) Driver() driver.Driver { return &sqlitedriver.Driver{} }

// bench is a migration tool's connection, and the store that records it.
type bench struct {
	t     testing.TB
	kit   kit
	dsn   string
	db    *sql.DB
	conn  *sql.Conn
	store *Store
	texts []string // what the store has sent on the tool's connection

	mu       sync.Mutex
	troubles []Trouble
	ended    []TroubleKind // of them
}

func each(t *testing.T, kits []kit, test func(*testing.T, *bench)) {
	for _, k := range kits {
		t.Run(k.name, func(t *testing.T) { test(t, newBench(t, k, Config{})) })
	}
}

func newBench(t testing.TB, k kit, cfg Config) *bench { return newBenchAt(t, k, k.dsn(t), cfg) }

func newBenchAt(t testing.TB, k kit, dsn string, cfg Config) *bench {
	return newBenchWith(t, k, dsn, cfg, Deps{})
}

func newBenchWith(t testing.TB, k kit, dsn string, cfg Config, deps Deps) *bench {
	t.Helper()
	c, err := k.connector(dsn)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, kit: k, dsn: dsn, db: sql.OpenDB(c)}
	t.Cleanup(func() { b.db.Close() })
	if b.conn, err = b.db.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.store = b.open(c.Connect, cfg, deps)
	return b
}

func (b *bench) open(connect func(context.Context) (driver.Conn, error), cfg Config, deps Deps) *Store {
	b.t.Helper()
	if cfg.Spool == "" {
		cfg.Spool = filepath.Join(b.t.TempDir(), "spool", "audit.jsonl")
	}
	deps.Report = func(t Trouble) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if t.Over {
			b.ended = append(b.ended, t.Kind)
			return
		}
		b.troubles = append(b.troubles, t)
	}
	s, err := Open(cfg, event.Database{System: b.kit.system, Name: "shop"}, connect, deps)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// migration is one whose body and mark share a transaction.
func migration(version string) *event.Migration {
	return &event.Migration{
		Trace:     event.Trace{RunID: "run-1", MigrationID: uuid.Must(uuid.NewV7()).String(), CorrelationID: "c-1"},
		Tool:      "goose",
		Version:   &version,
		Direction: event.Up,
		Atomic:    true,
		Start:     time.Now(),
	}
}

// ended is the migration when it has ended.
func ended(m *event.Migration, o event.Outcome) *event.Migration {
	m.Outcome, m.Duration, m.Statements = o, 1500*time.Microsecond, 1
	m.Body = []event.BodyStatement{{Operation: "CREATE TABLE", Fingerprint: "00112233445566aa", Text: "CREATE TABLE t (a int)", Duration: time.Millisecond, RowsAffected: -1}}
	return m
}

func (b *bench) begin(opts *sql.TxOptions) *sql.Tx {
	b.t.Helper()
	tx, err := b.conn.BeginTx(context.Background(), opts)
	if err != nil {
		b.t.Fatal(err)
	}
	return tx
}

// commit commits as the witness does.
func (b *bench) commit(tx *sql.Tx, ms ...*event.Migration) error {
	b.t.Helper()
	if err := b.join(ms...); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	err := tx.Commit()
	b.store.Committed(context.Background(), ms, err)
	return err
}

func (b *bench) join(ms ...*event.Migration) error {
	b.t.Helper()
	return b.conn.Raw(func(c any) error {
		return b.store.Commit(context.Background(), &counting{Conn: c.(driver.Conn), texts: &b.texts}, ms)
	})
}

// counting notes what is sent on a driver's connection.
type counting struct {
	driver.Conn
	texts *[]string
}

func (c *counting) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	*c.texts = append(*c.texts, query)
	if len(args) > 0 {
		return nil, errors.New("arguments need a prepared statement")
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func exec1(t testing.TB, c interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := c.ExecContext(context.Background(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// row is an entry as it is read back, with its leaf taken apart.
type row struct {
	id, attempt, kind, stage string
	leaf                     map[string]any
	sections                 map[string]map[string]any
}

func (r row) String() string { return r.kind + "/" + r.stage }

// rows reads the entries back, oldest first, and checks each against the format.
func (b *bench) rows() []row {
	b.t.Helper()
	rs, err := b.db.Query("SELECT id, attempt, kind, stage, leaf FROM " + b.kit.table + "entry ORDER BY id")
	if err != nil {
		b.t.Fatal(err)
	}
	defer rs.Close()
	var list []row
	for rs.Next() {
		var r row
		var id, attempt, leaf []byte
		if err := rs.Scan(&id, &attempt, &r.kind, &r.stage, &leaf); err != nil {
			b.t.Fatal(err)
		}
		r.id, r.attempt = uuidOf(b.t, id), uuidOf(b.t, attempt)
		if r.kind == kindLogOpen { // sealing's own, in its own time
			continue
		}
		r.leaf = canonicalObject(b.t, leaf)
		list = append(list, r)
	}
	b.must(rs.Err())
	rs.Close()
	for i := range list {
		list[i].sections = b.payload(list[i])
		check(b.t, list[i])
	}
	return list
}

func uuidOf(t testing.TB, b []byte) string {
	t.Helper()
	id, err := uuid.FromBytes(b)
	if err != nil {
		id, err = uuid.ParseBytes(b) // PostgreSQL's text
	}
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

func canonicalObject(t testing.TB, text []byte) map[string]any {
	t.Helper()
	again, err := jcs.Transform(text)
	if err != nil || string(again) != string(text) {
		t.Fatalf("not RFC 8785: %s (%v)", text, err)
	}
	var o map[string]any
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// payload reads the sections of an entry and compares them with its commitments.
func (b *bench) payload(r row) map[string]map[string]any {
	b.t.Helper()
	id := "'" + r.id + "'"
	if b.kit.system != "postgresql" {
		u := uuid.MustParse(r.id)
		id = hexQuoted(u[:])
	}
	rs, err := b.db.Query("SELECT section, salt, body FROM " + b.kit.table + "payload WHERE entry = " + id)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rs.Close()
	sections, commitments := map[string]map[string]any{}, map[string]any{}
	for rs.Next() {
		var name string
		var salt, body []byte
		if err := rs.Scan(&name, &salt, &body); err != nil {
			b.t.Fatal(err)
		}
		sections[name] = canonicalObject(b.t, body)
		commitments[name] = commit(salt, body)
	}
	b.must(rs.Err())
	if !reflect.DeepEqual(commitments, r.leaf["c"]) {
		b.t.Errorf("%s: the leaf commits to %v, the sections have %v", r, r.leaf["c"], commitments)
	}
	return sections
}

// commit is the commitment by the words of the format, not by the code's.
func commit(salt, body []byte) string {
	mac := hmac.New(sha256.New, salt)
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// check compares the columns with the leaf.
func check(t testing.TB, r row) {
	t.Helper()
	for column, value := range map[string]string{"id": r.id, "attempt": r.attempt, "kind": r.kind, "stage": r.stage} {
		if r.leaf[column] != value {
			t.Errorf("%s: column %s is %q, the leaf says %v", r, column, value, r.leaf[column])
		}
	}
}

// expect compares the rows with "kind/stage outcome", in order.
func (b *bench) expect(want ...string) []row {
	b.t.Helper()
	rows := b.rows()
	var got []string
	for _, r := range rows {
		s := r.String()
		if o, ok := r.leaf["outcome"]; ok {
			s += fmt.Sprint(" ", o)
		}
		got = append(got, s)
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("entries are %q, want %q", got, want)
	}
	return rows
}

func (b *bench) expectTroubles(kinds ...TroubleKind) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var got []TroubleKind
	for _, t := range b.troubles {
		got = append(got, t.Kind)
	}
	if !slices.Equal(got, kinds) {
		b.t.Errorf("troubles are %+v, want %v", b.troubles, kinds)
	}
}

// entries are the counts without the lags, which depend on the moment.
func (s Stats) entries() Stats {
	s.SealLag, s.AnchorLag = 0, 0
	return s
}

func expectGuarantee(t testing.TB, m *event.Migration, want event.Guarantee) {
	t.Helper()
	if m.Guarantee != want {
		t.Errorf("guarantee is %q, want %q", m.Guarantee, want)
	}
}
