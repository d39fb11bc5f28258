package audit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// obstacle is a database that takes a migration, and not the record of it: the
// migrating role may write the tables, and no more than that.
type obstacle struct {
	admin *bench // who made the tables
	role  string // of the migration; "" on SQLite

	unreachable atomic.Bool // for the store's own connection
	readOnly    atomic.Bool // it may not write; SQLite, where there are no roles
	full        atomic.Bool // the file may not grow; SQLite
	holder      *sql.Conn   // has the tables locked; nil for nobody
}

// execer is a connection or a transaction.
type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

// begin puts the one in the way that the name says. tool is the migration's
// connection.
func (o *obstacle) begin(t *testing.T, name string, tool execer) {
	t.Helper()
	system := o.admin.kit.system
	switch name + " " + system {
	case "schema missing postgresql":
		exec1(t, o.admin.db, "DROP SCHEMA sqlwitness CASCADE")
	case "schema missing mariadb":
		exec1(t, o.admin.db, "DROP DATABASE sqlwitness")
	case "schema missing sqlite": // which everybody may make again; golang-migrate's Drop takes them
		for _, table := range tables {
			exec1(t, tool, "DROP TABLE sqlwitness_"+table)
		}
	case "read-only postgresql":
		exec1(t, o.admin.db, "REVOKE INSERT ON ALL TABLES IN SCHEMA sqlwitness FROM "+o.role)
	case "read-only mariadb":
		exec1(t, o.admin.db, "REVOKE INSERT ON sqlwitness.* FROM "+o.role)
	case "read-only sqlite":
		o.readOnly.Store(true)
	case "full postgresql":
		exec1(t, o.admin.db, `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$`,
			"CREATE TRIGGER full_disk BEFORE INSERT ON sqlwitness.entry EXECUTE FUNCTION full_disk()")
	case "full mariadb":
		exec1(t, o.admin.db, "CREATE TRIGGER sqlwitness.full BEFORE INSERT ON sqlwitness.entry FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114")
	case "full sqlite":
		o.full.Store(true)
	case "unreachable postgresql", "unreachable mariadb", "unreachable sqlite":
		o.unreachable.Store(true)
	default: // locked
		var err error
		o.holder, err = o.admin.db.Conn(t.Context())
		o.admin.must(err)
		exec1(t, o.holder, map[string][]string{
			"postgresql": {"BEGIN", "LOCK TABLE sqlwitness.entry IN ACCESS EXCLUSIVE MODE"},
			"mariadb":    {"LOCK TABLES sqlwitness.entry WRITE"},
			"sqlite":     {"BEGIN IMMEDIATE"},
		}[system]...)
	}
}

// unlock lets go of the tables, if somebody holds them.
func (o *obstacle) unlock(t *testing.T) {
	t.Helper()
	if o.holder != nil {
		exec1(t, o.holder, map[string]string{"postgresql": "ROLLBACK", "mariadb": "UNLOCK TABLES", "sqlite": "ROLLBACK"}[o.admin.kit.system])
		o.admin.must(o.holder.Close())
		o.holder = nil
	}
}

// unlockWhenAwaited lets go of them as soon as somebody waits, or at the end of
// what it is called for: nothing bounds how long a row waits in the migration's
// own transaction.
func (o *obstacle) unlockWhenAwaited(t *testing.T, join func() error) error {
	t.Helper()
	if o.holder == nil || o.admin.kit.system == "sqlite" {
		return join()
	}
	joined := make(chan error)
	go func() { joined <- join() }()
	for {
		select {
		case err := <-joined:
			o.unlock(t)
			return err
		default:
		}
		if o.awaited() {
			o.unlock(t)
			return <-joined
		}
	}
}

// awaited reports whether a server has somebody wait for the tables.
func (o *obstacle) awaited() bool {
	query := map[string]string{
		"postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'sqlwitness.entry'::regclass",
		"mariadb":    "SELECT count(*) FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock'",
	}[o.admin.kit.system]
	var waiting int
	o.admin.must(o.admin.db.QueryRow(query).Scan(&waiting))
	return waiting > 0
}

// connecting is how the store gets its own connection.
func (o *obstacle) connecting(c driver.Connector) func(context.Context) (driver.Conn, error) {
	return func(ctx context.Context) (driver.Conn, error) {
		if o.unreachable.Load() {
			return nil, fmt.Errorf("dial tcp: %w", syscall.ECONNREFUSED)
		}
		conn, err := c.Connect(ctx)
		if err == nil && o.readOnly.Load() {
			err = exec(ctx, conn, "PRAGMA query_only = 1")
		}
		if err == nil && o.full.Load() {
			err = exec(ctx, conn, noMorePages)
		}
		return conn, err
	}
}

// noMorePages keeps a file from growing: the least count that SQLite takes is
// that of the pages which are there.
const noMorePages = "PRAGMA max_page_count = 1"

// newObstacle makes the tables, and the role that migrates.
func newObstacle(t *testing.T, k kit, mode Mode) (*obstacle, *bench) {
	t.Helper()
	dsn := k.dsn(t)
	if k.system == "sqlite" { // pages that no entry fits into
		dsn += "?_pragma=page_size(512)"
	}
	o := &obstacle{admin: newBenchAt(t, k, dsn, Config{})}
	o.admin.must(o.admin.store.ready(t.Context()))
	o.admin.must(o.admin.store.Close(t.Context()))
	switch k.system {
	case "postgresql":
		dsn = testdb.PostgreSQLRole(t, dsn, "CREATE, USAGE ON SCHEMA public", "USAGE ON SCHEMA sqlwitness", "SELECT, INSERT ON ALL TABLES IN SCHEMA sqlwitness")
		o.role, _, _ = strings.Cut(strings.TrimPrefix(dsn, "postgres://"), ":")
	case "mariadb":
		cfg, err := mysqldriver.ParseDSN(dsn)
		o.admin.must(err)
		dsn = testdb.MariaDBUser(t, dsn, "ALL ON "+cfg.DBName+".*", "SELECT, INSERT ON sqlwitness.*")
		cfg, err = mysqldriver.ParseDSN(dsn)
		o.admin.must(err)
		o.role = cfg.User + "@'%'"
	}
	b := newBenchAt(t, k, dsn, Config{})
	t.Cleanup(func() { o.unlock(t) })
	c, err := k.connector(dsn)
	o.admin.must(err)
	b.store = b.open(o.connecting(c), Config{Mode: mode}, Deps{})
	return o, b
}

// migrateThrough runs a migration that meets it before it starts or before
// it commits, and says what came of it. What is asked of the tool's own statements
// and its commit succeeds, as it does without a store.
func (o *obstacle) migrateThrough(t *testing.T, b *bench, name, when string) string {
	t.Helper()
	var e *Error
	m := migration("1")
	m.Atomic = b.kit.system != "mariadb"
	if when == "start" {
		o.begin(t, name, b.conn)
	}
	err := b.store.Intent(t.Context(), m, false)
	for o.holder != nil && b.kit.system == "mariadb" && o.awaited() { // a statement that we gave up, which the server would still carry out
		time.Sleep(time.Millisecond)
	}
	if when == "start" && (err != nil || b.kit.system == "sqlite") {
		o.unlock(t) // or nobody could read what there is, and no tool could write
	}
	if err != nil {
		if !errors.As(err, &e) || len(b.claims()[m.MigrationID]) != 1 {
			t.Errorf("error %T %v, said %+v", err, err, b.claims()[m.MigrationID])
		}
		return "not started: " + e.Class
	}
	tx := b.begin(nil)
	exec1(t, tx, "CREATE TABLE t (a int)")
	if when == "commit" {
		if name != "locked" || b.kit.system != "sqlite" { // there the tool's transaction has the lock
			o.begin(t, name, tx)
		}
	}
	if o.full.Load() {
		exec1(t, tx, noMorePages)
	}
	err = o.unlockWhenAwaited(t, func() error { return b.join(ended(m, event.Applied)) })
	if err != nil {
		b.must(tx.Rollback())
		if !errors.As(err, &e) {
			t.Errorf("error %T %v", err, err)
		}
		if m.Atomic && b.has("t") {
			t.Error("it was refused and went through")
		}
		return "not committed: " + e.Class
	}
	err = tx.Commit()
	b.store.Committed(t.Context(), []*event.Migration{m}, err)
	b.must(err)
	if !b.has("t") {
		t.Error("the migration is gone")
	}
	if name != "schema missing" || when != "commit" { // which takes the intent along
		b.truly(name, m, event.Applied)
	}
	where := func(stored bool) string {
		if stored {
			return "stored"
		}
		return "spooled"
	}
	intent, outcome := "", ""
	for _, c := range b.claims()[m.MigrationID] {
		if c.kind == kindIntent {
			intent = where(c.stored)
		} else {
			outcome = where(c.stored)
		}
	}
	return fmt.Sprintf("intent %s, outcome %s, %s", intent, outcome, m.Guarantee)
}

// A database that takes the migration and not its record: in BestEffort the
// migration goes through, and its record is in the spool where it is not in the
// tables; in Strict it does not start without an intent, and does not commit
// without an outcome.
func TestRecordRefused(t *testing.T) {
	const (
		spooled    = "intent spooled, outcome spooled, none"
		half       = "intent stored, outcome spooled, none"
		took       = "intent , outcome spooled, none" // the intent is gone with the tables
		stored     = "intent stored, outcome stored, tx"
		around     = "intent stored, outcome stored, around"
		tookAround = "intent , outcome stored, around"
	)
	for _, c := range []struct {
		name string
		kit  kit
		// What comes of it: in BestEffort when it begins before the migration
		// starts and before it commits, and in Strict.
		want [4]string
	}{
		{"schema missing", kitPQ, [4]string{spooled, took, "not started: permission", "not committed: missing_object"}},
		{"schema missing", kitMySQL, [4]string{spooled, took, "not started: permission", "not committed: missing_object"}},
		{"schema missing", kitSQLite, [4]string{stored, tookAround, stored, "not committed: missing_object"}},
		{"read-only", kitPQ, [4]string{spooled, half, "not started: permission", "not committed: permission"}},
		{"read-only", kitMySQL, [4]string{spooled, half, "not started: permission", "not committed: permission"}},
		{"read-only", kitSQLite, [4]string{stored, stored, "not started: read_only", stored}},
		{"full", kitPQ, [4]string{spooled, half, "not started: other", "not committed: other"}},
		{"full", kitMySQL, [4]string{spooled, half, "not started: other", "not committed: other"}},
		{"full", kitSQLite, [4]string{spooled, around, "not started: other", "not committed: other"}},
		{"locked", kitPQ, [4]string{stored, stored, "not started: ", stored}},
		{"locked", kitMySQL, [4]string{spooled, around, "not started: ", around}},
		{"locked", kitSQLite, [4]string{stored, stored, stored, stored}},
		{"unreachable", kitPQ, [4]string{stored, stored, "not started: unreachable", stored}},
		{"unreachable", kitMySQL, [4]string{spooled, around, "not started: unreachable", around}},
		{"unreachable", kitSQLite, [4]string{stored, stored, "not started: unreachable", stored}},
	} {
		for i, want := range c.want {
			mode, when := []Mode{BestEffort, Strict}[i/2], []string{"start", "commit"}[i%2]
			t.Run(fmt.Sprintf("%s/%s/%s/%s", c.name, c.kit.system, mode, when), func(t *testing.T) {
				o, b := newObstacle(t, c.kit, mode)
				if got := o.migrateThrough(t, b, c.name, when); !strings.HasPrefix(got, want) { // which limit ends the wait for a lock depends on the machine
					t.Errorf("it is %q, want %q", got, want)
				}
				if lost := b.store.Stats().Lost; lost > 0 {
					t.Errorf("%d entries are lost", lost)
				}
			})
		}
	}
}
