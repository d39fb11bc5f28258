package probe

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

func (b *bench) usage() Usage {
	b.t.Helper()
	u, err := b.probe.Usage(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// TestUsage: the size, the log and the buffer cache tell of a table that was
// filled between two readings.
func TestUsage(t *testing.T) {
	for _, c := range []struct {
		kit  kit
		fill string
	}{
		{kitPQ, "INSERT INTO filled SELECT repeat('x', 1000) FROM generate_series(1, 5000)"},
		{kitPGX, "INSERT INTO filled SELECT repeat('x', 1000) FROM generate_series(1, 5000)"},
		{kitMariaDB, "INSERT INTO filled SELECT REPEAT('x', 1000) FROM seq_1_to_5000"},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			b := newBench(t, c.kit)
			before := b.usage()
			session := b.client()
			session.do("CREATE TABLE filled (body varchar(1000))", c.fill)
			_ = session.conn.Close()
			_ = b.db.Close() // PostgreSQL: a session that ends hands in its counts
			var r event.Resources
			poll(t, "the counts have arrived", func() bool {
				r = b.usage().Since(before)
				return r.BlocksHit != nil && *r.BlocksHit > 0
			}, func() any { return r })
			const filled = 5 << 20
			if grown := r.Growth(); grown == nil || *grown < filled/2 || *grown > 20*filled {
				t.Errorf("grown by %v bytes: %v to %v", str(grown), str(r.SizeBefore), str(r.SizeAfter))
			}
			if r.WALBytes == nil || *r.WALBytes < filled/2 {
				t.Errorf("%s bytes of log", str(r.WALBytes))
			}
			if rate, known := r.HitRate(); !known || rate <= 0 || rate > 1 {
				t.Errorf("hit rate %v, %v", rate, known)
			}
			if r.Deadlocks == nil {
				t.Error("deadlocks are not known")
			}
			if r.Start != before.At() || r.Duration <= 0 {
				t.Errorf("from %v for %v", r.Start, r.Duration)
			}
			if r.ReplicationLag != nil {
				t.Errorf("a lag of %v, and there is no standby", *r.ReplicationLag)
			}
			b.quiet()
		})
	}
}

// TestUsageWaitsForNobody: a table that is locked against all keeps nothing from
// being read, though the server refuses what waits.
func TestUsageWaitsForNobody(t *testing.T) {
	for _, c := range []struct {
		kit  kit
		lock []string
	}{
		{kitPQ, []string{"BEGIN", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE"}},
		{kitMariaDB, []string{"LOCK TABLES t WRITE", "ALTER TABLE t ADD b int"}},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			b := newBench(t, c.kit)
			b.do("CREATE TABLE t (n int)")
			b.client().do(c.lock...)
			u := b.usage()
			if u.size == nil || u.wal == nil || u.hit == nil {
				t.Errorf("not known: size %s, log %s, cache %s", str(u.size), str(u.wal), str(u.hit))
			}
			b.quiet()
		})
	}
}

// TestUsageOfAStranger: what a role may not know is blank; the rest is there, and
// the probe goes on.
func TestUsageOfAStranger(t *testing.T) {
	for _, c := range []struct {
		kit     kit
		login   func(t testing.TB, dsn string, grants ...string) string
		grant   string
		size    bool
		missing int
	}{
		{kitPQ, testdb.PostgreSQLRole, "USAGE ON SCHEMA public", true, 0},
		{kitMariaDB, testdb.MariaDBUser, "SELECT ON *.*", false, 1},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			b := benchAs(t, c.kit, c.kit.dsn(t), func(dsn string) string { return c.login(t, dsn, c.grant) })
			b.do("CREATE TABLE t (n int)")
			before := b.usage()
			r := b.usage().Since(before)
			if (r.SizeAfter != nil) != c.size || len(r.Missing) != c.missing {
				t.Errorf("size %s, missing %+v", str(r.SizeAfter), r.Missing)
			}
			if r.WALBytes == nil {
				t.Error("the log is not known")
			}
			b.quiet()
		})
	}
}

// TestRefusedPart: what the server refuses leaves the rest of a reading alone.
func TestRefusedPart(t *testing.T) {
	b := newBench(t, kitPQ)
	conn, err := b.db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(context.Background(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	var n, m *int64
	if err := optional(context.Background(), conn, "SELECT 1/0", &n); err != nil || n != nil {
		t.Errorf("refused: %v, %s", err, str(n))
	}
	if err := optional(context.Background(), conn, "SELECT 42", &m); err != nil || m == nil || *m != 42 {
		t.Errorf("after it: %v, %s", err, str(m))
	}
	if _, err := conn.ExecContext(context.Background(), "SELECT pg_terminate_backend(pg_backend_pid())"); err == nil {
		t.Fatal("the session lives on")
	}
	if err := optional(context.Background(), conn, "SELECT 42", &m); err == nil {
		t.Error("a session that has ended answers")
	}
}

func TestSince(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	usage := func(since string, n int64) Usage {
		return Usage{at: at.Add(time.Duration(n) * time.Second), since: since, size: &n, wal: &n, hit: &n, read: &n, temp: &n, deadlocks: &n}
	}
	for _, c := range []struct {
		name          string
		before, after Usage
		wal, temp     string
	}{
		{"both known", usage("", 10), usage("", 17), "7", "7"},
		{"statistics set to zero", usage("", 10), usage("12:00", 17), "7", "unknown"},
		{"server started anew", usage("", 10), usage("", 3), "unknown", "unknown"},
		{"not read before", Usage{}, usage("", 10), "unknown", "unknown"},
	} {
		r := c.after.Since(c.before)
		if str(r.WALBytes) != c.wal || str(r.TempBytes) != c.temp {
			t.Errorf("%s: %s bytes of log, %s of temporary files", c.name, str(r.WALBytes), str(r.TempBytes))
		}
	}
}

func str(n *int64) string {
	if n == nil {
		return "unknown"
	}
	return strconv.FormatInt(*n, 10)
}
