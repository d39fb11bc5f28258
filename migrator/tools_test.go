package migrator

import (
	"database/sql/driver"
	"fmt"
	"testing"
)

// What tools send that no recording here covers.

func TestDbmate(t *testing.T) {
	s := newScript(t, "postgresql")
	open := func(conn uint64) {
		s.query(conn, count, rows(int64(1)), "SELECT 1 FROM information_schema.tables WHERE  table_schema = $1 AND    table_name   = $2", "public", "schema_migrations")
		s.exec(conn, "create table if not exists public.schema_migrations (version varchar primary key)")
	}
	asides := func(conn uint64) {
		s.query(conn, []string{"current_schema"}, rows("public"), "select current_schema()")
		s.query(conn, []string{"quote_ident"}, rows("public"), "select quote_ident(unnest($1::text[]))", "{public,schema_migrations}")
	}
	s.query(1, count, rows(int64(1)), "SELECT 1 FROM information_schema.tables WHERE  table_schema = $1 AND    table_name   = $2", "public", "schema_migrations")
	s.query(1, version, none, "select version from public.schema_migrations order by version desc")
	s.close(1)
	open(2)
	s.begin(2)
	s.exec(2, "-- migrate:up\nCREATE TABLE users (id bigint);\n")
	asides(2)
	s.exec(2, "insert into public.schema_migrations (version) values ($1)", "001")
	s.commit(2)
	s.begin(2)
	s.exec(2, "-- migrate:down\nDROP TABLE users;\n")
	asides(2)
	s.exec(2, "delete from public.schema_migrations where version = $1", "001")
	s.commit(2)
	s.begin(2)
	s.fails(2, syntaxError, "-- migrate:up\nCREATE TABEL users (id bigint);\n")
	s.rollback(2)
	s.close(2)
	open(3)
	s.exec(3, "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY i ON users (id);\n")
	asides(3)
	s.exec(3, "insert into public.schema_migrations (version) values ($1)", "002")
	s.close(3)
	s.want("dbmate up 001 applied", "dbmate down 001 applied", "dbmate up - failed", "dbmate up 002 applied")
	if n := s.ended[0].Statements; n != 1 {
		t.Errorf("%d statements, want 1: a question about the session is none", n)
	}
	s.over()
}

func TestMaragu(t *testing.T) {
	s := newScript(t, "postgresql")
	s.begin(1)
	s.exec(1, "create table if not exists migrations (version text not null)")
	s.query(1, []string{"exists"}, rows(false), "select exists (select * from migrations)")
	s.exec(1, "insert into migrations values ('')")
	s.commit(1)
	s.reset(1)
	s.query(1, version, rows(""), "select version from migrations")
	for _, name := range []string{"00001-users", "00002-orders"} {
		s.reset(1)
		s.begin(1)
		s.exec(1, "update migrations set version = '"+name+"'")
		s.exec(1, "CREATE TABLE t"+name[4:5]+" (id int)")
		s.commit(1)
	}
	s.close(1)
	s.query(2, version, rows("00002-orders"), "select version from migrations")
	s.begin(2)
	s.exec(2, "update migrations set version = '00001-users'")
	s.exec(2, "DROP TABLE t2")
	s.commit(2)
	s.begin(2)
	s.exec(2, "update migrations set version = '00002-orders'")
	s.fails(2, syntaxError, "CREATE TABEL t2 (id int)")
	s.rollback(2)
	s.close(2)
	s.want("maragu up 00001-users applied", "maragu up 00002-orders applied", "maragu down 00002-orders applied", "maragu up 00002-orders failed")
	if m := s.ended[0]; !m.Atomic {
		t.Error("body and mark share a transaction: want Atomic")
	}
	s.over()
}

func TestLopezator(t *testing.T) {
	s := newScript(t, "postgresql")
	s.exec(1, "CREATE TABLE IF NOT EXISTS migrations ( id INT8 NOT NULL, version VARCHAR(255) NOT NULL, PRIMARY KEY (id) );")
	s.reset(1)
	s.query(1, count, rows(int64(0)), "SELECT count(*) FROM migrations")
	s.reset(1)
	s.begin(1)
	s.exec(1, "CREATE TABLE users (id int)")
	s.exec(1, "INSERT INTO migrations (id, version) VALUES (0, 'create_users')")
	s.commit(1)
	s.reset(1)
	s.exec(1, "CREATE INDEX CONCURRENTLY i ON users (id)")
	s.reset(1)
	s.exec(1, "INSERT INTO migrations (id, version) VALUES (1, 'index')")
	s.reset(1)
	s.begin(1)
	s.fails(1, missingTable, "ALTER TABLE nowhere ADD x int")
	s.rollback(1)
	s.close(1)
	s.want("lopezator up create_users applied", "lopezator up index applied", "lopezator unknown - failed")
	s.over()
}

func TestDarwin(t *testing.T) {
	s := newScript(t, "mysql")
	s.begin(1)
	s.exec(1, "CREATE TABLE IF NOT EXISTS darwin_migrations (id INT auto_increment, version FLOAT NOT NULL, description VARCHAR(255) NOT NULL, checksum VARCHAR(32) NOT NULL, applied_at INT NOT NULL, execution_time FLOAT NOT NULL, UNIQUE (version), PRIMARY KEY (id))")
	s.commit(1)
	for range 2 {
		s.reset(1)
		s.query(1, []string{"version", "description", "checksum", "applied_at", "execution_time"}, none,
			"SELECT version, description, checksum, applied_at, execution_time FROM darwin_migrations ORDER BY version ASC;")
	}
	for i, body := range []string{"CREATE TABLE users (id int);", "INSERT INTO users VALUES (1);"} {
		s.reset(1)
		s.begin(1)
		s.exec(1, body)
		s.commit(1)
		s.reset(1)
		s.begin(1)
		s.exec(1, "INSERT INTO darwin_migrations ( version, description, checksum, applied_at, execution_time ) VALUES (?, ?, ?, ?, ?);",
			float64(i+1), "d", "c", int64(1), float64(1))
		s.commit(1)
	}
	s.reset(1)
	s.begin(1)
	s.fails(1, syntaxError, "CREATE TABEL orders (id int);")
	s.rollback(1)
	s.close(1)
	s.want("darwin up 1 applied", "darwin up 2 applied", "darwin unknown - failed")
	s.over()
}

func TestAdlio(t *testing.T) {
	s := newScript(t, "postgresql")
	cols := []string{"id", "checksum", "execution_time_in_millis", "applied_at"}
	run := func(conn uint64, applied [][]driver.Value, body func()) {
		s.exec(conn, "SELECT pg_advisory_lock(73299452)")
		s.begin(conn)
		s.exec(conn, `CREATE TABLE IF NOT EXISTS "schema_migrations" ( id VARCHAR(255) NOT NULL, checksum VARCHAR(32) NOT NULL DEFAULT '', execution_time_in_millis INTEGER NOT NULL DEFAULT 0, applied_at TIMESTAMP WITH TIME ZONE NOT NULL )`)
		s.query(conn, cols, applied, `SELECT id, checksum, execution_time_in_millis, applied_at FROM "schema_migrations" ORDER BY id ASC`)
		body()
		s.exec(conn, "SELECT pg_advisory_unlock(73299452)")
		s.close(conn)
	}
	mark := `INSERT INTO "schema_migrations" ( id, checksum, execution_time_in_millis, applied_at ) VALUES ( $1, $2, $3, $4 )`
	run(1, none, func() {
		s.exec(1, "CREATE TABLE users (id int)")
		s.exec(1, mark, "2019-01-01 users", "c", int64(1), "now")
		s.exec(1, "INSERT INTO users VALUES (1)")
		s.exec(1, mark, "2019-01-02 fill", "c", int64(1), "now")
		if got := len(s.tracker.Pending(1)); got != 2 {
			t.Errorf("%d pending, want both", got)
		}
		s.commit(1)
	})
	run(2, [][]driver.Value{{"2019-01-01 users", "c", int64(1), "x"}}, func() {
		s.exec(2, "ALTER TABLE users ADD a int")
		s.exec(2, mark, "2019-01-03 a", "c", int64(1), "now")
		s.fails(2, syntaxError, "CREATE TABEL orders (id int)")
		s.rollback(2)
	})
	s.want("adlio up 2019-01-01 users applied", "adlio up 2019-01-02 fill applied",
		"adlio up 2019-01-03 a failed", "adlio unknown - failed")
	if len(s.runs) != 2 || s.runs[0].LockAttempts != 1 || s.runs[0].Outcome != "ok" || s.runs[1].Outcome != "failed" {
		t.Errorf("runs: %+v", s.runs)
	}
	s.over()
}

func TestRemind101(t *testing.T) {
	s := newScript(t, "postgresql")
	s.exec(1, "SELECT pg_advisory_lock(1856466978)")
	s.exec(2, "CREATE TABLE IF NOT EXISTS schema_migrations (version integer primary key not null)")
	step := func(v string, rs [][]driver.Value, body func()) {
		s.reset(2)
		s.begin(2)
		s.query(2, version, rs, "SELECT version FROM schema_migrations WHERE version = "+v)
		body()
	}
	step("1", rows(int64(1)), func() { s.commit(2) })
	step("2", none, func() {
		s.exec(2, "CREATE TABLE users (id int)")
		s.exec(2, "INSERT INTO schema_migrations (version) VALUES (2)")
		s.commit(2)
	})
	step("3", none, func() {
		s.fails(2, syntaxError, "CREATE TABEL x (id int)")
		s.rollback(2)
	})
	step("2", rows(int64(2)), func() {
		s.exec(2, "DROP TABLE users")
		s.exec(2, "DELETE FROM schema_migrations WHERE version = 2")
		s.commit(2)
	})
	s.exec(3, "SELECT pg_advisory_unlock(1856466978)") // on whatever connection the pool gave
	s.want("remind101 up 2 applied", "remind101 unknown 3 failed", "remind101 down 2 applied")
	if len(s.runs) != 1 {
		t.Errorf("%d runs have ended at the unlock, want 1", len(s.runs))
	}
	s.over()
}

func TestPop(t *testing.T) {
	s := newScript(t, "postgresql")
	s.fails(1, missingTable, "select * from schema_migration")
	s.reset(1)
	s.begin(1)
	s.exec(1, `CREATE TABLE "schema_migration" ( "version" VARCHAR (14) NOT NULL, PRIMARY KEY("version") ); CREATE UNIQUE INDEX "schema_migration_version_idx" ON "schema_migration" (version);`)
	s.commit(1)
	probe := "SELECT EXISTS (SELECT schema_migration.* FROM schema_migration AS schema_migration WHERE version = $1)"
	exists := []string{"exists"}
	s.reset(1)
	s.query(1, exists, rows(false), probe, "20200101000000")
	s.reset(1)
	s.begin(1)
	s.exec(1, "CREATE TABLE users (id int);")
	s.exec(1, "insert into schema_migration (version) values ('20200101000000')")
	s.commit(1)
	s.reset(1)
	s.query(1, exists, rows(false), probe, "20200102000000")
	s.reset(1)
	s.begin(1)
	s.fails(1, syntaxError, "CREATE TABEL users (id int);")
	s.rollback(1)
	s.reset(1)
	s.query(1, exists, rows(true), probe, "20200101000000")
	s.reset(1)
	s.begin(1)
	s.exec(1, "DROP TABLE users;")
	s.exec(1, "delete from schema_migration where version = $1", "20200101000000")
	s.commit(1)
	s.close(1)
	s.want("pop up 20200101000000 applied", "pop unknown 20200102000000 failed", "pop down 20200101000000 applied")
	s.over()
}

func TestXorm(t *testing.T) {
	s := newScript(t, "postgresql")
	exists := "SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename = $2"
	s.query(1, []string{"tablename"}, none, exists, "public", "migrations")
	s.reset(1)
	s.exec(1, `CREATE TABLE IF NOT EXISTS "public"."migrations" ("id" VARCHAR(255) PRIMARY KEY NOT NULL);`)
	step := func(id string, n int64) {
		s.reset(1)
		s.query(1, count, rows(n), "SELECT COUNT(*) FROM migrations WHERE id = $1", id)
	}
	s.reset(1)
	s.query(1, count, rows(int64(0)), "SELECT COUNT(*) FROM migrations")
	step("1_users", 0)
	s.reset(1)
	s.exec(1, "CREATE TABLE users (id int)")
	s.reset(1)
	s.exec(1, "INSERT INTO migrations (id) VALUES ($1)", "1_users")
	step("2_fill", 0)
	s.reset(1)
	s.exec(1, "INSERT INTO users VALUES ($1)", int64(1))
	s.reset(1)
	s.exec(1, "INSERT INTO migrations (id) VALUES ($1)", "2_fill")
	step("3_bad", 0)
	s.reset(1)
	s.exec(1, "CREATE TABLE t4 (id int)")
	s.reset(1)
	s.fails(1, syntaxError, "CREATE TABEL oops (id int)")
	s.close(1)
	step("2_fill", 1)
	s.reset(1)
	s.exec(1, "DELETE FROM users")
	s.reset(1)
	s.exec(1, "DELETE FROM migrations WHERE id = $1", "2_fill")
	s.close(1)
	s.want("xorm up 1_users applied", "xorm up 2_fill applied", "xorm unknown 3_bad failed", "xorm down 2_fill applied")
	s.over()
}

// bun, told to mark on success, with a body in a transaction of its own.
func TestBunMarksOnSuccess(t *testing.T) {
	s := newScript(t, "postgresql")
	s.exec(1, `CREATE TABLE IF NOT EXISTS bun_migrations ("id" BIGSERIAL NOT NULL, "name" VARCHAR, "group_id" BIGINT, "migrated_at" TIMESTAMPTZ NOT NULL DEFAULT current_timestamp, PRIMARY KEY ("id"))`)
	s.exec(1, `INSERT INTO bun_migration_locks ("id", "table_name") VALUES (DEFAULT, 'bun_migrations') RETURNING "id"`)
	s.query(1, []string{"id", "name", "group_id", "migrated_at"}, none, "SELECT * FROM bun_migrations")
	for i, body := range []string{"CREATE TABLE a (id int)", "INSERT INTO a VALUES (1)", "CREATE TABLE b (id int)"} {
		s.reset(1)
		s.begin(1)
		s.exec(1, body)
		s.commit(1)
		s.reset(1)
		s.query(1, []string{"id", "migrated_at"}, [][]driver.Value{{int64(i + 1), "t"}},
			fmt.Sprintf(`INSERT INTO bun_migrations ("id", "name", "group_id", "migrated_at") VALUES (DEFAULT, '%05d', 1, DEFAULT) RETURNING "id", "migrated_at"`, i+1))
	}
	s.reset(1)
	s.begin(1)
	s.exec(1, "DROP TABLE b")
	s.commit(1)
	s.reset(1)
	s.exec(1, "DELETE FROM bun_migrations WHERE (id = 3)")
	s.exec(1, `DELETE FROM bun_migration_locks WHERE ("table_name" = 'bun_migrations')`)
	s.want("bun up 00001 applied", "bun up 00002 applied", "bun up 00003 applied", "bun down 00003 applied")
	if len(s.runs) != 1 {
		t.Errorf("runs: %+v", s.runs)
	}
	s.over()
}

func TestAtlasStyleSequencesStayUnknown(t *testing.T) {
	s := newScript(t, "postgresql")
	s.query(1, []string{"pg_try_advisory_lock"}, rows(true), "SELECT pg_try_advisory_lock($1)", int64(2686470616))
	s.exec(2, "CREATE TABLE a (id int)")
	s.exec(2, "CREATE TABLE b (id int)")
	s.query(1, []string{"pg_advisory_unlock"}, rows(true), "SELECT pg_advisory_unlock($1)", int64(2686470616))
	s.close(2)
	s.want("unknown unknown - applied")
	if n := s.ended[0].Statements; n != 2 {
		t.Errorf("%d statements, want both in one", n)
	}
	s.over()
}

// Tools whose table tells little, under a name that is not its default.
func TestCustomNames(t *testing.T) {
	const ddl = "CREATE TABLE users (id int)"
	for tool, calls := range map[string]func(s *script){
		"dbmate up 001 applied": func(s *script) {
			s.query(1, count, none, "SELECT 1 FROM information_schema.tables WHERE  table_schema = $1 AND    table_name   = $2", "public", "app_migrations")
			s.exec(1, "create table if not exists public.app_migrations (version varchar primary key)")
			s.begin(1)
			s.exec(1, "-- migrate:up\n"+ddl)
			s.exec(1, "insert into public.app_migrations (version) values ($1)", "001")
			s.commit(1)
		},
		"maragu up 001-users applied": func(s *script) {
			s.begin(1)
			s.exec(1, "create table if not exists app_versions (version text not null)")
			s.query(1, []string{"exists"}, rows(true), "select exists (select * from app_versions)")
			s.commit(1)
			s.query(1, version, rows(""), "select version from app_versions")
			s.begin(1)
			s.exec(1, "update app_versions set version = '001-users'")
			s.exec(1, ddl)
			s.commit(1)
		},
		"lopezator up users applied": func(s *script) {
			s.exec(1, "CREATE TABLE IF NOT EXISTS app_migrations ( id INT8 NOT NULL, version VARCHAR(255) NOT NULL, PRIMARY KEY (id) );")
			s.query(1, count, rows(int64(0)), "SELECT count(*) FROM app_migrations")
			s.begin(1)
			s.exec(1, ddl)
			s.exec(1, "INSERT INTO app_migrations (id, version) VALUES (0, 'users')")
			s.commit(1)
		},
		"pop up 20200101000000 applied": func(s *script) {
			s.query(1, []string{"exists"}, rows(false), "SELECT EXISTS (SELECT app_migrations.* FROM app_migrations AS app_migrations WHERE version = $1)", "20200101000000")
			s.begin(1)
			s.exec(1, ddl)
			s.exec(1, "insert into app_migrations (version) values ('20200101000000')")
			s.commit(1)
		},
		"xorm up 1_users applied": func(s *script) {
			s.query(1, count, rows(int64(0)), "SELECT COUNT(*) FROM app_migrations WHERE id = $1", "1_users")
			s.reset(1)
			s.exec(1, ddl)
			s.reset(1)
			s.exec(1, "INSERT INTO app_migrations (id) VALUES ($1)", "1_users")
		},
		"gormigrate up 1_users applied": func(s *script) {
			s.query(1, count, rows(int64(0)), `SELECT count(*) FROM "app_migrations" WHERE id = $1`, "1_users")
			s.reset(1)
			s.exec(1, ddl)
			s.reset(1)
			s.begin(1)
			s.exec(1, `INSERT INTO "app_migrations" ("id") VALUES ($1)`, "1_users")
			s.commit(1)
		},
		"remind101 up 2 applied": func(s *script) {
			s.exec(1, "CREATE TABLE IF NOT EXISTS app_migrations (version integer primary key not null)")
			s.begin(1)
			s.query(1, version, none, "SELECT version FROM app_migrations WHERE version = 2")
			s.exec(1, ddl)
			s.exec(1, "INSERT INTO app_migrations (version) VALUES (2)")
			s.commit(1)
		},
	} {
		t.Run(tool, func(t *testing.T) {
			s := newScript(t, "postgresql")
			calls(s)
			s.close(1)
			s.want(tool)
			if len(s.runs) != 1 || s.runs[0].Applied != 1 {
				t.Errorf("runs: %+v", s.runs)
			}
			s.over()
		})
	}
}
