package audit

import (
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// A database that takes the migration and not its record: the migration goes
// through, in its transaction too, and the record is in the spool.
func TestRecordRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		kit   kit
		class string
		// refuse returns who migrates, and keeps the record out.
		refuse func(t *testing.T, admin *bench) *bench
	}{
		{"may only read", kitPQ, event.ClassPermission, func(t *testing.T, admin *bench) *bench {
			return newBenchAt(t, kitPQ, testdb.PostgreSQLRole(t, admin.dsn, "CREATE, USAGE ON SCHEMA public",
				"USAGE ON SCHEMA sqlwitness", "SELECT ON ALL TABLES IN SCHEMA sqlwitness"), Config{})
		}},
		{"disk full", kitPQ, "", func(t *testing.T, admin *bench) *bench {
			exec1(t, admin.db, `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$`,
				"CREATE TRIGGER full_disk BEFORE INSERT ON sqlwitness.entry EXECUTE FUNCTION full_disk()")
			return newBenchAt(t, kitPQ, admin.dsn, Config{})
		}},
		{"table full", kitMySQL, "", func(t *testing.T, admin *bench) *bench {
			exec1(t, admin.db, "CREATE TRIGGER sqlwitness.full BEFORE INSERT ON sqlwitness.entry FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114")
			return newBenchAt(t, kitMySQL, admin.dsn, Config{})
		}},
		{"file full", kitSQLite, "", func(t *testing.T, admin *bench) *bench {
			exec1(t, admin.db, "CREATE TRIGGER full BEFORE INSERT ON sqlwitness_entry BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")
			return newBenchAt(t, kitSQLite, admin.dsn, Config{})
		}},
	} {
		t.Run(c.kit.name+"/"+c.name, func(t *testing.T) {
			admin := newBench(t, c.kit, Config{})
			admin.must(admin.store.ready(t.Context()))
			b := c.refuse(t, admin)
			for _, version := range []string{"1", "2"} {
				m := migration(version)
				b.must(b.store.Intent(t.Context(), m, false))
				tx := b.begin(nil)
				exec1(t, tx, "CREATE TABLE t"+version+" (a int)")
				b.must(b.commit(tx, ended(m, event.Applied)))
				if !admin.has("t" + version) {
					t.Errorf("migration %s is gone", version)
				}
				b.truly(version, m, event.Applied)
				expectGuarantee(t, m, event.None)
			}
			if got := b.store.Stats(); got.Spooled != 4 || got.Lost > 0 || got.Written+got.InTx > 0 {
				t.Errorf("stats are %+v", got)
			}
			if len(b.troubles) == 0 || c.class != "" && b.troubles[0].Class != c.class {
				t.Errorf("troubles are %+v", b.troubles)
			}
		})
	}
}
