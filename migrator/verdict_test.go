package migrator

import (
	"database/sql/driver"
	"strings"
	"testing"
)

// TestVerdict fails each tool on each kind of database.
func TestVerdict(t *testing.T) {
	const (
		pg, my, lite = "postgresql", "mysql", "sqlite"
		table        = "CREATE TABLE a (id int)"
		bad          = "CREATE TABEL b (id int)"
		file         = table + "; " + bad

		rolledBack = "the transaction was rolled back, nothing of it remains: correct the migration and run it again"
		oneRemains = "the statement before the failing one remains"
		atOnce     = ", since DDL commits at once here: complete or undo it by hand before the next run"
		itsOwn     = "what it has committed itself remains; the version is not recorded: complete or undo it by hand before the next run"
		mayRemain  = "of the failing text, what stands before the error may remain"
	)
	inTx := func(s *script, calls func()) { s.begin(1); calls(); s.rollback(1) }
	// migrate is golang-migrate on its way from a version to another.
	migrate := func(from driver.Value, to int64, body func(s *script)) func(*script) {
		return func(s *script) {
			all := none
			if from != nil {
				all = [][]driver.Value{{from, false}}
			}
			s.query(1, migrateColumns, all, migrateRead)
			s.sets(1, to, true)
			body(s)
		}
	}
	goose := func(body func(s *script)) func(*script) {
		return func(s *script) { s.reads(1, 3); body(s) }
	}
	bun := func(mark string, body func(s *script)) func(*script) {
		return func(s *script) {
			s.query(1, []string{"id", "name", "group_id", "migrated_at"}, [][]driver.Value{{int64(3), "00003", int64(1), "t"}}, "SELECT * FROM bun_migrations")
			s.exec(1, mark)
			body(s)
		}
	}
	const bunUp, bunDown = `INSERT INTO bun_migrations ("id", "name", "group_id") VALUES (DEFAULT, '00004', 2)`, `DELETE FROM bun_migrations WHERE (id = 3)`
	probed := func(body func(s *script)) func(*script) {
		return func(s *script) {
			s.query(1, count, rows(int64(0)), `SELECT count(*) FROM "migrations" WHERE id = $1`, "4")
			body(s)
		}
	}
	maragu := func(body func(s *script)) func(*script) {
		return func(s *script) {
			s.query(1, version, rows("00003"), "select version from migrations")
			inTx(s, func() { s.exec(1, "update migrations set version = '00004'"); body(s) })
		}
	}
	fails := func(sqls ...string) func(*script) {
		return func(s *script) {
			for _, sql := range sqls[:len(sqls)-1] {
				s.exec(1, sql)
			}
			s.fails(1, syntaxError, sqls[len(sqls)-1])
		}
	}
	failsIn := func(sqls ...string) func(*script) {
		return func(s *script) { inTx(s, func() { fails(sqls...)(s) }) }
	}
	for _, test := range []struct {
		name, system string
		calls        func(*script)
		want         string
	}{
		{"golang-migrate, a file", pg, migrate(int64(3), 4, fails(file)),
			"the failing text was undone as a whole; the version table says dirty: force 3, then correct the migration and run it again"},
		{"golang-migrate, the first file", pg, migrate(nil, 1, fails(file)),
			"the failing text was undone as a whole; the version table says dirty: force -1, then correct the migration and run it again"},
		{"golang-migrate, a file that commits", pg, migrate(int64(3), 4, fails("BEGIN; "+table+"; COMMIT; "+bad)),
			"of the failing text, what it committed itself before the error remains; the version table says dirty: complete it by hand and force 4, or undo it and force 3"},
		{"golang-migrate, each statement by itself", pg, migrate(int64(3), 4, fails(table, bad)),
			oneRemains + "; the version table says dirty: complete it by hand and force 4, or undo it and force 3"},
		{"golang-migrate, down", pg, migrate(int64(4), 3, fails(bad)),
			"nothing of it remains; the version table says dirty: force 4, then correct the migration and run it again"},
		{"golang-migrate, the last down", my, migrate(int64(1), -1, fails(table, bad)),
			oneRemains + "; the version table says dirty: complete it by hand and force -1, or undo it and force 1"},
		{"golang-migrate, a file", my, migrate(int64(3), 4, fails(file)),
			mayRemain + "; the version table says dirty: complete it by hand and force 4, or undo it and force 3"},
		{"golang-migrate, a file in its transaction", lite, migrate(int64(3), 4, failsIn(file)),
			"its transaction was rolled back; the version table says dirty: force 3, then correct the migration and run it again"},
		{"golang-migrate, a file in its transaction that commits", lite, migrate(int64(3), 4, failsIn(table+"; COMMIT; "+bad)),
			"of the failing text, what it committed itself before the error remains; the version table says dirty: complete it by hand and force 4, or undo it and force 3"},
		{"golang-migrate, a file without a transaction", lite, migrate(int64(3), 4, fails(file)),
			mayRemain + "; the version table says dirty: complete it by hand and force 4, or undo it and force 3"},
		{"golang-migrate, concurrently", pg, migrate(int64(3), 4, fails("CREATE INDEX CONCURRENTLY i ON a (id)")),
			"an invalid index may remain, to be dropped first; the version table says dirty: complete it by hand and force 4, or undo it and force 3"},

		{"goose", pg, goose(failsIn(table, bad)), rolledBack},
		{"goose", lite, goose(failsIn(table, bad)), rolledBack},
		{"goose", my, goose(failsIn(table, bad)), oneRemains + atOnce},
		{"goose, at its first statement", my, goose(failsIn(bad)), rolledBack},
		{"goose, data only", my, goose(failsIn("UPDATE a SET id = 1", "DELETE FROM a WEHRE id = 1")), rolledBack},
		{"goose, after SET", my, goose(failsIn("SET SESSION lock_wait_timeout = 1", bad)), rolledBack},
		{"goose, after TRUNCATE", my, goose(failsIn("INSERT INTO a VALUES (1)", "TRUNCATE TABLE b", bad)),
			"the 2 statements before the failing one remain" + atOnce},
		{"goose, after LOCK TABLES", my, goose(failsIn("INSERT INTO a VALUES (1)", "LOCK TABLES a WRITE", bad)),
			"the 2 statements before the failing one remain" + atOnce},
		{"goose, a temporary table", my, goose(failsIn("CREATE TEMPORARY TABLE b (id int)", bad)), rolledBack},
		{"goose, after its own COMMIT", pg, goose(failsIn(table, "COMMIT", "ALTER TYPE t ADD VALUE 'x'", "BEGIN", bad)), itsOwn},
		{"goose, after a COMMIT first of all", pg, goose(failsIn("COMMIT", table, bad)), itsOwn},
		{"goose, a text that commits", pg, goose(failsIn(table+"; COMMIT; BEGIN", bad)), itsOwn},
		{"goose, NO TRANSACTION, after a call", pg, goose(fails("SELECT create_hypertable('a', 'id')", bad)),
			"what the queries before have called or written may remain; the version is not recorded: complete or undo it by hand before the next run"},
		{"goose, NO TRANSACTION, after a query", pg, goose(fails("SELECT id FROM a", bad)),
			"nothing of it remains: correct the migration and run it again"},
		{"goose, NO TRANSACTION, after SET", pg, goose(fails("SET lock_timeout = '5s'", bad)),
			"nothing of it remains: correct the migration and run it again"},
		{"goose, NO TRANSACTION", pg, goose(fails(table, table, bad)),
			"the 2 statements before the failing one remain; the version is not recorded: complete or undo it by hand before the next run"},
		{"goose, NO TRANSACTION, at its first statement", pg, goose(fails(bad)),
			"nothing of it remains: correct the migration and run it again"},
		{"goose, concurrently", pg, goose(fails("CREATE INDEX CONCURRENTLY i ON a (id)")),
			"an invalid index may remain, to be dropped first; the version is not recorded: complete or undo it by hand before the next run"},
		{"goose, a Go migration that gives up", pg, goose(func(s *script) { inTx(s, func() { s.exec(1, table) }) }),
			"the transaction was rolled back, nothing of it remains: run it again"},
		{"goose, what is there already", my, goose(func(s *script) { inTx(s, func() { s.fails(1, serverError("42P07"), table) }) }),
			"the transaction was rolled back, nothing of it remains: what it makes is there already, from an earlier attempt or another replica: compare the schema with it before the next run"},

		{"dbmate, a file in its transaction", my, func(s *script) {
			s.query(1, version, none, "select version from schema_migrations order by version desc")
			failsIn("-- migrate:up\n" + file)(s)
		}, mayRemain + atOnce},
		{"bun", pg, bun(bunUp, fails(table, bad)),
			oneRemains + "; version 00004 is recorded as applied all the same: roll it back, or remove its row, before the next run"},
		{"bun, in a transaction", pg, bun(bunUp, failsIn(table, bad)),
			"its transaction was rolled back; version 00004 is recorded as applied all the same: roll it back, or remove its row, before the next run"},
		{"bun, in a transaction", my, bun(bunUp, failsIn(table, bad)),
			oneRemains + "; version 00004 is recorded as applied all the same: roll it back, or remove its row, before the next run"},
		{"bun, down", lite, bun(bunDown, fails(bad)),
			"nothing of it remains; version 00003 is recorded as rolled back all the same: undo it by hand, or record it again"},
		{"gormigrate", pg, probed(fails(table, bad)),
			oneRemains + "; version 4 is not recorded: complete or undo it by hand before the next run"},
		{"gormigrate, UseTransaction", pg, func(s *script) { s.begin(1); probed(fails(table, bad))(s); s.rollback(1) }, rolledBack},
		{"gormigrate, UseTransaction", my, func(s *script) { s.begin(1); probed(fails(table, bad))(s); s.rollback(1) }, oneRemains + atOnce},
		{"maragu", pg, maragu(fails(table, bad)), rolledBack},
		{"maragu, after its own COMMIT", pg, maragu(fails(table, "COMMIT", bad)),
			"what it has committed itself remains; the version table has the new version already: repair by hand"},
		{"maragu", my, maragu(fails(table, bad)),
			oneRemains + "; the version table has the new version already, since DDL commits at once here: repair by hand"},
		{"DDL of nobody", pg, fails(table, bad), oneRemains + ": complete or undo it by hand"},
		{"DDL of nobody", my, failsIn(table, bad), oneRemains + atOnce},
	} {
		t.Run(test.name+" "+test.system, func(t *testing.T) {
			s := newScript(t, test.system)
			test.calls(s)
			s.over()
			if len(s.ended) != 1 {
				t.Fatalf("%d migrations have ended, want one", len(s.ended))
			}
			if got := s.ended[0].Verdict; got != test.want {
				t.Errorf("%s:\ngot  %s\nwant %s", describe(s.ended[0]), got, test.want)
			}
			if undone := strings.Contains(test.want, "nothing of it remains: ") || strings.Contains(test.want, "no statement of it was run"); s.ended[0].Undone != undone {
				t.Errorf("undone: %t, with the verdict %s", s.ended[0].Undone, test.want)
			}
		})
	}
}

// TestOwnCommit: a migration that commits by its own text is not one transaction
// any more, and what follows its own BEGIN is not permanent before the commit.
func TestOwnCommit(t *testing.T) {
	for _, c := range []struct {
		name string
		body []string
		end  func(*script)
		want string
	}{
		{"committed in the end", []string{"COMMIT", "BEGIN"}, func(s *script) { s.commit(1) }, "goose up 4 applied"},
		{"committed by one text", []string{"SELECT 1; COMMIT; BEGIN"}, func(s *script) { s.commit(1) }, "goose up 4 applied"},
		{"rolled back", []string{"COMMIT", "BEGIN"}, func(s *script) { s.rollback(1) }, "goose up 4 failed"},
		{"rolled back after one text", []string{"SELECT 1; COMMIT; BEGIN"}, func(s *script) { s.rollback(1) }, "goose up 4 failed"},
		{"no transaction is left to be committed", []string{"COMMIT"}, func(s *script) { s.commitFails(1, driver.ErrBadConn) }, "goose up 4 applied"},
	} {
		s := newScript(t, "postgresql")
		s.reads(1, 3)
		s.begin(1)
		s.exec(1, "CREATE TABLE a (id int)")
		for _, sql := range c.body {
			s.exec(1, sql)
		}
		s.exec(1, gooseInsert, int64(4), true)
		c.end(s)
		s.over()
		s.want(c.want)
		if len(s.ended) == 1 && s.ended[0].Atomic {
			t.Errorf("%s: told as one transaction", c.name)
		}
	}
}
