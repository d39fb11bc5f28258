package audit

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

func TestCommit(t *testing.T) {
	each(t, allKits, func(t *testing.T, b *bench) {
		m := migration("1")
		b.must(b.store.Intent(t.Context(), m, false))
		expectGuarantee(t, m, "")
		tx := b.begin(nil)
		exec1(t, tx, "CREATE TABLE t (a int)")
		b.must(b.commit(tx, ended(m, event.Applied)))

		rows := b.expect("intent/start", "outcome/commit applied")
		if rows[0].attempt != m.MigrationID || rows[1].attempt != m.MigrationID {
			t.Errorf("attempts are %s and %s, want the migration's id %s", rows[0].attempt, rows[1].attempt, m.MigrationID)
		}
		want := event.InTx
		if b.kit.system == "mariadb" { // DDL is committed by itself there
			want = event.Around
		}
		expectGuarantee(t, m, want)
		if rows[1].leaf["guarantee"] != string(want) {
			t.Errorf("the leaf says guarantee %v, want %s", rows[1].leaf["guarantee"], want)
		}
		if len(b.texts) != 1 {
			t.Errorf("%d round trips in the tool's transaction, want 1: %q", len(b.texts), b.texts)
		}
		if got := b.store.Stats().entries(); got != (Stats{Written: 1, InTx: 1}) {
			t.Errorf("stats are %+v", got)
		}
		sql := rows[1].sections["sql"]["statements"].([]any)[0].(map[string]any)
		if sql["text"] != "CREATE TABLE t (a int)" || sql["ns"] != "1000000" {
			t.Errorf("the sql section has %v", sql)
		}
		b.expectTroubles()
	})
}

func TestRollback(t *testing.T) {
	each(t, txKits, func(t *testing.T, b *bench) {
		m := migration("1")
		b.must(b.store.Intent(t.Context(), m, false))
		tx := b.begin(nil)
		exec1(t, tx, "CREATE TABLE t (a int)")
		b.must(b.join(ended(m, event.Applied)))
		b.must(tx.Rollback())
		b.expect("intent/start")

		m.ErrorClass, m.SQLState = event.ClassSyntax, "42601"
		b.must(b.store.Outcome(t.Context(), ended(m, event.Failed)))
		expectGuarantee(t, m, event.Around)
		rows := b.expect("intent/start", "outcome/after failed")
		if rows[1].leaf["error_class"] != "syntax" || rows[1].sections["error"]["code"] != "42601" {
			t.Errorf("the error is %v in the leaf, %v in its section", rows[1].leaf["error_class"], rows[1].sections["error"])
		}
	})
}

// A row that was written with the body would be gone after the body's own
// ROLLBACK TO; the one that is written at the commit is not.
func TestSavepointOfTheTool(t *testing.T) {
	each(t, txKits, func(t *testing.T, b *bench) {
		b.must(b.store.ready(t.Context()))
		m := migration("1")
		tx := b.begin(nil)
		exec1(t, tx, "SAVEPOINT sqlwitness_audit", "CREATE TABLE a (a int)", "ROLLBACK TO SAVEPOINT sqlwitness_audit", "CREATE TABLE b (a int)")
		b.must(b.join(ended(m, event.Applied)))
		exec1(t, tx, "RELEASE SAVEPOINT sqlwitness_audit") // the tool's own is still there
		b.must(tx.Commit())
		b.expect("outcome/commit applied")
		if _, err := b.db.Exec("SELECT a FROM b"); err != nil {
			t.Error(err)
		}
	})
}

// The row is one of the transaction's own: where the commit fails it goes too.
func TestCommitFails(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX} {
		t.Run(k.name, func(t *testing.T) {
			b := newBench(t, k, Config{})
			exec1(t, b.db, "CREATE TABLE p (id int PRIMARY KEY)", "CREATE TABLE c (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
			m := migration("1")
			b.must(b.store.Intent(t.Context(), m, false))
			tx := b.begin(nil)
			exec1(t, tx, "INSERT INTO c VALUES (1)")
			if err := b.commit(tx, ended(m, event.Applied)); err == nil {
				t.Fatal("the deferred constraint was not checked")
			}
			rows := b.expect("intent/start", "outcome/after failed")
			if rows[1].leaf["sqlstate"] != "23503" {
				t.Errorf("sqlstate is %v", rows[1].leaf["sqlstate"])
			}
			expectGuarantee(t, m, event.Around)
		})
	}
}

// Many migrations may share one transaction.
func TestCommitMany(t *testing.T) {
	each(t, allKits, func(t *testing.T, b *bench) {
		ms := []*event.Migration{migration("1"), migration("2"), migration("3")}
		for _, m := range ms {
			b.must(b.store.Intent(t.Context(), m, false))
			ended(m, event.Applied)
		}
		tx := b.begin(nil)
		b.must(b.commit(tx, ms...))
		b.expect("intent/start", "intent/start", "intent/start", "outcome/commit applied", "outcome/commit applied", "outcome/commit applied")
		if len(b.texts) != 1 {
			t.Errorf("%d round trips, want 1", len(b.texts))
		}
	})
}

// Two serializable transactions that both record an outcome do not conflict.
func TestSerializable(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX, kitMySQL} {
		t.Run(k.name, func(t *testing.T) {
			one := newBench(t, k, Config{})
			two := newBenchAt(t, k, one.dsn, Config{})
			ms := []*event.Migration{migration("1"), migration("2")}
			var txs []*sql.Tx
			for i, b := range []*bench{one, two} {
				b.must(b.store.Intent(t.Context(), ms[i], false))
				tx := b.begin(&sql.TxOptions{Isolation: sql.LevelSerializable})
				exec1(t, tx, "SELECT 1")
				txs = append(txs, tx)
			}
			b1, b2 := one.join(ended(ms[0], event.Applied)), two.join(ended(ms[1], event.Applied))
			one.must(errors.Join(b1, b2, txs[0].Commit(), txs[1].Commit()))
			one.expect("intent/start", "intent/start", "outcome/commit applied", "outcome/commit applied")
		})
	}
}

// A row that is refused in the tool's transaction leaves that as it was.
func TestRefusedInTheTransaction(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX} {
		for name, refuse := range map[string]func(*testing.T, *bench, *sql.Tx){
			"forbidden": func(t *testing.T, b *bench, tx *sql.Tx) {
				role := testdb.PostgreSQLRole(t, b.dsn)
				role, _, _ = strings.Cut(strings.TrimPrefix(role, "postgres://"), ":")
				exec1(t, tx, "SET LOCAL ROLE "+role)
			},
			"missing": func(t *testing.T, b *bench, tx *sql.Tx) { exec1(t, b.db, "DROP SCHEMA sqlwitness CASCADE") },
			"read-only": func(t *testing.T, b *bench, tx *sql.Tx) {
				exec1(t, tx, "SET TRANSACTION READ ONLY")
			},
		} {
			t.Run(k.name+"/"+name, func(t *testing.T) {
				b := newBench(t, k, Config{})
				m := migration("1")
				b.must(b.store.Intent(t.Context(), m, false))
				tx := b.begin(nil)
				exec1(t, tx, "CREATE TABLE t (a int)")
				refuse(t, b, tx)
				b.must(b.commit(tx, ended(m, event.Applied)))
				exec1(t, b.db, "SELECT a FROM t") // the migration went through
				if name == "missing" {
					b.expect("outcome/after applied")
				} else {
					b.expect("intent/start", "outcome/after applied")
				}
				if len(b.texts) != 2 {
					t.Errorf("%d round trips, want 2: %q", len(b.texts), b.texts)
				}
				expectGuarantee(t, m, event.Around)
				b.expectTroubles(TroubleTx)
			})
		}
	}
}

// golang-migrate's Drop takes every table of a SQLite file.
func TestTablesDropped(t *testing.T) {
	each(t, []kit{kitMySQL, kitSQLite}, func(t *testing.T, b *bench) {
		m := migration("1")
		b.must(b.store.Intent(t.Context(), m, false))
		tx := b.begin(nil)
		exec1(t, tx, "CREATE TABLE t (a int)", "DROP TABLE "+b.kit.table+"entry")
		b.must(b.commit(tx, ended(m, event.Applied)))
		b.expect("outcome/after applied")
	})
}

// What the caller may ask its session afterwards is its own.
func TestLastInsertID(t *testing.T) {
	for _, c := range []struct {
		kit              kit
		make, add, query string
	}{
		{kitPQ, "CREATE TABLE ids (id serial, a int)", "INSERT INTO ids (a) VALUES (1)", "SELECT lastval()"},
		{kitPGX, "CREATE TABLE ids (id serial, a int)", "INSERT INTO ids (a) VALUES (1)", "SELECT lastval()"},
		{kitMySQL, "CREATE TABLE ids (id INT AUTO_INCREMENT PRIMARY KEY, a INT)", "INSERT INTO ids (a) VALUES (1)", "SELECT LAST_INSERT_ID()"},
		{kitSQLite, "CREATE TABLE ids (id INTEGER PRIMARY KEY, a INT)", "INSERT INTO ids VALUES (7, 1)", "SELECT last_insert_rowid()"},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			b := newBench(t, c.kit, Config{})
			m := migration("1")
			b.must(b.store.Intent(t.Context(), m, false))
			exec1(t, b.conn, c.make)
			tx := b.begin(nil)
			exec1(t, tx, c.add)
			var before, within, after int64
			b.must(tx.QueryRow(c.query).Scan(&before))
			b.must(b.join(ended(m, event.Applied)))
			b.must(tx.QueryRow(c.query).Scan(&within))
			b.must(tx.Commit())
			b.must(b.conn.QueryRowContext(t.Context(), c.query).Scan(&after))
			if before == 0 || within != before || after != before {
				t.Errorf("it was %d, then %d, then %d", before, within, after)
			}
		})
	}
}

// Processes that start together make the tables together. SQLite has one writer:
// there a process may find the file locked for longer than it waits, and its
// entries are in the spool then.
func TestConcurrentCreators(t *testing.T) {
	each(t, allKits, func(t *testing.T, b *bench) {
		const n = 8
		var wg sync.WaitGroup
		var written atomic.Uint64
		for range n {
			other := newBenchAt(t, b.kit, b.dsn, Config{Timeout: time.Minute})
			wg.Go(func() {
				m := migration("1")
				if err := other.store.Intent(context.Background(), m, false); err != nil {
					t.Error(err)
				}
				if err := other.store.Outcome(context.Background(), ended(m, event.Applied)); err != nil {
					t.Error(err)
				}
				got := other.store.Stats()
				written.Add(got.Written)
				if got.Written+got.Spooled != 2 || got.Spooled > 0 && !locked(other) {
					t.Errorf("stats are %+v, troubles %+v", got, other.troubles)
				}
			})
		}
		wg.Wait()
		if got := len(b.rows()); uint64(got) != written.Load() || got == 0 {
			t.Errorf("%d entries, want %d", got, written.Load())
		}
	})
}

// locked reports whether all that went wrong is that another process was writing
// to a SQLite file.
func locked(b *bench) bool {
	return b.kit.system == "sqlite" && len(b.troubles) == 1 && b.troubles[0].Class == event.ClassLockTimeout
}
