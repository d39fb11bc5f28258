package audit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// crowd is a number of migrators that begin together, each a process with a
// connection of its own and a migration that is tried until it has gone through.
type crowd struct {
	isolation sql.IsolationLevel
	shared    bool // all read and write one version table, as instances of one service do
	chained   bool // every other one reads what its neighbour writes, which no two of them conflict over
	audited   bool
}

// refusal is what a try has ended with.
type refusal struct{ class, code string }

// migrate returns what went wrong before each migration had gone through.
func (c crowd) migrate(list []*bench) map[refusal]int {
	var mu sync.Mutex
	failures := map[refusal]int{}
	var all, begun sync.WaitGroup
	begun.Add(len(list))
	for i, b := range list {
		all.Go(func() {
			err := c.once(b, i, func() { begun.Done(); begun.Wait() }) // each has read before any writes
			for tries := 0; err != nil && tries < 100; tries++ {
				class, code := event.Classify(err)
				mu.Lock()
				failures[refusal{class, code}]++
				mu.Unlock()
				err = c.once(b, i, func() {})
			}
			if err != nil {
				b.t.Errorf("migrator %d: %v", i, err)
			}
		})
	}
	all.Wait()
	return failures
}

// once is a try, with the store called as the witness calls it.
func (c crowd) once(b *bench, i int, read func()) error {
	ctx := context.Background()
	m := migration(fmt.Sprint(i))
	if c.audited {
		if err := b.store.Intent(ctx, m, false); err != nil {
			return err
		}
	}
	tx, err := b.conn.BeginTx(ctx, &sql.TxOptions{Isolation: c.isolation})
	if err == nil {
		err = c.body(tx, i, read)
	} else {
		read()
	}
	if err == nil && c.audited {
		err = b.conn.Raw(func(d any) error {
			return b.store.Commit(ctx, d.(driver.Conn), []*event.Migration{ended(m, event.Applied)})
		})
	}
	if err != nil {
		if tx != nil {
			err = errors.Join(err, tx.Rollback())
		}
		if c.audited {
			m.ErrorClass, m.SQLState = event.Classify(err)
			_ = b.store.Outcome(ctx, ended(m, event.Failed))
		}
		return err
	}
	err = tx.Commit()
	if c.audited {
		b.store.Committed(ctx, []*event.Migration{m}, err)
	}
	return err
}

func (c crowd) body(tx *sql.Tx, i int, read func()) error {
	table := fmt.Sprintf("mine_%d", i)
	if c.shared {
		table = "versions"
	}
	var n int
	from := table
	if c.chained && i%2 == 0 {
		from = fmt.Sprintf("mine_%d", i+1)
	}
	err := tx.QueryRow("SELECT count(*) FROM " + from).Scan(&n)
	read()
	if err != nil {
		return err
	}
	_, err = tx.Exec(fmt.Sprintf("INSERT INTO %s VALUES (%d)", table, i))
	return err
}

// assemble makes the migrators, and the tables that they are to write.
func assemble(t *testing.T, k kit, n int, cfg Config) (admin *bench, list []*bench) {
	return assembleAt(newBench(t, k, cfg), n, cfg)
}

func assembleAt(at *bench, n int, cfg Config) (admin *bench, list []*bench) {
	exec1(at.t, at.db, "CREATE TABLE versions (id int)")
	for i := range n {
		exec1(at.t, at.db, fmt.Sprintf("CREATE TABLE mine_%d (id int)", i))
		list = append(list, newBenchAt(at.t, at.kit, at.dsn, cfg))
	}
	return at, list
}

// Migrators that commit at once conflict no more for being recorded, make one
// tree, and each try has one outcome, which is what happened.
func TestCrowd(t *testing.T) {
	n := 32
	if testing.Short() {
		n = 8
	}
	for _, c := range []struct {
		kit    kit
		n      int
		level  sql.IsolationLevel
		shared bool
	}{
		{kitPQ, n, sql.LevelReadCommitted, true},
		{kitPQ, n, sql.LevelRepeatableRead, true},
		{kitPQ, n, sql.LevelSerializable, false},
		{kitPQ, n, sql.LevelSerializable, true},
		{kitMySQL, n / 2, sql.LevelDefault, true},
	} {
		t.Run(fmt.Sprintf("%s/%s/shared=%v", c.kit.name, c.level, c.shared), func(t *testing.T) {
			key, public := testKey(t, "shop")
			_, bare := assemble(t, c.kit, c.n, Config{Mode: Off})
			without := crowd{isolation: c.level, shared: c.shared}.migrate(bare)

			admin, list := assemble(t, c.kit, c.n, Config{Key: key, Timeout: time.Minute})
			with := crowd{isolation: c.level, shared: c.shared, audited: true}.migrate(list)
			for f, times := range with {
				if without[f] == 0 {
					t.Errorf("%d tries failed by %v, and without the audit %v", times, f, without)
				}
			}
			if c.level == sql.LevelSerializable && c.shared && without[refusal{event.ClassSerialization, "40001"}] == 0 {
				t.Errorf("nothing conflicts without the audit (%v): the test shows nothing", without)
			}
			t.Logf("failed tries: %v without the audit, %v with it", without, with)

			tries := c.n
			for _, times := range with {
				tries += times
			}
			admin.settled(list, tries, c.n)
			admin.sealed()
			r := admin.verify(VerifyConfig{Keys: []string{public}})
			if codes(r) != "" || r.Size < int64(2*tries) {
				t.Errorf("%d tries; report is %+v", tries, r)
			}
		})
	}
}

// settled compares the entries with the tries, of which some were applied, and
// closes the stores.
func (b *bench) settled(list []*bench, tries, applied int) {
	b.t.Helper()
	intents, outcomes := map[string]int{}, map[string][]any{}
	for _, r := range b.rows() {
		switch r.kind {
		case kindIntent:
			intents[r.attempt]++
		case kindOutcome:
			outcomes[r.attempt] = append(outcomes[r.attempt], r.leaf["outcome"])
		}
	}
	was := map[any]int{}
	for attempt := range intents {
		if intents[attempt] != 1 || len(outcomes[attempt]) != 1 {
			b.t.Errorf("attempt %s has %d intents and outcomes %v", attempt, intents[attempt], outcomes[attempt])
			continue
		}
		was[outcomes[attempt][0]]++
	}
	if len(intents) != tries || len(outcomes) != tries || was["applied"] != applied || was["failed"] != tries-applied {
		b.t.Errorf("%d tries, %d applied: %d have an intent, %d an outcome: %v", tries, applied, len(intents), len(outcomes), was)
	}
	for _, other := range list {
		b.must(other.store.Close(context.Background()))
		other.expectTroubles()
	}
}
