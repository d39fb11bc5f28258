package sqlwitness

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// sqlState is an error as lib/pq and pgx make them.
type sqlState string

func (e sqlState) Error() string    { return "server error " + string(e) }
func (e sqlState) SQLState() string { return string(e) }

var (
	advisory = sqltext.LockCall{Function: "pg_advisory_lock", Kind: "advisory", Args: []sqltext.Value{{Kind: sqltext.Literal, Literal: "42"}}}
	try      = with(advisory, func(c *sqltext.LockCall) { c.Action, c.Result = sqltext.LockTry, sqltext.ReplyBool })
	unlock   = with(advisory, func(c *sqltext.LockCall) { c.Action, c.Result = sqltext.LockRelease, sqltext.ReplyBool })
	xact     = with(advisory, func(c *sqltext.LockCall) { c.Xact = true })
	getLock  = sqltext.LockCall{Function: "get_lock", Kind: "named", Result: sqltext.ReplyOneNull,
		Args: []sqltext.Value{{Kind: sqltext.Param, Param: 1}}, Timeout: sqltext.Value{Kind: sqltext.Literal, Literal: "10"}}
	getLock0    = with(getLock, func(c *sqltext.LockCall) { c.Timeout.Literal = "0" })
	releaseLock = with(getLock, func(c *sqltext.LockCall) { c.Action = sqltext.LockRelease })
	unlockAll   = with(advisory, func(c *sqltext.LockCall) { c.Action, c.Args, c.Result = sqltext.LockReleaseAll, nil, sqltext.ReplyNone })
)

func with(c sqltext.LockCall, change func(*sqltext.LockCall)) sqltext.LockCall {
	change(&c)
	return c
}

// step is something that happens to the locks, one second after the last.
type step struct {
	conn   uint64
	call   sqltext.LockCall
	answer lockAnswer
	event  string // instead of a call: "commit", "reset", "close"
}

func said(v driver.Value) lockAnswer { return lockAnswer{known: true, value: v} }

func TestLocks(t *testing.T) {
	yes, no, unseen := said(true), said(false), lockAnswer{}
	for _, c := range []struct {
		name  string
		steps []step
		want  []string
	}{
		{"blocking lock, taken and given back",
			[]step{{1, advisory, unseen, ""}, {1, unlock, yes, ""}},
			[]string{"acquired advisory 42 acquired wait=1s n=1", "released advisory 42 released hold=1s"}},
		{"a run of refusals is one wait",
			[]step{{1, try, no, ""}, {1, try, no, ""}, {1, try, no, ""}, {1, try, yes, ""}},
			[]string{"waiting advisory 42 refused wait=1s n=1", "acquired advisory 42 acquired wait=4s n=4"}},
		{"polling given up shows when the pool takes the connection back",
			[]step{{1, try, no, ""}, {1, try, no, ""}, {event: "reset", conn: 1}},
			[]string{"waiting advisory 42 refused wait=1s n=1", "failed advisory 42 refused n=2"}},
		{"lock timeout",
			[]step{{1, advisory, lockAnswer{err: sqlState("55P03")}, ""}},
			[]string{"failed advisory 42 timeout wait=1s n=1"}},
		{"deadlock is an error",
			[]step{{1, advisory, lockAnswer{err: sqlState("40P01")}, ""}},
			[]string{"failed advisory 42 error wait=1s n=1"}},
		{"cancelled",
			[]step{{1, advisory, lockAnswer{err: sqlState("57014")}, ""}},
			[]string{"failed advisory 42 cancelled wait=1s n=1"}},
		{"an unlock through Exec has an unknown outcome",
			[]step{{1, advisory, unseen, ""}, {1, unlock, unseen, ""}},
			[]string{"acquired advisory 42 acquired wait=1s n=1", "released advisory 42 unknown hold=1s"}},
		{"a try through Exec has an unknown outcome",
			[]step{{1, try, unseen, ""}},
			[]string{"anomaly advisory 42 unknown wait=1s n=1 outcome_unknown"}},
		{"unlock refused",
			[]step{{1, unlock, no, ""}},
			[]string{"anomaly advisory 42 refused unlock_refused"}},
		{"unlock by another session",
			[]step{{1, advisory, unseen, ""}, {2, unlock, no, ""}},
			[]string{"acquired advisory 42 acquired wait=1s n=1", "anomaly advisory 42 refused unlock_other_session"}},
		{"held at close",
			[]step{{1, advisory, unseen, ""}, {event: "close", conn: 1}},
			[]string{"acquired advisory 42 acquired wait=1s n=1", "anomaly advisory 42 released hold=1s held_at_close"}},
		{"a lock taken twice needs two unlocks",
			[]step{{1, advisory, unseen, ""}, {1, advisory, unseen, ""}, {1, unlock, yes, ""}, {1, unlock, yes, ""}, {event: "close", conn: 1}},
			[]string{"acquired advisory 42 acquired wait=1s n=1", "acquired advisory 42 acquired wait=1s n=1",
				"released advisory 42 released hold=1s", "released advisory 42 released hold=3s"}},
		{"a transaction's lock goes with it",
			[]step{{1, xact, unseen, ""}, {event: "commit", conn: 1}},
			[]string{"acquired advisory 42 acquired wait=1s n=1", "released advisory 42 released hold=1s"}},
		{"unlock all",
			[]step{{1, advisory, unseen, ""}, {1, unlockAll, unseen, ""}, {event: "close", conn: 1}},
			[]string{"acquired advisory 42 acquired wait=1s n=1", "released advisory 42 released hold=1s"}},
		{"GET_LOCK that times out is no error of the driver",
			[]step{{1, getLock, said(int64(0)), ""}},
			[]string{"failed named mig timeout wait=1s n=1"}},
		{"GET_LOCK with timeout 0 is a try",
			[]step{{1, getLock0, said([]byte("0")), ""}, {1, getLock0, said(int64(1)), ""}},
			[]string{"waiting named mig refused wait=1s n=1", "acquired named mig acquired wait=2s n=2"}},
		{"GET_LOCK answers NULL when it is killed",
			[]step{{1, getLock, said(nil), ""}},
			[]string{"failed named mig error wait=1s n=1"}},
		{"RELEASE_LOCK of no lock answers NULL",
			[]step{{1, releaseLock, said(nil), ""}},
			[]string{"anomaly named mig refused unlock_refused"}},
		{"a failed unlock",
			[]step{{1, advisory, unseen, ""}, {1, unlock, lockAnswer{err: errors.New("broken")}, ""}},
			[]string{"acquired advisory 42 acquired wait=1s n=1", "released advisory 42 error hold=1s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := playLocks(c.steps); !slices.Equal(got, c.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
			}
		})
	}
}

func playLocks(steps []step) []string {
	l := locks{wait: map[uint64]*lockWait{}}
	var told []string
	now := time.Unix(0, 0)
	for _, s := range steps {
		start := now
		now = now.Add(time.Second)
		var events []event.Lock
		switch s.event {
		case "commit":
			events = l.txEnded(s.conn, now)
		case "reset":
			events = l.checkedOut(s.conn)
		case "close":
			events = l.closed(s.conn, now)
		default:
			events = l.called(lockCall{LockCall: s.call, conn: s.conn, inTx: true, args: []driver.NamedValue{{Ordinal: 1, Value: "mig"}}, start: start, end: now, answer: s.answer})
		}
		for _, e := range events {
			line := fmt.Sprintf("%s %s %s %s", e.Stage, e.Kind, e.Key, e.Outcome)
			if e.Wait > 0 && e.Wait < time.Hour {
				line += fmt.Sprintf(" wait=%v", e.Wait)
			}
			if e.Stage != event.LockReleased && e.Hold == 0 && e.Anomaly != "unlock_refused" && e.Anomaly != "unlock_other_session" {
				line += fmt.Sprintf(" n=%d", e.Attempts)
			}
			if e.Hold > 0 {
				line += fmt.Sprintf(" hold=%v", e.Hold)
			}
			if e.Anomaly != "" {
				line += " " + e.Anomaly
			}
			told = append(told, line)
		}
	}
	return told
}

// TestLockOfNoTransaction: a lock of the transaction's scope that is taken outside
// any, or in one that is begun by its text, is not kept as held for good.
func TestLockOfNoTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWatched(t, nil)
		conn, err := k.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		const lock = "SELECT pg_advisory_xact_lock(7)"
		for _, text := range []string{lock, "BEGIN", lock, "COMMIT"} {
			if _, err := conn.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		if l := &k.connector.locks; l.some.Load() || len(l.held) > 0 {
			t.Errorf("held: %+v", l.held)
		}
		tx, err := conn.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(lock); err != nil {
			t.Fatal(err)
		}
		if n := len(k.connector.locks.held); n != 1 {
			t.Errorf("%d held in a transaction", n)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	})
}
