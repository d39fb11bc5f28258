package audit

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// triggersOff are the guards that are off, without the privileges.
func (b *bench) triggersOff() []string {
	b.t.Helper()
	states, err := b.store.Guards(context.Background())
	b.must(err)
	var list []string
	for _, g := range states {
		if g.Guard != "privileges" {
			list = append(list, g.Table+" "+g.Guard+" "+g.State)
		}
	}
	return list
}

// A guard that was taken away is told, recorded, and put back.
func TestGuardsAreRestored(t *testing.T) {
	for _, c := range []struct {
		kit          kit
		attack, want string
	}{
		{kitPQ, "ALTER TABLE sqlwitness.entry DISABLE TRIGGER ALL", "sqlwitness.entry append_only off, sqlwitness.entry no_truncate off"},
		{kitPQ, "DROP TRIGGER append_only ON sqlwitness.seal", "sqlwitness.seal append_only missing"},
		{kitPQ, "ALTER TABLE sqlwitness.node ENABLE TRIGGER append_only", "sqlwitness.node append_only altered"},
		{kitPQ, "CREATE OR REPLACE FUNCTION sqlwitness.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'", "sqlwitness.refuse body altered"},
		{kitPQ, "DROP TRIGGER append_only ON sqlwitness.entry; CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON sqlwitness.entry FOR EACH ROW WHEN (OLD.kind = 'x') EXECUTE FUNCTION sqlwitness.refuse(); ALTER TABLE sqlwitness.entry ENABLE ALWAYS TRIGGER append_only", "sqlwitness.entry append_only altered"},
		{kitSQLite, "DROP TRIGGER sqlwitness_entry_update", "sqlwitness_entry sqlwitness_entry_update missing"},
		{kitSQLite, "DROP TRIGGER sqlwitness_entry_insert; CREATE TRIGGER sqlwitness_entry_insert BEFORE INSERT ON sqlwitness_entry BEGIN SELECT 1; END", "sqlwitness_entry sqlwitness_entry_insert altered"},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			b := newBench(t, c.kit, Config{})
			b.must(b.store.Intent(t.Context(), migration("1"), false))
			if off := b.triggersOff(); len(off) > 0 {
				t.Fatalf("off at once: %q", off)
			}
			exec1(t, b.db, c.attack)
			if off := strings.Join(b.triggersOff(), ", "); off != c.want {
				t.Errorf("found %s, want %s", off, c.want)
			}
			var told []string
			next := newBenchAt(t, c.kit, b.dsn, Config{})
			next.store.deps.Finding = func(f event.Finding) {
				told = append(told, f.Object+" "+strings.TrimPrefix(f.Kind, "guard_"))
			}
			next.must(next.store.Note(t.Context(), KindForce, map[string]any{"version": "1"}))
			if len(told) != len(strings.Split(c.want, ", ")) {
				t.Errorf("told %q", told)
			}
			next.expectKinds("intent/start", "manual.guard/note", "manual.force/note")
			if off := next.triggersOff(); len(off) > 0 {
				t.Errorf("still off: %q", off)
			}
			next.expectTroubles()
		})
	}
}

// A role that may not put a guard back still tells of it and migrates.
func TestGuardsOfOthers(t *testing.T) {
	admin := newBench(t, kitPGX, Config{})
	_, err := admin.store.SetUp(t.Context(), Roles{})
	admin.must(err)
	dsn := testdb.PostgreSQLRole(t, admin.dsn, "USAGE ON SCHEMA sqlwitness", "SELECT, INSERT ON ALL TABLES IN SCHEMA sqlwitness")
	exec1(t, admin.db, "DROP TRIGGER append_only ON sqlwitness.entry")
	b := newBenchAt(t, kitPGX, dsn, Config{})
	var fix string
	b.store.deps.Finding = func(f event.Finding) { fix = f.SQL }
	b.must(b.store.Intent(t.Context(), migration("1"), false))
	admin.expectKinds("intent/start", "manual.guard/note")
	b.expectTroubles()
	exec1(t, admin.db, fix)
	if off := admin.triggersOff(); len(off) > 0 {
		t.Errorf("%q did not help: %q", fix, off)
	}
}

// With the roles apart a migration can record and nothing else.
func TestRoles(t *testing.T) {
	attacks := []string{
		"UPDATE sqlwitness.entry SET kind = 'x'", "DELETE FROM sqlwitness.entry", "DELETE FROM sqlwitness.payload",
		"DROP TABLE sqlwitness.entry", "ALTER TABLE sqlwitness.entry DROP COLUMN leaf", "ALTER TABLE sqlwitness.entry RENAME TO sqlwitness.other",
	}
	for _, c := range []struct {
		kit     kit
		attacks []string
		role    func(t *testing.T, admin *bench) (dsn, writer, owner string)
	}{
		{kitPGX, []string{
			"TRUNCATE sqlwitness.entry", "DROP TRIGGER append_only ON sqlwitness.entry", "ALTER TABLE sqlwitness.entry DISABLE TRIGGER ALL",
			"SET session_replication_role = replica", "DROP SCHEMA sqlwitness CASCADE", "CREATE OR REPLACE FUNCTION sqlwitness.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
		}, func(t *testing.T, admin *bench) (dsn, writer, owner string) {
			dsn = testdb.PostgreSQLRole(t, admin.dsn, "CREATE, USAGE ON SCHEMA public")
			writer, _, _ = strings.Cut(strings.TrimPrefix(dsn, "postgres://"), ":")
			owner = writer + "_owner"
			t.Cleanup(func() {
				exec1(t, admin.db, "DROP SCHEMA sqlwitness CASCADE", "DROP OWNED BY "+owner, "DROP ROLE "+owner)
			})
			return dsn, writer, owner
		}},
		{kitMySQL, []string{
			"TRUNCATE sqlwitness.entry", "REPLACE INTO sqlwitness.entry SELECT * FROM sqlwitness.entry", "RENAME TABLE sqlwitness.entry TO sqlwitness.other",
			"CREATE TRIGGER sqlwitness.tr BEFORE INSERT ON sqlwitness.entry FOR EACH ROW SET NEW.kind = 'x'", "DROP DATABASE sqlwitness",
			"INSERT INTO sqlwitness.entry SELECT * FROM sqlwitness.entry AS o ON DUPLICATE KEY UPDATE kind = 'x'",
		}, func(t *testing.T, admin *bench) (dsn, writer, owner string) {
			cfg, _ := mysqldriver.ParseDSN(admin.dsn)
			dsn = testdb.MariaDBUser(t, admin.dsn, "ALL ON "+cfg.DBName+".*")
			cfg, _ = mysqldriver.ParseDSN(dsn)
			return dsn, cfg.User + "@%", ""
		}},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			admin := newBench(t, c.kit, Config{})
			dsn, writer, owner := c.role(t, admin)
			for range 2 { // it may be repeated
				_, err := admin.store.SetUp(t.Context(), Roles{Writer: writer, Owner: owner})
				admin.must(err)
			}
			b := newBenchAt(t, c.kit, dsn, Config{})
			m := migration("1")
			b.must(b.store.Intent(t.Context(), m, false))
			tx := b.begin(nil)
			b.must(b.commit(tx, ended(m, event.Applied)))
			for _, text := range slices.Concat(attacks, c.attacks) {
				if _, err := b.db.Exec(text); err == nil {
					t.Errorf("allowed: %s", text)
				}
			}
			admin.expectKinds("intent/start", "outcome/commit")
			b.expectTroubles()
			states, err := b.store.Guards(t.Context())
			b.must(err)
			if len(states) > 0 {
				t.Errorf("the guards are complete, found %+v", states)
			}
		})
	}
}

// An account that may do too much is named, with what takes it away.
func TestPrivileges(t *testing.T) {
	for _, c := range []struct {
		kit  kit
		role func(t *testing.T, admin *bench) string
		want string
	}{
		{kitPGX, func(t *testing.T, admin *bench) string {
			return testdb.PostgreSQLRole(t, admin.dsn, "USAGE ON SCHEMA sqlwitness", "SELECT, UPDATE ON sqlwitness.entry", "DELETE ON sqlwitness.payload")
		}, "REVOKE UPDATE ON sqlwitness.entry FROM test_"},
		{kitMySQL, func(t *testing.T, admin *bench) string {
			cfg, _ := mysqldriver.ParseDSN(admin.dsn)
			return testdb.MariaDBUser(t, admin.dsn, "ALL ON "+cfg.DBName+".*", "SELECT, INSERT, DELETE ON sqlwitness.*", "DELETE ON sqlwitness.payload")
		}, "REVOKE DELETE ON sqlwitness.* FROM 'test_"},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			admin := newBench(t, c.kit, Config{})
			_, err := admin.store.SetUp(t.Context(), Roles{})
			admin.must(err)
			b := newBenchAt(t, c.kit, c.role(t, admin), Config{})
			find := func() (found []GuardState) {
				states, err := b.store.Guards(t.Context())
				b.must(err)
				for _, g := range states {
					if strings.HasPrefix(g.Fix, "REVOKE") {
						found = append(found, g)
					}
				}
				return found
			}
			found := find()
			if len(found) != 1 || !strings.HasPrefix(found[0].Fix, c.want) || found[0].Guard != "privileges" {
				t.Fatalf("found %+v, want one with %s", found, c.want)
			}
			exec1(t, admin.db, found[0].Fix)
			if found := find(); len(found) > 0 {
				t.Errorf("still %+v", found)
			}
		})
	}
}

// What a role may not ask for is refused with the reason.
func TestRolesRefused(t *testing.T) {
	for _, c := range []struct {
		system string
		roles  Roles
		want   string
	}{
		{"oracle", Roles{}, "no tables"},
		{"sqlite", Roles{Writer: "app"}, "no roles"},
		{"mysql", Roles{Owner: "app"}, "no owner"},
		{"mysql", Roles{Writer: "app"}, "user@host"},
		{"mariadb", Roles{EventTrigger: true}, "no event triggers"},
	} {
		if _, err := SetupSQL(c.system, c.roles); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %+v: error %v, want one with %q", c.system, c.roles, err, c.want)
		}
	}
}

// What is printed is all that an administrator has to run.
func TestSetupSQL(t *testing.T) {
	for _, c := range []struct {
		kit   kit
		roles Roles
	}{
		{kitPGX, Roles{Writer: "audit_writer", Owner: "audit 'owner\"", EventTrigger: true}},
		{kitMySQL, Roles{}},
		{kitSQLite, Roles{}},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			b := newBench(t, c.kit, Config{})
			if c.roles.Writer != "" {
				exec1(t, b.db, "CREATE ROLE audit_writer")
				t.Cleanup(func() {
					exec1(t, b.db, "DROP OWNED BY audit_writer, "+pgName(c.roles.Owner)+" CASCADE", "DROP ROLE audit_writer, "+pgName(c.roles.Owner))
				})
			}
			statements, err := SetupSQL(c.kit.system, c.roles)
			b.must(err)
			exec1(t, b.db, statements...)
			states, err := b.store.Guards(t.Context())
			b.must(err)
			for _, g := range states {
				if g.Guard != "privileges" || c.kit.system == "postgresql" {
					t.Errorf("not complete: %+v", g)
				}
			}
			if ran, err := b.store.SetUp(t.Context(), Roles{}); err != nil || len(ran) > 0 {
				t.Errorf("something was missing: %q, %v", ran, err)
			}
		})
	}
}

// Processes that make the tables at once take none of the guards that another is
// about to make for one that was removed.
func TestGuardsOfNewTables(t *testing.T) {
	for _, k := range []kit{kitPGX, kitSQLite} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, k, Config{})
			c, err := k.connector(b.dsn)
			b.must(err)
			start := make(chan struct{})
			var all sync.WaitGroup
			for range 16 {
				s := b.open(c.Connect, Config{}, Deps{Finding: func(f event.Finding) { t.Errorf("told of %s %s", f.Kind, f.Object) }})
				all.Go(func() {
					<-start
					_ = s.Intent(t.Context(), migration("1"), false) // one that is not let through goes to the spool
				})
			}
			close(start)
			all.Wait()
		})
	}
}
