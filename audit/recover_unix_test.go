//go:build unix

package audit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
)

// The child of TestKilled is this program again.
const (
	envKit  = "SQLWITNESS_TEST_KILLED_KIT"
	envDSN  = "SQLWITNESS_TEST_KILLED_DSN"
	envCall = "SQLWITNESS_TEST_KILLED_CALL"
)

func TestMain(m *testing.M) {
	if os.Getenv(envKit) == "" {
		os.Exit(m.Run())
	}
	if err := migrateUntilKilled(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// mortal kills its process as soon as a call of the driver has been answered, and
// before anyone has seen the answer.
type mortal struct {
	driver.Connector
	left *atomic.Int64 // calls to live
}

func (m mortal) answered() {
	if m.left.Add(-1) == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // it is on its way
	}
}

func (m mortal) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := m.Connector.Connect(ctx)
	m.answered()
	return &mortalConn{c, m}, err
}

type mortalConn struct {
	driver.Conn
	mortal mortal
}

func (c *mortalConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	defer c.mortal.answered()
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *mortalConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	defer c.mortal.answered()
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *mortalConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	c.mortal.answered()
	return mortalTx{tx, c.mortal}, err
}

type mortalTx struct {
	driver.Tx
	mortal mortal
}

func (t mortalTx) Commit() error {
	defer t.mortal.answered()
	return t.Tx.Commit()
}

func (t mortalTx) Rollback() error {
	defer t.mortal.answered()
	return t.Tx.Rollback()
}

// killed are the migrations of one child: one that commits with its mark, one
// that is rolled back, and one without a transaction. A table and a row of the
// table history tell what became of each.
func killedVersion(call int, what string) string { return fmt.Sprintf("%s_%d", what, call) }

func migrateUntilKilled() error {
	i := slices.IndexFunc(allKits, func(k kit) bool { return k.name == os.Getenv(envKit) })
	kit := allKits[i]
	call, _ := strconv.Atoi(os.Getenv(envCall))
	parent, err := kit.connector(os.Getenv(envDSN))
	if err != nil {
		return err
	}
	m := mortal{parent, new(atomic.Int64)}
	m.left.Store(int64(call))
	ctx := context.Background()
	db := sql.OpenDB(m)
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	var session int64
	if query := map[string]string{"pgx": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}[kit.name]; query != "" {
		if err := conn.QueryRowContext(ctx, query).Scan(&session); err != nil {
			return err
		}
	}
	store, err := Open(Config{Spool: os.DevNull + "/none"}, event.Database{System: kit.system, Name: "shop"}, m.Connect,
		Deps{Session: func(uint64) int64 { return session }, Report: func(t Trouble) { fmt.Printf("%+v\n", t) }})
	if err != nil {
		return err
	}
	begin := func(version string) (*event.Migration, *sql.Tx, error) {
		ev := migration(version)
		ev.Atomic = kit.system != "mariadb"
		if err := store.Intent(ctx, ev, false); err != nil {
			return nil, nil, err
		}
		tx, err := conn.BeginTx(ctx, nil)
		if err != nil {
			return nil, nil, err
		}
		_, err = tx.Exec("CREATE TABLE " + version + " (a int)")
		return ev, tx, err
	}

	version := killedVersion(call, "committed")
	ev, tx, err := begin(version)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT INTO history VALUES ('" + version + "')"); err != nil {
		return err
	}
	ended(ev, event.Applied)
	err = conn.Raw(func(c any) error { return store.Commit(ctx, c.(driver.Conn), []*event.Migration{ev}) })
	if err != nil {
		return err
	}
	err = tx.Commit()
	store.Committed(ctx, []*event.Migration{ev}, err)

	if ev, tx, err = begin(killedVersion(call, "undone")); err != nil {
		return err
	}
	err = errors.Join(err, tx.Rollback(), store.Outcome(ctx, ended(ev, event.Failed)))

	version = killedVersion(call, "alone")
	ev = migration(version)
	ev.Atomic = false
	err = errors.Join(err, store.Intent(ctx, ev, false))
	_, execErr := conn.ExecContext(ctx, "CREATE TABLE "+version+" (a int)")
	return errors.Join(err, execErr, store.Outcome(ctx, ended(ev, event.Applied)), store.Close(ctx))
}

// TestKilled kills a process with SIGKILL at each call of the driver, the tool's
// and the store's own, and compares what the next process makes of it with what
// is in the database.
func TestKilled(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX, kitMySQL, kitSQLite} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			dsn := k.dsn(t)
			b := newBenchAt(t, k, dsn, Config{})
			exec1(t, b.db, "CREATE TABLE history (version VARCHAR(64) PRIMARY KEY)")
			b.must(b.store.ready(t.Context()))
			found := map[Resolution]int{}
			points, every := 0, 1
			if testing.Short() {
				every = 5 // calls of the first migration after which its intent is alone
			}
			for call := 1; ; call += every {
				cmd := osexec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), envKit+"="+k.name, envDSN+"="+dsn, envCall+"="+strconv.Itoa(call))
				out, err := cmd.CombinedOutput()
				if err == nil {
					break // it has lived to the end
				}
				if cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("call %d: %v\n%s", call, err, out)
				}
				points++
				b.recoverAll(call, found)
				for _, what := range []string{"committed", "undone", "alone"} {
					b.compare(call, what)
				}
			}
			if !t.Failed() {
				t.Logf("%d kills, no resolution wrong: %v", points, found)
			}
			if points < 20/every || len(found) == 0 {
				t.Errorf("%d kills with %v: the test does not kill where it should", points, found)
			}
		})
	}
}

// recoverAll looks until nothing is open: a session of a process that was killed
// may outlive it by a moment.
func (b *bench) recoverAll(call int, found map[Resolution]int) {
	b.t.Helper()
	c, err := b.kit.connector(b.dsn)
	b.must(err)
	for range 10000 {
		s := b.open(c.Connect, Config{}, Deps{Recovered: func(r Recovery) {
			if r.Resolution != StillRunning {
				found[r.Resolution]++
			}
			if r.Migration.Outcome != event.Interrupted || r.Migration.Verdict == "" || !strings.HasSuffix(*r.Migration.Version, fmt.Sprint("_", call)) {
				b.t.Errorf("call %d: told of %+v", call, r.Migration)
			}
		}})
		b.must(s.Recover(b.t.Context()))
		var left []open
		b.must(s.own.do(b.t.Context(), func(ctx context.Context, c *sql.Conn) (err error) {
			left, err = s.openAttempts(ctx, c)
			return err
		}))
		b.must(s.Close(b.t.Context()))
		if len(left) == 0 {
			return
		}
	}
	b.t.Fatalf("call %d: migrations stay open", call)
}

// compare holds the record of a migration against the database.
func (b *bench) compare(call int, what string) {
	b.t.Helper()
	version := killedVersion(call, what)
	_, err := b.db.Exec("SELECT a FROM " + version)
	there := err == nil
	var marked int
	b.must(b.db.QueryRow("SELECT count(*) FROM history WHERE version = '" + version + "'").Scan(&marked))

	var says []string
	intent := false
	for _, r := range b.rows() {
		facts, _ := r.leaf["facts"].(map[string]any)
		switch {
		case r.kind == kindIntent && r.leaf["version"] == version:
			intent = true
		case r.kind == kindOutcome && r.leaf["version"] == version:
			says = append(says, fmt.Sprint(r.leaf["outcome"]))
		case r.kind == KindRecovered && facts["version"] == version:
			says = append(says, fmt.Sprint(facts["resolution"]))
		}
	}
	if len(says) > 1 || intent && len(says) == 0 || !intent && (there || marked > 0) {
		b.t.Errorf("call %d: of %s the record says %q (intent %v), table %v, mark %d", call, version, says, intent, there, marked)
	}
	for _, s := range says {
		wrong := false
		switch s {
		case "applied", "committed":
			wrong = !there || what == "committed" && marked == 0
		case "rolled_back":
			wrong = there || marked > 0
		case "failed":
			wrong = there && b.kit.system != "mariadb" // whose DDL is committed by itself
		case "unknown":
			wrong = what != "alone" && b.kit.system != "mariadb" // there it is always known
		default:
			wrong = true
		}
		if wrong {
			b.t.Errorf("call %d: of %s the record says %s; table %v, mark %d", call, version, s, there, marked)
		}
	}
}
