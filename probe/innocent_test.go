package probe

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
)

// TestBlocksNobody: while the probe looks without a pause, nobody among migrations
// and an application waits for its session. The build of an index CONCURRENTLY
// waits for the end of every older snapshot, that of a look too: it is left out.
func TestBlocksNobody(t *testing.T) {
	b := newBench(t, kitPQ)
	b.do("CREATE TABLE t (n int primary key, m int)", "INSERT INTO t SELECT generate_series(1, 2000), 0")
	subject := b.client()
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	load := func(texts ...string) {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				_, _ = b.db.ExecContext(ctx, texts[i%len(texts)])
			}
		})
	}
	load("ALTER TABLE t ADD COLUMN x int", "ALTER TABLE t DROP COLUMN x")
	load("CREATE TABLE u AS SELECT * FROM t", "DROP TABLE u")
	load("CREATE INDEX i ON t (m)", "DROP INDEX i")
	load("UPDATE t SET m = m + 1 WHERE n < 50")
	load("SELECT count(*) FROM t")
	load("VACUUM t")
	var looks atomic.Int64
	all.Go(func() {
		for ctx.Err() == nil {
			if seen, err := b.probe.Look(ctx, []Asked{{Session: subject.id, Lock: "42"}}); err == nil && seen != nil {
				looks.Add(1)
			}
			_, _ = b.probe.Baseline(ctx)
		}
	})
	waits, ofOurs := 0, 0
	for looks.Load() < 50 || waits < 500 {
		var w, o int
		if err := b.db.QueryRow(`SELECT count(*), count(*) FILTER (WHERE EXISTS (
				SELECT FROM pg_stat_activity a WHERE a.application_name = 'sqlwitness-observer' AND a.pid = ANY (pg_blocking_pids(l.pid))))
			FROM pg_locks l WHERE NOT l.granted AND l.locktype <> 'virtualxid'`).Scan(&w, &o); err != nil {
			t.Fatal(err)
		}
		waits, ofOurs = waits+w, ofOurs+o
	}
	stop()
	all.Wait()
	if ofOurs > 0 {
		t.Errorf("of %d waits, %d were for the probe", waits, ofOurs)
	}
	t.Logf("%d looks, %d waits, %d of them for the probe", looks.Load(), waits, ofOurs)
}
