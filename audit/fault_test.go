package audit

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlwitness/sqlwitness/event"
)

// fault is what happens to one of the store's calls of the driver.
type fault string

const (
	refused fault = "refused" // the server says no, and has done nothing
	cutOff  fault = "cut"     // the connection is lost before the server has heard
	unheard fault = "unheard" // the server has done it, and its answer is lost
)

var (
	errDiskFull = errors.New("could not extend file: no space left on device")
	errReset    = fmt.Errorf("read tcp: connection reset by peer: %w", io.ErrUnexpectedEOF)
)

// faulty lets calls through until it is the turn of one.
type faulty struct {
	driver.Connector
	fault fault
	at    int64
	calls *atomic.Int64
}

func (f faulty) Connect(ctx context.Context) (driver.Conn, error) {
	if f.calls.Add(1) == f.at {
		return nil, errReset
	}
	c, err := f.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: c, faulty: f}, nil
}

// faultyConn is one that the server is gone from, once it is lost.
type faultyConn struct {
	driver.Conn
	faulty faulty
	lost   bool
}

func (c *faultyConn) IsValid() bool { return !c.lost }

// strikes takes the call's turn and says what has become of it.
func (c *faultyConn) strikes() bool { return c.faulty.calls.Add(1) == c.faulty.at }

func (c *faultyConn) lose() error {
	c.lost = true
	_ = c.Conn.Close()
	return errReset
}

func (c *faultyConn) Close() error {
	if c.lost {
		return nil
	}
	return c.Conn.Close()
}

// unsent is how a call ends that the server does not get to hear; hit says of the
// others that this is the one whose answer is lost.
func (c *faultyConn) unsent() (hit bool, err error) {
	if c.lost {
		return false, driver.ErrBadConn
	}
	hit = c.strikes()
	switch {
	case hit && c.faulty.fault == refused:
		return hit, errDiskFull
	case hit && c.faulty.fault == cutOff:
		return hit, c.lose()
	}
	return hit, nil
}

func (c *faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	hit, err := c.unsent()
	if err != nil {
		return nil, err
	}
	r, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if hit {
		return nil, c.lose()
	}
	return r, err
}

func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	hit, err := c.unsent()
	if err != nil {
		return nil, err
	}
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	if hit && err == nil {
		return &cutRows{rows, c}, nil
	}
	return rows, err
}

// cutRows is the answer to a question, cut off before its first row.
type cutRows struct {
	driver.Rows
	conn *faultyConn
}

func (r *cutRows) Next([]driver.Value) error {
	_ = r.Rows.Close()
	return r.conn.lose()
}

func (r *cutRows) Close() error {
	if r.conn.lost {
		return nil
	}
	return r.Rows.Close()
}

// claim is what an entry says, and where it is.
type claim struct {
	kind, stage, outcome string
	stored               bool // in the database, and not in the spool alone
}

// claims are what is said of each attempt, in the database or in the spool.
func (b *bench) claims() map[string][]claim {
	b.t.Helper()
	all, stored := map[string][]claim{}, map[string]bool{}
	add := func(id, attempt, kind, stage string, leaf []byte, inDB bool) {
		if kind != kindIntent && kind != kindOutcome || stored[id] {
			return
		}
		stored[id] = inDB
		outcome, _ := canonicalObject(b.t, leaf)["outcome"].(string)
		all[attempt] = append(all[attempt], claim{kind, stage, outcome, inDB})
	}
	rs, err := b.db.Query("SELECT id, attempt, kind, stage, leaf FROM " + b.kit.table + "entry ORDER BY id")
	if class, _ := event.Classify(err); class != event.ClassMissingObject { // no tables, no rows
		b.must(err)
		defer rs.Close()
		for rs.Next() {
			var kind, stage string
			var id, attempt, leaf []byte
			b.must(rs.Scan(&id, &attempt, &kind, &stage, &leaf))
			add(uuidOf(b.t, id), uuidOf(b.t, attempt), kind, stage, leaf, true)
		}
		b.must(rs.Err())
	}
	f, err := os.Open(b.store.cfg.Spool)
	if errors.Is(err, os.ErrNotExist) {
		return all
	}
	b.must(err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		var l spoolLine
		b.must(json.Unmarshal(lines.Bytes(), &l))
		add(l.ID, l.Attempt, l.Kind, l.Stage, l.Leaf, false)
	}
	return all
}

// truly compares what is said of a migration with what it was: nothing is
// missing, nothing else is said, and the guarantee is no more than what there is.
func (b *bench) truly(where string, m *event.Migration, was event.Outcome) {
	b.t.Helper()
	var intent, outcome *claim
	said := b.claims()[uuid.MustParse(m.MigrationID).String()]
	for i, c := range said {
		switch {
		case c.kind == kindIntent:
			intent = &said[i]
		case outcome == nil || c.stored:
			outcome = &said[i]
		}
		if c.kind == kindOutcome && c.outcome != string(was) {
			b.t.Errorf("%s: it was %s, and an entry says %s", where, was, c.outcome)
		}
	}
	switch {
	case intent == nil || outcome == nil:
		b.t.Errorf("%s: something is lost: there is %+v", where, said)
	case m.Guarantee == event.InTx && (!outcome.stored || outcome.stage != stageCommit),
		m.Guarantee == event.Around && !(intent.stored && outcome.stored):
		b.t.Errorf("%s: guarantee %s, and there is %+v", where, m.Guarantee, said)
	}
}

// has reports whether a table is there.
func (b *bench) has(table string) bool {
	_, err := b.db.Exec("SELECT a FROM " + table)
	return err == nil
}

// faultyTx is the migration's transaction, in which the turn of a call may come:
// of the row that joins it, and of its commit. One whose connection is lost is
// rolled back by the server.
type faultyTx struct {
	*sql.Tx
	b      *bench
	faulty faulty
	lost   bool
}

// join is the bench's, where a call may fail.
func (x *faultyTx) join(m *event.Migration) error {
	return x.b.conn.Raw(func(c any) error {
		return x.b.store.Commit(context.Background(), &toolConn{Conn: c.(driver.Conn), tx: x}, []*event.Migration{m})
	})
}

// commit answers as the parent driver's does.
func (x *faultyTx) commit() error {
	hit := x.faulty.calls.Add(1) == x.faulty.at
	switch {
	case x.lost:
		return errors.Join(x.Rollback(), driver.ErrBadConn)
	case !hit:
		return x.Commit()
	case x.faulty.fault == unheard:
		return errors.Join(x.Commit(), errReset)
	}
	// No server refuses a commit and keeps the transaction.
	return errors.Join(x.Rollback(), map[fault]error{refused: errDiskFull, cutOff: errReset}[x.faulty.fault])
}

// toolConn is the migration's connection. What the server refuses it does refuse:
// a savepoint is there, and the row is not.
type toolConn struct {
	driver.Conn
	tx *faultyTx
}

func (c *toolConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.tx.lost {
		return nil, driver.ErrBadConn
	}
	f := c.tx.faulty
	hit := f.calls.Add(1) == f.at
	c.tx.lost = hit && f.fault != refused
	switch {
	case hit && f.fault == cutOff:
		return nil, errReset
	case hit && f.fault == refused:
		query = strings.Replace(query, "INSERT INTO ", "INSERT INTO missing_", 1)
	}
	r, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if c.tx.lost {
		return nil, errReset
	}
	return r, err
}

// Whatever call of the store's or of the migration's commit fails, and however: in
// BestEffort a migration goes through, and each of its entries is in the database
// or in the spool; in Strict it goes through recorded, or not at all. Where the
// answer to the commit is lost nothing false is said, and recovery finds the truth.
func TestFaultAtEveryCall(t *testing.T) {
	for _, k := range []kit{kitPQ, kitMySQL, kitSQLite} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel() // but on MariaDB, where a server has one trail
			for _, mode := range []Mode{BestEffort, Strict} {
				for _, f := range []fault{refused, cutOff, unheard} {
					t.Run(mode.String()+"/"+string(f), func(t *testing.T) {
						if k.system != "mariadb" {
							t.Parallel()
						}
						strikeEach(t, k, mode, f)
					})
				}
			}
		})
	}
}

func strikeEach(t *testing.T, k kit, mode Mode, f fault) {
	step := int64(1)
	if testing.Short() {
		step = 5
	}
	dsn, points := k.dsn(t), 0
	for at := int64(1); ; at += step {
		if k.system == "sqlite" { // nothing here is about a machine that loses its power
			dsn = k.dsn(t) + "?_pragma=synchronous(off)"
		}
		if !strike(t, k, dsn, mode, f, at) {
			break
		}
		points++
	}
	if points < 25/int(step) {
		t.Errorf("%d calls: the faults are not where they should be", points)
	}
	t.Logf("%d calls", points)
}

// strike lets one call fail and reports whether it came to that call.
func strike(t *testing.T, k kit, dsn string, mode Mode, kind fault, at int64) bool {
	b := newBenchAt(t, k, dsn, Config{Mode: mode})
	defer b.db.Close()
	defer b.conn.Close()
	c, err := k.connector(dsn)
	b.must(err)
	switch k.system { // so that the calls which make the tables have their turn too
	case "postgresql":
		exec1(t, b.db, "DROP SCHEMA IF EXISTS sqlwitness CASCADE")
	case "mariadb":
		exec1(t, b.db, "DROP DATABASE IF EXISTS sqlwitness")
	}
	f := faulty{c, kind, at, new(atomic.Int64)}
	b.store = b.open(f.Connect, Config{Mode: mode, Timeout: time.Minute}, Deps{}) // a slow machine is no fault
	where := fmt.Sprintf("call %d", at)
	table, failing := fmt.Sprintf("t%d", at), migration("2")

	m := migration("1")
	m.Atomic = k.system != "mariadb"
	err = b.store.Intent(t.Context(), m, false)
	b.refusal(where, mode, err)
	if err == nil {
		if said := b.claims()[m.MigrationID]; mode == Strict && (len(said) != 1 || !said[0].stored) {
			t.Errorf("%s: it may start, and there is %+v", where, said)
		}
		b.migrateFaulty(where, f, mode, m, table)
	}
	if err := b.store.Intent(t.Context(), failing, false); err == nil {
		b.refusal(where, mode, b.store.Outcome(t.Context(), ended(failing, event.Failed)))
		b.truly(where, failing, event.Failed)
	} else {
		b.refusal(where, mode, err)
	}
	b.must(b.store.Close(t.Context()))
	if lost := b.store.Stats().Lost; lost > 0 {
		t.Errorf("%s: %d entries are lost", where, lost)
	}
	r, err := Verify(t.Context(), b.db, k.system, VerifyConfig{})
	if err == nil && r.Altered() {
		t.Errorf("%s: the record contradicts itself: %+v", where, r.Findings)
	}
	return f.calls.Load() >= at
}

// migrateFaulty runs a migration that may start.
func (b *bench) migrateFaulty(where string, f faulty, mode Mode, m *event.Migration, table string) {
	b.t.Helper()
	tx := &faultyTx{Tx: b.begin(nil), b: b, faulty: f}
	exec1(b.t, tx, "CREATE TABLE "+table+" (a int)")
	if err := tx.join(ended(m, event.Applied)); err != nil {
		b.must(tx.Rollback())
		b.refusal(where, mode, err)
		if b.kit.system != "mariadb" && b.has(table) {
			b.t.Errorf("%s: it was refused and went through", where)
		}
		return
	}
	err := tx.commit()
	b.store.Committed(b.t.Context(), []*event.Migration{m}, err)
	if err != nil {
		b.unanswered(where, m, b.has(table), errors.Is(err, errDiskFull))
		return
	}
	if !b.has(table) {
		b.t.Errorf("%s: the migration is gone", where)
	}
	b.truly(where, m, event.Applied)
}

// unanswered compares what is said of a migration whose commit was refused, or its
// answer lost, with what became of it.
func (b *bench) unanswered(where string, m *event.Migration, there, refused bool) {
	b.t.Helper()
	first, want := string(event.Interrupted), RolledBack
	if refused {
		first = string(event.Failed)
	}
	if there {
		want = Committed
	}
	var judged bool
	said := b.claims()[m.MigrationID]
	for _, c := range said {
		judged = judged || c.kind == kindOutcome && c.outcome == first
		if c.outcome == string(event.Applied) && !there || c.kind == kindOutcome && c.outcome != first && c.outcome != string(event.Applied) {
			b.t.Errorf("%s: table %v, and there is %+v", where, there, said)
		}
	}
	if !judged || m.Guarantee == event.InTx {
		b.t.Errorf("%s: guarantee %s, and nothing says %s: %+v", where, m.Guarantee, first, said)
	}
	if refused {
		return
	}
	c, err := b.kit.connector(b.dsn)
	b.must(err)
	var found []Resolution
	next := b.open(c.Connect, Config{}, Deps{Recovered: func(r Recovery) {
		if r.Migration.MigrationID == m.MigrationID {
			found = append(found, r.Resolution)
		}
	}})
	b.must(next.Recover(b.t.Context()))
	for tries := 0; slices.Contains(found, StillRunning) && tries < 100; tries++ { // the server takes a while to end the session that was cut off
		time.Sleep(100 * time.Millisecond)
		found = nil
		b.must(next.Recover(b.t.Context()))
	}
	b.must(next.Close(b.t.Context()))
	if !m.Atomic && slices.Equal(found, []Resolution{Unknown}) { // its DDL is there whatever became of the rest
		return
	}
	if !slices.Equal(found, []Resolution{want}) {
		b.t.Errorf("%s: recovery says %v, it was %s", where, found, want)
	}
}

// refusal is an answer that only Strict gives.
func (b *bench) refusal(where string, mode Mode, err error) {
	b.t.Helper()
	var e *Error
	if err != nil && (mode != Strict || !errors.As(err, &e)) {
		b.t.Errorf("%s: %s fails a migration: %v", where, mode, err)
	}
}
