package audit

import (
	"context"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestLatest: a migration is under way from its intent to its outcome, as long
// as its session is there.
func TestLatest(t *testing.T) {
	each(t, []kit{kitPQ, kitPGX, kitMySQL}, func(t *testing.T, b *bench) {
		ctx := context.Background()
		conn, err := b.db.Conn(ctx)
		b.must(err)
		defer conn.Close()
		latest := func() []Underway {
			t.Helper()
			list, err := Latest(ctx, conn, b.kit.system)
			b.must(err)
			return list
		}
		migrating, err := b.db.Conn(ctx)
		b.must(err)
		var session int64
		number := "SELECT pg_backend_pid()"
		if b.kit.system != "postgresql" {
			number = "SELECT CONNECTION_ID()"
		}
		b.must(migrating.QueryRowContext(ctx, number).Scan(&session))
		b.store.scribe.deps.Session = func(uint64) int64 { return session }

		m := migration("1")
		b.must(b.store.Intent(ctx, m, false))
		list := latest()
		if len(list) != 1 || list[0].Ended || list[0].Session != session || list[0].Migration != m.MigrationID || list[0].Run != m.RunID || list[0].Tool != m.Tool || list[0].Started.IsZero() {
			t.Fatalf("under way: %+v", list)
		}
		ended(m, event.Applied).Duration = time.Second
		b.must(b.store.Outcome(ctx, m))
		list = latest()
		if len(list) != 1 || !list[0].Ended || list[0].Duration != time.Second || list[0].Outcome != event.Applied || list[0].Started.IsZero() {
			t.Fatalf("ended: %+v", list)
		}

		b.must(b.store.Intent(ctx, migration("2"), false))
		if n := len(latest()); n != 2 {
			t.Fatalf("%d, want the one that goes on, too", n)
		}
		_ = migrating.Close()
		b.db.SetMaxIdleConns(0) // now it is
		for end := time.Now().Add(10 * time.Second); len(latest()) != 1; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("its session has ended: %+v", latest())
			}
		}
	})
}
