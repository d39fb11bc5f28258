package probe

import (
	"slices"
	"strings"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// performanceSchema has the server measure what it does not by default.
var performanceSchema = []string{"--performance-schema=ON", "--performance-schema-instrument=wait/lock/metadata/sql/mdl=ON",
	"--performance-schema-instrument=stage/%=ON", "--performance-schema-consumer-events-stages-current=ON"}

// TestMetadataLock: the pile-up behind an ALTER TABLE, as far as the server
// shows it. Who waits is always seen; who holds the lock with the plugin or the
// performance schema.
func TestMetadataLock(t *testing.T) {
	for _, c := range []struct {
		name    string
		plugin  bool
		options []string
		fix     string // what it takes to see who holds the lock
	}{
		{"as installed", false, nil, "INSTALL SONAME 'metadata_lock_info'"},
		{"with the plugin", true, []string{"--performance-schema=OFF"}, ""},
		{"with the performance schema", false, performanceSchema, ""},
		{"with the performance schema as it comes", false, []string{"--performance-schema=ON"},
			"UPDATE performance_schema.setup_instruments SET ENABLED = 'YES' WHERE NAME = 'wait/lock/metadata/sql/mdl'"},
		{"with it and the plugin", true, []string{"--performance-schema=ON"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := kitMariaDB
			if c.options != nil {
				k.dsn = func(t testing.TB) string { return testdb.MariaDBServerWith(t, c.options...) }
			}
			b := newBench(t, k)
			if c.plugin {
				b.do("INSTALL SONAME 'metadata_lock_info'")
			}
			b.do("CREATE TABLE orders (n INT)", "CREATE TABLE other (n INT)", "INSERT INTO orders VALUES (1)")
			reader := b.client().do("BEGIN", "SELECT * FROM orders")
			b.client().do("BEGIN", "SELECT * FROM other") // has nothing to do with it
			migration := b.client()
			migration.start("ALTER TABLE orders ADD COLUMN m INT")
			b.until("the migration waits", migration, func(p *event.Picture) bool { return p.Session.Wait != nil })
			var victims []int64
			for range 3 {
				v := b.client()
				v.start("SELECT * FROM `orders`")
				victims = append(victims, v.id)
			}
			p := b.until("three queue", migration, func(p *event.Picture) bool { return p.Queue == 3 })
			w := p.Session.Wait
			if w.Kind != "metadata" || !strings.HasSuffix(w.Object, ".orders") || w.Mode != "EXCLUSIVE" || w.For <= 0 {
				t.Errorf("the migration waits for %+v", w)
			}
			if !slices.Equal(ids(p.Victims), sorted(victims...)) || p.QueueDirect != 3 || p.QueueMigrator != 0 || p.QueueTime <= 0 {
				t.Errorf("the queue is %+v", p)
			}
			if len(p.Held) != 1 || p.Held[0].Object != w.Object || p.Held[0].Stops != stopsAll {
				t.Errorf("held: %+v", p.Held)
			}
			if fixes(p) != c.fix {
				t.Errorf("missing: %+v", p.Missing)
			}
			if c.fix != "" {
				if len(p.Blockers) > 0 {
					t.Errorf("blockers: %+v", p.Blockers)
				}
				return
			}
			if len(p.Blockers) != 1 || p.Blockers[0].PID != reader.id || p.Blockers[0].State != "idle in transaction" || p.Blockers[0].User != "root" {
				t.Errorf("blockers: %+v", p.Blockers)
			}
			b.quiet()
		})
	}
}

// TestInnoDBRow: a wait for a row names the table and the holder.
func TestInnoDBRow(t *testing.T) {
	b := newBench(t, kitMariaDB)
	b.do("CREATE TABLE t (n INT PRIMARY KEY, m INT)", "INSERT INTO t VALUES (1, 1)")
	writer := b.client().do("BEGIN", "UPDATE t SET m = 2")
	migration := b.client()
	migration.start("UPDATE t SET m = 3 WHERE n = 1")
	p := b.until("it waits", migration, func(p *event.Picture) bool { return len(p.Blockers) > 0 })
	if w := p.Session.Wait; w.Kind != "row" || !strings.HasSuffix(w.Object, ".t") || w.Mode != "X" || len(p.Blockers) != 1 ||
		p.Blockers[0].PID != writer.id || p.Blockers[0].State != "idle in transaction" || p.Blockers[0].TxAge <= 0 {
		t.Errorf("it waits for %+v, held by %+v", w, p.Blockers)
	}
	if p := b.until("the queue", writer, func(p *event.Picture) bool { return p.Queue == 1 }); p.Victims[0].PID != migration.id {
		t.Errorf("the writer's queue is %+v", p)
	}
	b.quiet()
}

// TestNamedLock: replicas that wait for GET_LOCK are counted as such.
func TestNamedLock(t *testing.T) {
	k := kitMariaDB
	k.dsn = testdb.MariaDBServer
	b := newBench(t, k)
	b.do("INSTALL SONAME 'metadata_lock_info'")
	leader := b.client().do("SELECT GET_LOCK('migrate', 0)")
	replica := b.client()
	replica.start("SELECT GET_LOCK('migrate', 60)")
	p := b.until("it waits", replica, func(p *event.Picture) bool { return len(p.Blockers) > 0 })
	if w := p.Session.Wait; w.Kind != "named" || w.Object != "migrate" || p.Blockers[0].PID != leader.id {
		t.Errorf("it waits for %+v, held by %+v", w, p.Blockers)
	}
	if p := b.until("the queue", leader, func(p *event.Picture) bool { return p.Queue == 1 }); p.QueueMigrator != 1 {
		t.Errorf("the leader's picture is %+v", p)
	}
}

// TestStages: an ALTER TABLE that works in place shows how far it is, where the
// server measures that.
func TestStages(t *testing.T) {
	k := kitMariaDB
	k.dsn = func(t testing.TB) string { return testdb.MariaDBServerWith(t, performanceSchema...) }
	b := newBench(t, k)
	b.do("CREATE TABLE t (n INT, m INT) ENGINE=InnoDB", "INSERT INTO t SELECT seq, seq FROM seq_1_to_1000000")
	migration := b.client()
	migration.start("ALTER TABLE t ADD INDEX (n), ADD INDEX (m), ADD INDEX (n, m), ALGORITHM=INPLACE")
	p := b.until("a stage", migration, func(p *event.Picture) bool { return p.Progress != nil && p.Progress.Total > 0 })
	if p.Progress.Command != "ALTER TABLE" || !strings.HasPrefix(p.Progress.Phase, "alter table (") || p.Progress.Unit != "work units" || p.Progress.Done > p.Progress.Total*2 || p.Rewrite {
		t.Errorf("the progress is %+v", p.Progress)
	}
	// Locks by name are shown there too.
	b.client().do("SELECT GET_LOCK('migrate', 0)")
	replica := b.client()
	replica.start("SELECT GET_LOCK('migrate', 60)")
	if p := b.until("the holder", replica, func(p *event.Picture) bool { return len(p.Blockers) > 0 }); p.Session.Wait.Object != "migrate" || p.Session.Wait.Kind != "named" {
		t.Errorf("it waits for %+v", p.Session.Wait)
	}
	b.quiet()
}

// TestCopying: an ALTER TABLE that copies the table shows how far it is.
func TestCopying(t *testing.T) {
	b := newBench(t, kitMariaDB)
	b.do("CREATE TABLE t (n INT) ENGINE=InnoDB", "INSERT INTO t SELECT seq FROM seq_1_to_300000")
	migration := b.client()
	migration.start("ALTER TABLE t ADD COLUMN m INT, ALGORITHM=COPY")
	p := b.until("it copies", migration, func(p *event.Picture) bool { return p.Rewrite && p.Progress != nil })
	if p.Progress.Command != "ALTER TABLE" || p.Progress.Phase != "copy to tmp table" {
		t.Errorf("the progress is %+v", p.Progress)
	}
}

// TestWithoutProcess: a user without PROCESS sees its own, and what it lacks.
func TestWithoutProcess(t *testing.T) {
	dsn := testdb.MariaDB(t)
	admin := benchAs(t, kitMariaDB, dsn, nil)
	admin.do("CREATE TABLE t (n INT PRIMARY KEY, m INT)", "INSERT INTO t VALUES (1, 1)")
	b := benchAs(t, kitMariaDB, testdb.MariaDBUser(t, dsn, "ALL ON `"+databaseName(t, admin)+"`.*"), nil)
	b.client().do("BEGIN", "UPDATE t SET m = 2")
	migration := b.client()
	migration.start("UPDATE t SET m = 3")
	p := b.until("it runs", migration, func(p *event.Picture) bool { return p.Session.State == "active" })
	i := slices.IndexFunc(p.Missing, func(m event.Missing) bool { return strings.HasPrefix(m.Fix, "GRANT PROCESS ON *.* TO 'test_") })
	if i < 0 {
		t.Fatalf("missing: %+v", p.Missing)
	}
	admin.do(p.Missing[i].Fix)
	b.probe.own.db.SetMaxIdleConns(-1) // a privilege of the server's is for new connections
	b.until("who blocks is seen", migration, func(p *event.Picture) bool { return len(p.Blockers) == 1 && len(p.Missing) == 0 })
	b.quiet()
}

// TestWithoutPerformanceSchema: a user that may not read the performance schema is
// told so, with the grant that helps.
func TestWithoutPerformanceSchema(t *testing.T) {
	dsn := testdb.MariaDBServerWith(t, performanceSchema...)
	admin := benchAs(t, kitMariaDB, dsn, nil)
	admin.do("CREATE TABLE t (n INT)")
	b := benchAs(t, kitMariaDB, testdb.MariaDBUser(t, dsn, "ALL ON `"+databaseName(t, admin)+"`.*", "PROCESS ON *.*"), nil)
	reader := admin.client().do("BEGIN", "SELECT * FROM t")
	migration := b.client()
	migration.start("ALTER TABLE t ADD COLUMN m INT")
	p := b.until("it waits", migration, func(p *event.Picture) bool { return p.Session.Wait != nil })
	if fix := fixes(p); !strings.HasPrefix(fix, "GRANT SELECT ON performance_schema.* TO 'test_") || len(p.Missing) != 1 || len(p.Blockers) > 0 {
		t.Fatalf("missing: %+v, blockers: %+v", p.Missing, p.Blockers)
	}
	admin.do(p.Missing[0].Fix)
	b.probe.own.db.SetMaxIdleConns(-1)
	p = b.until("who blocks is seen", migration, func(p *event.Picture) bool { return len(p.Blockers) == 1 && len(p.Missing) == 0 })
	if p.Blockers[0].PID != reader.id {
		t.Errorf("blockers: %+v", p.Blockers)
	}
	b.quiet()
}

func databaseName(t *testing.T, b *bench) (name string) {
	t.Helper()
	if err := b.db.QueryRow("SELECT DATABASE()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}
