package probe

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// TestElsewhere: a session is known to migrate by a lock of a known tool, or by
// DDL that waits for a table or holds it; leader election, a temporary table, a
// new one and DDL that is over are no signs.
func TestElsewhere(t *testing.T) {
	for _, k := range []struct {
		kit
		lock, other, temporary string
	}{
		{kitPQ, "SELECT pg_advisory_lock(4711)", "SELECT pg_advisory_lock(815), pg_advisory_lock(0, 4711)", "BEGIN; CREATE TEMP TABLE mine (id int); CREATE TABLE fresh (id int)"},
		{kitMariaDB, "SELECT GET_LOCK('4711', 1)", "SELECT GET_LOCK('815', 1)", "CREATE TEMPORARY TABLE mine (id int)"},
	} {
		t.Run(k.name, func(t *testing.T) {
			b := newBench(t, k.kit)
			b.probe.deps.DDL = func(s string) bool { return strings.HasPrefix(s, "ALTER") }
			b.do("CREATE TABLE orders (id int)")
			look := func() []Migrator {
				s, err := b.probe.Elsewhere(context.Background(), []MigrationLock{{"acme", "4711"}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if s.At.IsZero() || s.Trail {
					t.Fatalf("%+v", s)
				}
				return s.Migrators
			}
			leader, temporary, holder, alters, reader := b.client(), b.client(), b.client(), b.client(), b.client()
			leader.do(k.other)
			temporary.do(k.temporary)
			if got := look(); len(got) != 0 {
				t.Fatalf("%+v while nobody migrates", got)
			}
			holder.do(k.lock)
			if got := look(); len(got) != 1 || got[0] != (Migrator{holder.id, "acme"}) {
				t.Errorf("%+v while the lock is held by %d", got, holder.id)
			}
			reader.do("BEGIN", "SELECT * FROM orders")
			ended := alters.start("ALTER TABLE orders ADD note text")
			poll(t, "the ALTER is seen", func() bool { return len(look()) == 2 }, func() any { return look() })
			if got := look(); got[0].PID != holder.id || got[1] != (Migrator{PID: alters.id}) {
				t.Errorf("%+v while %d alters a table", got, alters.id)
			}
			reader.do("ROLLBACK")
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if got := look(); len(got) != 1 {
				t.Errorf("%+v after the ALTER", got)
			}
		})
	}
}

// TestTrailThere: the trail is read only where the role may.
func TestTrailThere(t *testing.T) {
	for _, k := range []struct {
		kit
		make []string
	}{
		{kitPQ, []string{"CREATE SCHEMA sqlwitness", "CREATE TABLE sqlwitness.entry (id int)", "CREATE TABLE sqlwitness.payload (id int)"}},
		{kitMariaDB, []string{"CREATE DATABASE sqlwitness", "CREATE TABLE sqlwitness.entry (id int)", "CREATE TABLE sqlwitness.payload (id int)"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			if k.system == "mariadb" {
				k.dsn = testdb.MariaDBServer // its trail is the whole server's
			}
			b := newBench(t, k.kit)
			for i := range k.make {
				read := 0
				s, err := b.probe.Elsewhere(context.Background(), nil, func(context.Context, *sql.Conn) error { read++; return nil })
				if err != nil || s.Trail || read != 0 {
					t.Fatalf("with %d of it there: %+v, %v, read %d times", i, s, err, read)
				}
				b.do(k.make[i])
			}
			read := 0
			s, err := b.probe.Elsewhere(context.Background(), nil, func(context.Context, *sql.Conn) error { read++; return nil })
			if err != nil || !s.Trail || read != 1 {
				t.Errorf("%+v, %v, read %d times", s, err, read)
			}
		})
	}
}

// TestManyLocks: an application that holds more advisory locks than a look reads
// hides neither the tool's lock nor DDL.
func TestManyLocks(t *testing.T) {
	b := newBench(t, kitPQ)
	b.probe.deps.DDL = func(s string) bool { return strings.HasPrefix(s, "ALTER") }
	b.do("CREATE TABLE orders (id int)")
	b.client().do("SELECT pg_advisory_lock(5000 + n) FROM generate_series(1, 2 * " + strconv.Itoa(maxSigns) + ") n")
	holder, alters := b.client().do("SELECT pg_advisory_lock(4711)"), b.client().do("BEGIN", "ALTER TABLE orders ADD note text")
	s, err := b.probe.Elsewhere(t.Context(), []MigrationLock{{"acme", "4711"}}, nil)
	if err != nil || !slices.Equal(s.Migrators, []Migrator{{holder.id, "acme"}, {PID: alters.id}}) {
		t.Errorf("%+v, %v: want %d and %d", s.Migrators, err, holder.id, alters.id)
	}
}

// TestTrailUnreadable: a trail that is there and cannot be read, because it is
// another version's or this role may not, costs what it tells and nothing else.
func TestTrailUnreadable(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX, kitMariaDB} {
		t.Run(k.name, func(t *testing.T) {
			if k.system == "mariadb" {
				k.dsn = testdb.MariaDBServer
			}
			b := newBench(t, k)
			if k.system == "mariadb" {
				b.do("CREATE DATABASE sqlwitness")
			} else {
				b.do("CREATE SCHEMA sqlwitness")
			}
			b.do("CREATE TABLE sqlwitness.entry (id int)", "CREATE TABLE sqlwitness.payload (id int)")
			for range 2 {
				s, err := b.probe.Elsewhere(t.Context(), nil, func(ctx context.Context, c *sql.Conn) error {
					_, err := c.ExecContext(ctx, "SELECT at FROM sqlwitness.entry")
					return err
				})
				if err != nil || s.At.IsZero() || s.Trail {
					t.Fatalf("%+v, %v", s, err)
				}
			}
			b.quiet()
		})
	}
}

// BenchmarkElsewhere is what each look for signs costs, on a server with 50 other
// sessions.
func BenchmarkElsewhere(b *testing.B) {
	for _, k := range []kit{kitPQ, kitMariaDB} {
		b.Run(k.name, func(b *testing.B) {
			c, err := k.connector(k.dsn(b))
			if err != nil {
				b.Fatal(err)
			}
			db := sql.OpenDB(c)
			defer db.Close()
			for range 50 {
				conn, err := db.Conn(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
			}
			p := Open(event.Database{System: k.system, Name: "test"}, c.Connect, Deps{Now: time.Now})
			defer p.Close()
			for b.Loop() {
				if s, err := p.Elsewhere(b.Context(), []MigrationLock{{"acme", "4711"}}, nil); err != nil || s.At.IsZero() {
					b.Fatal(s, err)
				}
			}
		})
	}
}
