package probe

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// TestPileUp: a reader that is idle in its transaction, a migration that waits
// for it, and readers that wait behind the migration.
func TestPileUp(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX} {
		t.Run(k.name, func(t *testing.T) {
			b := newBench(t, k)
			b.do("CREATE TABLE t (n int)")
			reader := b.client().do("SET application_name = 'reports'", "BEGIN", "SELECT n, 'secret' FROM t")
			migration := b.client().do("BEGIN")
			migration.start("ALTER TABLE t ADD COLUMN m int")
			b.until("the migration waits", migration, func(p *event.Picture) bool { return p.Session.Wait != nil })
			var victims []int64
			for range 3 {
				v := b.client()
				v.start("SELECT * FROM t")
				victims = append(victims, v.id)
			}
			p := b.until("three queue", migration, func(p *event.Picture) bool { return p.Queue == 3 })

			if w := *p.Session.Wait; w.Kind != "relation" || w.Object != "public.t" || w.Mode != "AccessExclusiveLock" || w.For <= 0 {
				t.Errorf("the migration waits for %+v", w)
			}
			if len(p.Blockers) != 1 {
				t.Fatalf("blockers: %+v", p.Blockers)
			}
			root := p.Blockers[0]
			if root.PID != reader.id || root.App != "reports" || root.State != "idle in transaction" || root.Depth != 1 ||
				root.TxAge <= 0 || root.Started.IsZero() || root.Wait != nil || root.Query != "redacted: SELECT n, 'secret' FROM t" {
				t.Errorf("the blocker is %+v", root)
			}
			if !slices.Equal(ids(p.Victims), sorted(victims...)) || p.QueueDirect != 3 || p.QueueMigrator != 0 || p.QueueTime <= 0 {
				t.Errorf("the queue is %+v", p)
			}
			if want := (event.HeldLock{Object: "public.t", Mode: "AccessExclusiveLock", Stops: stopsAll}); len(p.Held) != 1 || p.Held[0] != want {
				t.Errorf("held: %+v, want %+v", p.Held, want)
			}
			if p.Rewrite || p.Zombie || p.Cycle || p.Progress != nil || len(p.Missing) > 0 {
				t.Errorf("the picture has what is not there: %+v", p)
			}
			b.quiet()
		})
	}
}

// TestChain: the root blocker is found behind a blocker that waits itself.
func TestChain(t *testing.T) {
	b := newBench(t, kitPQ)
	b.do("CREATE TABLE one (n int)", "CREATE TABLE two (n int)")
	root := b.client().do("BEGIN", "LOCK TABLE one IN ACCESS SHARE MODE")
	middle := b.client().do("BEGIN", "LOCK TABLE two IN ACCESS SHARE MODE")
	middle.start("LOCK TABLE one IN ACCESS EXCLUSIVE MODE")
	b.until("the middle waits", middle, func(p *event.Picture) bool { return p.Session.Wait != nil })
	migration := b.client()
	migration.start("ALTER TABLE two ADD COLUMN m int")
	p := b.until("the migration waits", migration, func(p *event.Picture) bool { return len(p.Blockers) == 2 })
	if a, z := p.Blockers[0], p.Blockers[1]; a.PID != middle.id || a.Depth != 1 || a.Wait.Object != "public.one" ||
		z.PID != root.id || z.Depth != 2 || z.Wait != nil || !slices.Equal(a.BlockedBy, []int64{root.id}) {
		t.Errorf("blockers: %+v", p.Blockers)
	}
	// Seen from the root, both queue, one of them behind the other.
	p = b.until("the root's queue", root, func(p *event.Picture) bool { return p.Queue == 2 })
	if p.QueueDirect != 1 || p.Victims[0].PID != middle.id || p.Victims[1].PID != migration.id || p.Victims[1].Depth != 2 {
		t.Errorf("the root's queue is %+v", p.Victims)
	}
}

// TestRowWait: a wait for a row names the table.
func TestRowWait(t *testing.T) {
	b := newBench(t, kitPQ)
	b.do("CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
	writer := b.client().do("BEGIN", "UPDATE t SET n = 2")
	migration := b.client()
	migration.start("UPDATE t SET n = 3")
	p := b.until("it waits", migration, func(p *event.Picture) bool { return p.Session.Wait != nil })
	if w := p.Session.Wait; w.Kind != "transactionid" || w.Object != "public.t" || !slices.Equal(ids(p.Blockers), []int64{writer.id}) {
		t.Errorf("it waits for %+v, held by %+v", w, p.Blockers)
	}
}

// TestPrepared: a prepared transaction has no session, but a name.
func TestPrepared(t *testing.T) {
	b := newBench(t, kitPQ)
	var max int
	if err := b.db.QueryRow("SELECT current_setting('max_prepared_transactions')::int").Scan(&max); err != nil {
		t.Fatal(err)
	}
	if max == 0 {
		t.Skip("the server has max_prepared_transactions = 0")
	}
	gid := fmt.Sprintf("gid-%d", time.Now().UnixNano()) // of the whole server
	b.do("CREATE TABLE t (n int)")
	b.client().do("BEGIN", "LOCK TABLE t IN ACCESS SHARE MODE", "PREPARE TRANSACTION '"+gid+"'")
	t.Cleanup(func() { b.do("ROLLBACK PREPARED '" + gid + "'") })
	migration := b.client()
	migration.start("ALTER TABLE t ADD COLUMN m int")
	p := b.until("it waits", migration, func(p *event.Picture) bool { return len(p.Blockers) > 0 })
	if root := p.Blockers[0]; root.PID != 0 || root.Prepared != gid || len(p.Blockers) != 1 || !slices.Equal(p.Session.BlockedBy, []int64{0}) {
		t.Errorf("blockers: %+v", p.Blockers)
	}
}

// TestAdvisory: replicas that wait for the migration lock are told apart from
// those that wait for a table, and the key is the one that was asked for.
func TestAdvisory(t *testing.T) {
	for call, key := range map[string]string{
		"pg_advisory_lock(-5)":                  "-5",
		"pg_advisory_lock(4097083626)":          "4097083626",
		"pg_advisory_lock(-3, 2000000000)":      "-3,2000000000",
		"pg_advisory_lock(9223372036854775807)": "9223372036854775807",
	} {
		t.Run(call, func(t *testing.T) {
			b := newBench(t, kitPQ)
			leader := b.client().do("SELECT " + call)
			replica := b.client()
			replica.start("SELECT " + call)
			p := b.until("it waits", replica, func(p *event.Picture) bool { return p.Session.Wait != nil })
			if w := p.Session.Wait; w.Kind != "advisory" || w.Object != key || !slices.Equal(ids(p.Blockers), []int64{leader.id}) {
				t.Errorf("it waits for %+v, held by %+v", w, p.Blockers)
			}
			if p := b.until("the queue", leader, func(p *event.Picture) bool { return p.Queue == 1 }); p.QueueMigrator != 1 || p.Zombie {
				t.Errorf("the leader's picture is %+v", p)
			}
		})
	}
}

// TestConcurrently: CREATE INDEX CONCURRENTLY shows how far it is while it waits,
// and that it waits for a replica that waits for the lock of another session of
// ours: the server sees no deadlock there, and neither ever ends.
func TestConcurrently(t *testing.T) {
	b := newBench(t, kitPQ)
	b.do("CREATE TABLE t (n int)", "INSERT INTO t SELECT generate_series(1, 1000)")
	b.client().do("SELECT pg_advisory_lock(42)")
	replica := b.client()
	replica.start("SELECT pg_advisory_lock(42)")
	b.until("the replica waits", replica, func(p *event.Picture) bool { return p.Session.Wait != nil })
	builder := b.client()
	builder.start("CREATE INDEX CONCURRENTLY i ON t (n)")
	p := b.until("the cycle", builder, func(p *event.Picture) bool { return p.Cycle })
	if p.Progress == nil || p.Progress.Command != "CREATE INDEX CONCURRENTLY" || !strings.HasPrefix(p.Progress.Phase, "waiting for") || p.Progress.Unit != "lockers" || p.Progress.Total < 1 {
		t.Errorf("the progress is %+v", p.Progress)
	}
	if p.Session.Wait.Kind != "virtualxid" || !slices.Contains(ids(p.Blockers), replica.id) || p.Held[0].Stops != stopsSchema {
		t.Errorf("the builder's picture is %+v", p)
	}

	// Where the builder holds the lock itself, both are told. In another database: it
	// waits for one snapshot after the other, that of the replica above too.
	b = newBench(t, kitPQ)
	b.do("CREATE TABLE u (n int)")
	locked := b.client().do("SELECT pg_advisory_lock(43)")
	second := b.client().do("SET deadlock_timeout = '60s'")
	locked.do("SET deadlock_timeout = '60s'")
	second.start("SELECT pg_advisory_lock(43)")
	b.until("the second replica waits", second, func(p *event.Picture) bool { return p.Session.Wait != nil })
	locked.start("CREATE INDEX CONCURRENTLY j ON u (n)")
	b.until("the builder's cycle", locked, func(p *event.Picture) bool { return p.Cycle })
	b.until("the replica's cycle", second, func(p *event.Picture) bool { return p.Cycle })

	// Behind somebody else's transaction it waits too, and that is no cycle.
	other := newBench(t, kitPQ)
	other.do("CREATE TABLE t (n int)")
	writer := other.client().do("BEGIN", "INSERT INTO t VALUES (1)")
	slow := other.client()
	slow.start("CREATE INDEX CONCURRENTLY i ON t (n)")
	if p := other.until("it waits", slow, func(p *event.Picture) bool { return p.Session.Wait != nil }); p.Cycle || !slices.Equal(ids(p.Blockers), []int64{writer.id}) {
		t.Errorf("the picture is %+v", p)
	}
}

// TestRewrite: a table that is being rewritten is told from one whose definition
// alone changes, and from one that is new.
func TestRewrite(t *testing.T) {
	for _, c := range []struct {
		name, first, statement string
		rewrite                bool
	}{
		{"rewritten", "SELECT 1", "ALTER TABLE t ALTER COLUMN n TYPE bigint USING slow(n)", true},
		{"new", "ALTER TABLE t ADD COLUMN m int", "CREATE TABLE u AS SELECT slow(1)", false},
		{"checked", "SELECT 1", "ALTER TABLE t ADD CHECK (slow(n) > 0)", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, kitPQ)
			b.do("CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)",
				"CREATE FUNCTION slow(n int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN n; END $$")
			migration := b.client().do("BEGIN", c.first)
			migration.start(c.statement)
			p := b.until("it runs", migration, func(p *event.Picture) bool {
				return p.Session.State == "active" && len(p.Held) > 0 && p.Held[0].Mode == "AccessExclusiveLock" && (p.Rewrite || !c.rewrite) && strings.Contains(p.Session.Query, c.statement)
			})
			if p.Rewrite != c.rewrite || p.Held[0].Object != "public.t" || !p.Held[0].Granted || p.Held[0].Stops != stopsAll {
				t.Errorf("the picture is %+v", p)
			}
		})
	}
}

// TestSleeping: a statement that runs long, with no lock about, is nobody's
// fault.
func TestSleeping(t *testing.T) {
	b := newBench(t, kitPQ)
	migration := b.client()
	migration.start("SELECT pg_sleep(30)")
	p := b.until("it runs", migration, func(p *event.Picture) bool { return p.Session.State == "active" && p.Session.TxAge > 0 })
	if p.Session.Wait != nil || len(p.Blockers) > 0 || p.Queue > 0 || len(p.Held) > 0 || p.Progress != nil {
		t.Errorf("the picture is %+v", p)
	}
}

// TestSessions: a session that is gone has no picture, and those of one look all
// have theirs.
func TestSessions(t *testing.T) {
	b := newBench(t, kitPQ)
	one, two := b.client(), b.client()
	seen, err := b.probe.Look(t.Context(), []Asked{{Session: one.id}, {Session: two.id}, {Session: 1}})
	if err != nil || len(seen) != 2 || seen[one.id] == nil || seen[two.id] == nil {
		t.Errorf("Look = %v, %v", seen, err)
	}
	if s := b.probe.Stats(); s != (Stats{Looks: 1}) {
		t.Errorf("stats: %+v", s)
	}
}

// TestLessPrivileged: what a role may not see is missing and said to be, with
// the statement that gives it.
func TestLessPrivileged(t *testing.T) {
	for _, c := range []struct {
		name   string
		grants []string
		want   []string
		query  string
	}{
		{"no grant", nil, []string{"GRANT pg_read_all_stats TO ", "GRANT pg_signal_backend TO "}, ""},
		{"both", []string{"pg_read_all_stats", "pg_signal_backend"}, nil, "redacted: LOCK TABLE t IN ACCESS SHARE MODE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Who blocks is a third role, since nobody may end a superuser's session.
			dsn := testdb.PostgreSQL(t)
			admin := newBenchOn(t, dsn)
			admin.do("CREATE TABLE t (n int)")
			b := benchAs(t, kitPQ, testdb.PostgreSQLRole(t, dsn, append(c.grants, "ALL ON TABLE t")...), nil)
			blocker := b.clientOf(b.open(testdb.PostgreSQLRole(t, dsn, "SELECT ON TABLE t"))).do("BEGIN", "LOCK TABLE t IN ACCESS SHARE MODE")
			migration := b.client()
			migration.start("TRUNCATE t")
			p := b.until("it waits", migration, func(p *event.Picture) bool { return len(p.Blockers) > 0 })
			got := strings.Split(fixes(p), "; ")
			for i, want := range c.want {
				if len(got) != len(c.want) || !strings.HasPrefix(got[i], want) {
					t.Errorf("missing: %q, want %q", got, c.want)
				}
			}
			if c.want == nil && len(p.Missing) > 0 {
				t.Errorf("missing: %+v", p.Missing)
			}
			root := p.Blockers[0]
			if root.PID != blocker.id || root.User == "" || root.Query != c.query || (root.State == "") != (c.query == "") {
				t.Errorf("the blocker is %+v", root)
			}
			if p.Session.State == "" || p.Session.Query == "" {
				t.Errorf("our own session is hidden: %+v", p.Session)
			}
			// The statement that is asked for is one that works.
			for _, fix := range c.want {
				i := slices.IndexFunc(got, func(g string) bool { return strings.HasPrefix(g, fix) })
				admin.do(got[i])
			}
			p = b.until("nothing is missing", migration, func(p *event.Picture) bool { return len(p.Missing) == 0 })
			if p.Blockers[0].Query == "" {
				t.Errorf("the blocker is %+v", p.Blockers[0])
			}
			b.quiet()
		})
	}
}

func newBenchOn(t *testing.T, dsn string) *bench { return benchAs(t, kitPQ, dsn, nil) }

// TestNeverQueues: the probe answers at once while a table is locked against all,
// a migration waits and catalogs are in use, and leaves nothing open that others
// would wait for.
func TestNeverQueues(t *testing.T) {
	b := newBench(t, kitPQ)
	b.do("CREATE TABLE t (n int)", "CREATE TABLE u (n int)")
	holder := b.client().do("BEGIN", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE", "ALTER TABLE u ADD COLUMN m int", "DROP TABLE u")
	migration := b.client()
	migration.start("ALTER TABLE t ADD COLUMN m int")
	b.until("it waits", migration, func(p *event.Picture) bool { return slices.Equal(ids(p.Blockers), []int64{holder.id}) })
	if _, err := b.probe.Baseline(t.Context()); err != nil {
		t.Error(err)
	}
	var waited, open int
	if err := b.db.QueryRow(`SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*) FILTER (WHERE state <> 'idle' OR backend_xmin IS NOT NULL)
		FROM pg_stat_activity WHERE application_name = 'sqlwitness-observer' AND datname = current_database()`).Scan(&waited, &open); err != nil {
		t.Fatal(err)
	}
	if waited != 0 || open != 0 {
		t.Errorf("%d observers wait, %d have a transaction open", waited, open)
	}
	b.quiet()
}

// TestGivesUp: where the catalog itself is locked, the probe does not wait with
// the rest, says so once, and is back when it is over.
func TestGivesUp(t *testing.T) {
	b := newBench(t, kitPQ)
	now := time.Now()
	b.probe.deps.Now = func() time.Time { return now }
	migration := b.client()
	look := func() (map[int64]*event.Picture, error) {
		return b.probe.Look(t.Context(), []Asked{{Session: migration.id}})
	}
	if seen, err := look(); err != nil || len(seen) != 1 {
		t.Fatal(seen, err)
	}
	holder := b.client().do("BEGIN", "LOCK TABLE pg_catalog.pg_class IN ACCESS EXCLUSIVE MODE")
	if _, err := look(); err == nil {
		t.Fatal("it sees through a locked catalog")
	}
	if seen, err := look(); seen != nil || err != nil {
		t.Errorf("it does not rest: %v, %v", seen, err)
	}
	now = now.Add(shortRest)
	if _, err := look(); err == nil {
		t.Error("it does not ask again")
	}
	holder.do("ROLLBACK")
	now = now.Add(2 * shortRest)
	if seen, err := look(); err != nil || len(seen) != 1 {
		t.Fatal(seen, err)
	}
	if len(b.troubles) != 2 || b.troubles[0].Kind != troubleTimeout || b.troubles[0].Over || b.troubles[1].Kind != troubleTimeout || !b.troubles[1].Over {
		t.Errorf("troubles: %+v", b.troubles)
	}
	if s := b.probe.Stats(); s != (Stats{Looks: 2, Errors: 2, Rested: 1}) {
		t.Errorf("stats: %+v", s)
	}
}

// TestNoConnectionLeft: a server without a connection to spare is left alone.
func TestNoConnectionLeft(t *testing.T) {
	dsn := testdb.PostgreSQL(t)
	admin := newBenchOn(t, dsn)
	role := testdb.PostgreSQLRole(t, dsn)
	b := benchAs(t, kitPQ, role, nil)
	u, err := url.Parse(role)
	if err != nil {
		t.Fatal(err)
	}
	admin.do("ALTER ROLE " + u.User.Username() + " CONNECTION LIMIT 1")
	migration := b.client()
	if seen, err := b.probe.Look(t.Context(), []Asked{{Session: migration.id}}); err == nil {
		t.Fatalf("Look = %v", seen)
	}
	if seen, err := b.probe.Look(t.Context(), []Asked{{Session: migration.id}}); seen != nil || err != nil {
		t.Errorf("it does not rest: %v, %v", seen, err)
	}
	if len(b.troubles) != 1 || b.troubles[0].Kind != troubleConnections || b.troubles[0].SQLState != "53300" || b.troubles[0].Hint == "" {
		t.Errorf("troubles: %+v", b.troubles)
	}
	if err := migration.conn.PingContext(t.Context()); err != nil {
		t.Errorf("the migration's own connection: %v", err)
	}
}

// TestPooled: behind a transaction pooler the next client gets the connection
// that the probe had, and none of the probe's limits with it.
func TestPooled(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX} {
		t.Run(k.name, func(t *testing.T) {
			b := newBench(t, k)
			b.until("a picture", b.client(), func(p *event.Picture) bool { return true })
			if err := b.probe.own.do(t.Context(), func(ctx context.Context, c *sql.Conn) error {
				if _, err := c.ExecContext(ctx, "COMMIT"); err != nil {
					return err
				}
				rows, err := c.QueryContext(ctx, "SELECT name FROM pg_settings WHERE source = 'session' AND name <> 'application_name' AND (name LIKE '%timeout' OR name LIKE '%read_only') AND name <> 'transaction_read_only'")
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					var name string
					if err := rows.Scan(&name); err != nil {
						return err
					}
					t.Errorf("%s stays with the connection", name)
				}
				return rows.Err()
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
