package sqlwitness

import (
	"context"
	"database/sql"
	"io"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

// TestIdleWitnessSleeps: once nothing is in flight, nothing of ours wakes up, be
// it in a week. The runtime counts, in one case of eight, how often a goroutine was
// given a processor: a timer that fires each minute does so 10,000 times.
func TestIdleWitnessSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := New(Config{LogOutput: io.Discard, System: "postgresql"})
		if err != nil {
			t.Fatal(err)
		}
		fake := fakedb.New(fakedb.Full())
		db := sql.OpenDB(w.Wrap(fake.Connector()))
		// A run that does nothing, an application's statement, and a leader's lock that
		// is kept.
		for _, text := range []string{"CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied boolean, tstamp timestamp)",
			"SELECT 1", "SELECT pg_advisory_lock(7)"} {
			if _, err := db.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		before := scheduled()
		time.Sleep(7 * 24 * time.Hour)
		synctest.Wait()
		if n := scheduled() - before; n > 200 {
			t.Errorf("goroutines were woken about %d times", 8*n)
		}
		_ = db.Close()
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// scheduled is how often a goroutine was given a processor, of which the runtime
// counts one in eight.
func scheduled() (n uint64) {
	s := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(s)
	for _, c := range s[0].Value.Float64Histogram().Counts {
		n += c
	}
	return n
}
