package audit

import (
	"context"
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// serializable is a bench in a database where that is the default.
func serializable(t *testing.T, k kit) *bench {
	dsn := k.dsn(t)
	if k.system == "mariadb" {
		// The server is shared, so that it cannot be its default.
		return newBenchAt(t, k, dsn+"&tx_isolation=%27SERIALIZABLE%27&autocommit=0&innodb_lock_wait_timeout=1", Config{Timeout: time.Minute})
	}
	admin, err := k.connector(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(admin)
	defer db.Close()
	exec1(t, db, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$")
	return newBenchAt(t, k, dsn, Config{Timeout: time.Minute})
}

// readers are all that reads the record while somebody migrates.
func readers(b *bench) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"seal": b.store.sealer.attempt, // the first pass looks at all there is
		"verify": func(ctx context.Context) error {
			_, err := Verify(ctx, b.db, b.kit.system, VerifyConfig{})
			return err
		},
		"status": func(ctx context.Context) error {
			_, err := StatusOf(ctx, b.db, b.kit.system)
			return err
		},
		"history": func(ctx context.Context) error {
			_, err := b.store.History(ctx, 10)
			return err
		},
		"recover": b.store.Recover,
		"inbox and version tables": func(ctx context.Context) error {
			b.store.RunFinished(ctx, &event.Run{Trace: event.Trace{RunID: "run-1"}, Applied: 1})
			b.store.RunStarted(ctx, &event.Run{}, nil)
			return nil
		},
		"hold": func(ctx context.Context) error { return b.store.Hold(ctx, "case", "", "a test") },
		"sections": func(ctx context.Context) error {
			_, err := b.store.Erase(ctx, EraseOptions{Person: "nobody", DryRun: true, Reason: "a test"})
			return err
		},
	}
}

// On a database that is serializable by default what we read makes no migration
// fail: here one that has read what another has written since, and that would be
// the middle of a dangerous structure as soon as a serializable transaction reads
// what it writes. Nor does it wait for one, where a serializable read locks.
func TestSerializableByDefault(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX, kitMySQL} {
		t.Run(k.name, func(t *testing.T) {
			b := serializable(t, k)
			exec1(t, b.conn, "CREATE TABLE other (id int)", "CREATE TABLE goose_db_version (id int, version_id bigint, is_applied boolean)")
			reader := newBenchAt(t, k, b.dsn, Config{Timeout: time.Minute})
			for name, read := range readers(reader) {
				t.Run(name, func(t *testing.T) {
					m := migration(name)
					b.must(b.store.Intent(t.Context(), m, false))
					tx := b.begin(nil)
					if k.system == "postgresql" {
						exec1(t, tx, "SELECT count(*) FROM other")
						exec1(t, b.db, "INSERT INTO other VALUES (1)")
					}
					exec1(t, tx, "INSERT INTO goose_db_version VALUES (1, 1, true)")
					b.must(b.join(ended(m, event.Applied)))
					if err := read(t.Context()); err != nil {
						t.Errorf("reading: %v", err)
					}
					err := tx.Commit()
					b.store.Committed(t.Context(), []*event.Migration{m}, err)
					if err != nil {
						t.Errorf("the migration: %v", err)
					}
				})
			}
			reader.expectTroubles()
			b.expectTroubles()
		})
	}
}

// The same in a crowd that migrates while its record is sealed, signed and verified,
// of which verification makes no tampering.
func TestCrowdSerializableByDefault(t *testing.T) {
	key, _ := testKey(t, "shop")
	admin, list := assembleAt(serializable(t, kitPQ), 32, Config{Timeout: time.Minute, Key: key})
	ctx, done := context.WithCancel(t.Context())
	var verifying sync.WaitGroup
	verified := 0
	verifying.Go(func() {
		for ctx.Err() == nil {
			if r, err := Verify(t.Context(), admin.db, "postgresql", VerifyConfig{}); err == nil { // there are no tables at first
				verified++
				if r.Altered() {
					t.Errorf("verification finds %s", codes(r))
				}
			}
		}
	})
	const rounds = 4
	failures := map[refusal]int{}
	for range rounds {
		for f, times := range (crowd{chained: true, audited: true}).migrate(list) {
			failures[f] += times
		}
	}
	done()
	verifying.Wait()
	if len(failures) > 0 || verified == 0 {
		t.Errorf("of %d tries failed %v, during %d verifications", rounds*len(list), failures, verified)
	}
	t.Logf("%d migrations, %d verifications", rounds*len(list), verified)
	admin.settled(list, rounds*len(list), rounds*len(list))
}
