package audit

import (
	"bufio"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"

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

func (c *faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.lost {
		return nil, driver.ErrBadConn
	}
	hit := c.strikes()
	if hit && c.faulty.fault == refused {
		return nil, errDiskFull
	}
	if hit && c.faulty.fault == cutOff {
		return nil, c.lose()
	}
	r, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if hit {
		return nil, c.lose()
	}
	return r, err
}

func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.lost {
		return nil, driver.ErrBadConn
	}
	if c.strikes() {
		if c.faulty.fault == refused {
			return nil, errDiskFull
		}
		return nil, c.lose() // whether a question was heard makes no difference
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
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

// joinFaulty is join, where the turn of a call may come. What the server
// refuses it does refuse: a savepoint is there, and the row is not.
func (b *bench) joinFaulty(f faulty, m *event.Migration) error {
	return b.conn.Raw(func(c any) error {
		return b.store.Commit(context.Background(), &toolConn{Conn: c.(driver.Conn), faulty: f}, []*event.Migration{m})
	})
}

type toolConn struct {
	driver.Conn
	faulty faulty
}

func (c *toolConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.faulty.calls.Add(1) == c.faulty.at {
		query = strings.Replace(query, "INSERT INTO ", "INSERT INTO missing_", 1)
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

// Whatever call of the store's fails, and however: in BestEffort a migration
// goes through, and each of its entries is in the database or in the spool; in
// Strict it goes through recorded, or not at all.
func TestFaultAtEveryCall(t *testing.T) {
	for _, k := range []kit{kitPQ, kitMySQL, kitSQLite} {
		for _, mode := range []Mode{BestEffort, Strict} {
			for _, f := range []fault{refused, cutOff, unheard} {
				t.Run(fmt.Sprintf("%s/%s/%s", k.name, mode, f), func(t *testing.T) {
					dsn, points, step := k.dsn(t), 0, int64(2)
					if mode == Strict {
						step = 3
					}
					if testing.Short() {
						step = 5
					}
					for at := int64(1); ; at += step {
						if k.system == "sqlite" {
							dsn = k.dsn(t)
						}
						if !strike(t, k, dsn, mode, f, at) {
							break
						}
						points++
					}
					if points < 20/int(step) {
						t.Errorf("%d calls: the faults are not where they should be", points)
					}
					t.Logf("%d calls", points)
				})
			}
		}
	}
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
	b.store = b.open(f.Connect, Config{Mode: mode}, Deps{})
	where := fmt.Sprintf("call %d", at)
	table, failing := fmt.Sprintf("t%d", at), migration("2")

	m := migration("1")
	err = b.store.Intent(t.Context(), m, false)
	b.refusal(where, mode, err)
	if err == nil {
		if said := b.claims()[m.MigrationID]; mode == Strict && (len(said) != 1 || !said[0].stored) {
			t.Errorf("%s: it may start, and there is %+v", where, said)
		}
		tx := b.begin(nil)
		exec1(t, tx, "CREATE TABLE "+table+" (a int)")
		if err = b.joinFaulty(f, ended(m, event.Applied)); err != nil {
			b.must(tx.Rollback())
			b.refusal(where, mode, err)
			if k.system != "mariadb" && b.has(table) {
				t.Errorf("%s: it was refused and went through", where)
			}
		} else {
			err = tx.Commit()
			b.store.Committed(t.Context(), []*event.Migration{m}, err)
			b.must(err)
			if !b.has(table) {
				t.Errorf("%s: the migration is gone", where)
			}
			b.truly(where, m, event.Applied)
		}
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

// refusal is an answer that only Strict gives.
func (b *bench) refusal(where string, mode Mode, err error) {
	b.t.Helper()
	var e *Error
	if err != nil && (mode != Strict || !errors.As(err, &e)) {
		b.t.Errorf("%s: %s fails a migration: %v", where, mode, err)
	}
}
