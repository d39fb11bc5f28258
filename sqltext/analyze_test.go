package sqltext

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// describe writes down what is known of a text, for the tables below.
func describe(t *Text) string {
	var b strings.Builder
	for i, s := range t.Statements {
		if i > 0 {
			b.WriteString(" | ")
		}
		fmt.Fprintf(&b, "%s/%s", s.Operation, s.Class)
		if len(s.Tables) > 0 {
			fmt.Fprintf(&b, " %v", s.Tables)
		}
		if len(s.Columns) > 0 {
			fmt.Fprintf(&b, " cols=%v", s.Columns)
		}
		for _, v := range s.Values {
			fmt.Fprintf(&b, " %s", show(v))
		}
		for _, c := range s.Where {
			fmt.Fprintf(&b, " %s=%s", c.Column, show(c.Value))
		}
		if s.Returning {
			b.WriteString(" returning")
		}
		if s.IfExists {
			b.WriteString(" if-exists")
		}
		if s.Concurrently {
			b.WriteString(" concurrently")
		}
		if s.Temporary {
			b.WriteString(" temporary")
		}
	}
	return b.String()
}

func show(v Value) string {
	switch v.Kind {
	case Param:
		return fmt.Sprintf("$%d", v.Param)
	case Literal:
		return fmt.Sprintf("%q", v.Literal)
	}
	return "_"
}

func TestStatements(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		sql     string
		want    string
	}{
		{PostgreSQL, `SELECT version, dirty FROM "public"."schema_migrations" LIMIT 1`, `SELECT/read [public.schema_migrations] cols=[version dirty]`},
		{PostgreSQL, `SELECT version_id, is_applied from goose_db_version ORDER BY id DESC`, `SELECT/read [goose_db_version] cols=[version_id is_applied]`},
		{PostgreSQL, `SELECT count(*) FROM "migrations" WHERE id = $1`, `SELECT/read [migrations] id=$1`},
		{PostgreSQL, `SELECT COUNT(1) FROM information_schema.tables WHERE table_schema = $1 AND table_name = $2 LIMIT 1`,
			`SELECT/read [information_schema.tables] table_schema=$1 table_name=$2`},
		{PostgreSQL, `SELECT a FROM t WHERE a = 1 OR b = 2`, `SELECT/read [t] cols=[a]`},
		{PostgreSQL, `select o.id from orders o join users as u on u.id = o.user_id, items`, `SELECT/read [orders users] cols=[id]`},
		{PostgreSQL, `TRUNCATE "public"."schema_migrations"`, `TRUNCATE/ddl [public.schema_migrations]`},
		{PostgreSQL, `INSERT INTO "public"."schema_migrations" (version, dirty) VALUES ($1, $2)`,
			`INSERT/write [public.schema_migrations] cols=[version dirty] $1 $2`},
		{MySQL, "INSERT INTO `schema_migrations` (version, dirty) VALUES (?, ?)", `INSERT/write [schema_migrations] cols=[version dirty] $1 $2`},
		{MySQL, "DELETE FROM `schema_migrations` LIMIT 1", `DELETE/write [schema_migrations]`},
		{MySQL, "SELECT ?; INSERT INTO t (a, b) SELECT max(?, 1), ? WHERE c = ?", `SELECT/read | INSERT/write [t] cols=[a b] _ $3 c=$4`},
		{MySQL, "DELETE FROM goose_db_version WHERE version_id=?", `DELETE/write [goose_db_version] version_id=$1`},
		{PostgreSQL, `insert into "gorp_migrations" ("id","applied_at") values ($1,$2);`, `INSERT/write [gorp_migrations] cols=[id applied_at] $1 $2`},
		{PostgreSQL, `INSERT INTO bun_migrations ("id", "name", "group_id", "migrated_at") VALUES (DEFAULT, '00001', 1, DEFAULT) RETURNING "id", "migrated_at"`,
			`INSERT/write [bun_migrations] cols=[id name group_id migrated_at] _ "00001" "1" _ returning`},
		{PostgreSQL, `DELETE FROM bun_migrations WHERE (id = 3)`, `DELETE/write [bun_migrations] id="3"`},
		{PostgreSQL, `DELETE FROM bun_migration_locks WHERE ("table_name" = 'bun_migrations')`, `DELETE/write [bun_migration_locks] table_name="bun_migrations"`},
		{PostgreSQL, `update migrations set version = '00001-create-users'`, `UPDATE/write [migrations] cols=[version] "00001-create-users"`},
		{PostgreSQL, `insert into migrations values ('')`, `INSERT/write [migrations] ""`},
		{PostgreSQL, `INSERT INTO migrations (id, version) VALUES (0, 'it''s')`, `INSERT/write [migrations] cols=[id version] "0" "it's"`},
		{PostgreSQL, "-- name: RiverMigrationInsertMany :many\nINSERT INTO river_migration ( line, version ) SELECT $1, unnest($2::bigint[]) RETURNING line, version",
			`INSERT/write [river_migration] cols=[line version] $1 $2 returning`},
		{PostgreSQL, `DELETE FROM river_migration WHERE line = $1 AND version = any($2::bigint[])`, `DELETE/write [river_migration] line=$1 version=$2`},
		{PostgreSQL, `UPDATE goose_lock SET locked = false, n = n + 1 WHERE lock_id = $1 AND locked_by = $2`,
			`UPDATE/write [goose_lock] cols=[locked n] "false" _ lock_id=$1 locked_by=$2`},
		{PostgreSQL, `CREATE TABLE IF NOT EXISTS "public"."schema_migrations" (version bigint not null primary key, dirty boolean not null, PRIMARY KEY (version))`,
			`CREATE TABLE/ddl [public.schema_migrations] cols=[version dirty] if-exists`},
		{PostgreSQL, `CREATE TEMP TABLE x (a numeric(10, 2))`, `CREATE TABLE/ddl [x] cols=[a] temporary`},
		{PostgreSQL, `CREATE TABLE x AS SELECT * FROM y`, `CREATE TABLE/ddl [x y]`},
		{PostgreSQL, `CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx ON ONLY public.orders (user_id)`, `CREATE INDEX/ddl [public.orders] if-exists concurrently`},
		{PostgreSQL, `DROP INDEX CONCURRENTLY idx`, `DROP INDEX/ddl concurrently`},
		{PostgreSQL, `DROP TABLE IF EXISTS a, "b c" CASCADE`, `DROP TABLE/ddl [a b c] if-exists`},
		{PostgreSQL, `ALTER TABLE ONLY public.users ADD COLUMN x int`, `ALTER TABLE/ddl [public.users]`},
		{PostgreSQL, `CREATE PUBLICATION p FOR TABLE users`, `CREATE/ddl`},
		{PostgreSQL, `ALTER PUBLICATION p ADD TABLE users`, `ALTER/ddl`},
		{PostgreSQL, `ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO x`, `ALTER/ddl`},
		{PostgreSQL, `CREATE CAST (bigint AS int4) WITH FUNCTION f(bigint)`, `CREATE/ddl`},
		{PostgreSQL, `CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()`, `CREATE TRIGGER/ddl [a]`},
		{MySQL, "CREATE ALGORITHM=MERGE DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW v AS SELECT 1", `CREATE VIEW/ddl [v]`},
		{PostgreSQL, `CREATE TABLE t (id int, event text, begin date); CREATE TABLE u (a int)`, `CREATE TABLE/ddl [t] cols=[id event begin] | CREATE TABLE/ddl [u] cols=[a]`},
		{MySQL, "CREATE DEFINER=`a`@`%` EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM t; DELETE FROM u; END; SELECT 1", `CREATE/ddl | SELECT/read`},
		{PostgreSQL, `SELECT a FROM t WHERE extract(year FROM created_at) = 2020 AND a IS DISTINCT FROM b AND c IN (SELECT c FROM u)`, `SELECT/read [t u] cols=[a]`},
		{PostgreSQL, `UPDATE t SET a = 1 WHERE a IS DISTINCT FROM b RETURNING a`, `UPDATE/write [t] cols=[a] "1" returning`},
		{PostgreSQL, `SELECT a FROM t JOIN u ON trim(both FROM u.a) = t.a`, `SELECT/read [t u] cols=[a]`},
		{PostgreSQL, `ALTER SYSTEM SET work_mem = '1GB'`, `ALTER SYSTEM/ddl`},
		{PostgreSQL, `CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $x$ SELECT 1; $x$; SELECT 2`, `CREATE FUNCTION/ddl | SELECT/read`},
		{SQLite, `CREATE TRIGGER t AFTER INSERT ON x BEGIN UPDATE y SET a = CASE WHEN 1 THEN 2 END; DELETE FROM z; END; SELECT 1`, `CREATE TRIGGER/ddl [x] | SELECT/read`},
		{MySQL, "CREATE PROCEDURE p() BEGIN IF 1 THEN SELECT 1; END IF; SELECT 2; END; SELECT 3", `CREATE PROCEDURE/ddl | SELECT/read`},
		{PostgreSQL, `WITH x AS (SELECT 1), y(a) AS (SELECT 2) INSERT INTO t (a) SELECT a FROM y`, `INSERT/write [t y] cols=[a] _`},
		{PostgreSQL, "create table a (id int);\n;create index i on a (id);\n", `CREATE TABLE/ddl [a] cols=[id] | CREATE INDEX/ddl [a]`},
		{MySQL, "CREATE TABLE `we``ird` (`id` int, KEY k (id))", "CREATE TABLE/ddl [we`ird] cols=[id]"},
		{SQLite, `SELECT "version" FROM "main"."schema_migrations" WHERE "version" = ?`, `SELECT/read [main.schema_migrations] cols=[version] version=$1`},
		{SQLite, `INSERT INTO "t" ("id", "a") SELECT "b", 1 FROM "u"`, `INSERT/write [t u] cols=[id a] "b" "1"`},
		{SQLite, "SELECT [a b] FROM [my table]", `SELECT/read [my table] cols=[a b]`},
		{PostgreSQL, `START TRANSACTION ISOLATION LEVEL SERIALIZABLE`, `BEGIN/tx`},
		{PostgreSQL, `ROLLBACK TO SAVEPOINT s`, `ROLLBACK TO/tx`},
		{PostgreSQL, `END`, `COMMIT/tx`},
		{PostgreSQL, `RESET ALL`, `RESET/session`},
		{SQLite, `PRAGMA foreign_keys = off`, `PRAGMA/session`},
		{PostgreSQL, `COPY users (id) FROM STDIN`, `COPY/write [users]`},
		{PostgreSQL, `VACUUM (FULL, ANALYZE) big`, `VACUUM/ddl [big]`},
		{PostgreSQL, `REINDEX TABLE CONCURRENTLY big`, `REINDEX/ddl [big] concurrently`},
		{PostgreSQL, "-- x\rDROP TABLE a", `DROP TABLE/ddl [a]`},
		{PostgreSQL, `gibberish here`, `OTHER/other`},
		{PostgreSQL, ``, ``},
		{PostgreSQL, ` -- nothing`, ``},
	} {
		if got := describe(Analyze(c.sql, c.dialect)); got != c.want {
			t.Errorf("%s\n\tgot  %s\n\twant %s", c.sql, got, c.want)
		}
	}
}

func TestLocks(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		sql     string
		want    string
	}{
		{PostgreSQL, `SELECT pg_advisory_lock($1)`, `pg_advisory_lock advisory acquire [$1] none col=0`},
		{PostgreSQL, `SELECT pg_catalog.pg_try_advisory_lock(1, -2)`, `pg_try_advisory_lock advisory try ["1" "-2"] bool col=0`},
		{PostgreSQL, `select now(), PG_TRY_ADVISORY_XACT_LOCK_SHARED('42'::bigint) as ok`, `pg_try_advisory_xact_lock_shared advisory try shared xact ["42"] bool col=1`},
		{PostgreSQL, `SELECT pg_advisory_lock(hashtext($1))`, `pg_advisory_lock advisory acquire [_] none col=0`},
		{PostgreSQL, `SELECT 1 WHERE pg_try_advisory_lock(7)`, `pg_try_advisory_lock advisory try ["7"] bool col=-1`},
		{PostgreSQL, `SELECT NOT (pg_try_advisory_lock(7))`, `pg_try_advisory_lock advisory try ["7"] bool col=-1`},
		{PostgreSQL, `SELECT pg_advisory_unlock($1)`, `pg_advisory_unlock advisory release [$1] bool col=0`},
		{PostgreSQL, `SELECT pg_advisory_unlock_all()`, `pg_advisory_unlock_all advisory release-all [] none col=0`},
		{PostgreSQL, `SELECT pg_advisory_lock(1), pg_advisory_lock(2)`,
			`pg_advisory_lock advisory acquire ["1"] none col=0; pg_advisory_lock advisory acquire ["2"] none col=1`},
		{MySQL, `SELECT GET_LOCK(?, 10)`, `get_lock named acquire [$1] onenull col=0 timeout="10"`},
		{MySQL, `SELECT RELEASE_LOCK('mig')`, `release_lock named release ["mig"] onenull col=0`},
		{MySQL, `SELECT RELEASE_ALL_LOCKS()`, `release_all_locks named release-all [] count col=0`},
		{MySQL, `LOCK TABLES a WRITE, b READ`, `lock table table acquire shared ["a" "b"] none col=-1`},
		{MySQL, `UNLOCK TABLES`, `unlock tables table release-all [] none col=-1`},
		{PostgreSQL, `LOCK TABLE x IN ACCESS EXCLUSIVE MODE`, `lock table table acquire xact ["x"] none col=-1`},
		{SQLServer, `EXEC @rc = sp_getapplock @Resource = @p1, @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = -1`,
			`sp_getapplock applock acquire [$0] code col=-1 timeout="-1"`},
		{PostgreSQL, `DO $$ BEGIN PERFORM pg_advisory_lock(1); END $$`, ``},
		{PostgreSQL, `SELECT 'pg_advisory_lock(1)'`, ``},
		{PostgreSQL, `SELECT my_get_lock(1)`, ``},
	} {
		var got []string
		text := Analyze(c.sql, c.dialect)
		for _, s := range text.Statements {
			for _, l := range s.Locks {
				got = append(got, describeLock(l))
			}
		}
		if g := strings.Join(got, "; "); g != c.want {
			t.Errorf("%s\n\tgot  %s\n\twant %s", c.sql, g, c.want)
		}
		if len(got) > 0 && text.Class() != ClassLock {
			t.Errorf("%s: class %s", c.sql, text.Class())
		}
	}
}

func describeLock(l LockCall) string {
	s := l.Function + " " + l.Kind + " " + []string{"acquire", "try", "release", "release-all"}[l.Action]
	if l.Shared {
		s += " shared"
	}
	if l.Xact {
		s += " xact"
	}
	args := []string{}
	for _, a := range l.Args {
		args = append(args, show(a))
	}
	s += fmt.Sprintf(" %v %s col=%d", args, []string{"none", "bool", "onenull", "count", "code"}[l.Result], l.Column)
	if l.Timeout.Kind != Other {
		s += " timeout=" + show(l.Timeout)
	}
	return s
}

func TestRedaction(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		sql     string
		want    string // "" where nothing may be shown
	}{
		{PostgreSQL, `SELECT * FROM t WHERE a = 'x' AND b = 12.5e-3 AND c = true AND d = $1`, `SELECT * FROM t WHERE a = ? AND b = ? AND c = ? AND d = $1`},
		{PostgreSQL, `SELECT x/2, y%3, -4, a.b, "Q"."q" FROM t`, `SELECT x/?, y%?, -?, a.b, "Q"."q" FROM t`},
		{PostgreSQL, `SELECT E'a\'b', U&'\0061', N'n', B'01', X'1F', $t$ it's $t$, $$x$$, 0x1F, 1_000`, `SELECT ?`},
		{PostgreSQL, `SELECT a FROM t WHERE x IN (1, 2, 3) AND y IN ($1,$2)`, `SELECT a FROM t WHERE x IN (?) AND y IN (?)`},
		{PostgreSQL, `INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')`, `INSERT INTO t VALUES (?)`},
		{PostgreSQL, "SELECT 1 -- password=hunter2\n/* secret /* nested */ secret */ + 2", `SELECT ? + ?`},
		{PostgreSQL, `SELECT a::text, b->>'k', c ?| array['x'], d @> '{}'`, `SELECT a::text, b->>?, c ?| array[?], d @> ?`},
		{PostgreSQL, `ALTER ROLE app WITH PASSWORD 'hunter2' VALID UNTIL '2030-01-01'`, `ALTER ROLE app WITH PASSWORD ? VALID UNTIL ?`},
		{MySQL, `CREATE USER 'app'@'%' IDENTIFIED BY 'hunter2'`, `CREATE USER ?@? IDENTIFIED BY ?`},
		{PostgreSQL, `CREATE SUBSCRIPTION s CONNECTION 'host=h password=hunter2' PUBLICATION p`, `CREATE SUBSCRIPTION s CONNECTION ? PUBLICATION p`},
		{PostgreSQL, `DO $do$ BEGIN EXECUTE 'secret'; END $do$`, `DO ?`},
		{MySQL, `SELECT "maybe a string", 'it\'s', _utf8mb4'x' FROM t # secret`, `SELECT ? FROM t`},
		{MySQL, "SELECT 1 --2\nFROM t", "SELECT ? --? FROM t"}, // MySQL: a comment needs a blank after --
		{SQLite, `SELECT [a b], "c", 'back\' FROM t`, `SELECT [a b], ? FROM t`},
		{SQLite, `UPDATE "users" SET "pw" = "hunter2" WHERE "users"."id" = "hunter2" OR a IS DISTINCT FROM "hunter2"`,
			`UPDATE "users" SET "pw" = ? WHERE "users"."id" = ? OR a IS DISTINCT FROM ?`},
		{SQLite, `INSERT INTO "t" ("id", "a") VALUES ("hunter2", 2)`, `INSERT INTO "t" (?) VALUES (?)`},
		{SQLite, `ALTER TABLE "t" ADD COLUMN "c" text DEFAULT "hunter2"`, `ALTER TABLE "t" ADD COLUMN "c" text DEFAULT ?`},
		{SQLite, `ATTACH "f.db" AS "x" KEY "hunter2"`, `ATTACH ? AS "x" KEY ?`},
		{SQLite, `VACUUM INTO "f.db"`, `VACUUM INTO ?`},
		{SQLServer, `SELECT "a" FROM "dbo"."t" AS "x" WHERE b = "hunter2"`, `SELECT ? FROM "dbo"."t" AS "x" WHERE b = ?`},
		{Generic, `DELETE FROM "t" WHERE b = "hunter2"`, `DELETE FROM "t" WHERE b = ?`},
		{Generic, `SELECT "a\"b" FROM t`, ``},
		{Generic, `SELECT :name, @var, ?1 FROM t;`, `SELECT :name, @var, ?1 FROM t`},

		{PostgreSQL, "SELECT 1 -- x\r, 'a\n hunter2'", `SELECT ?`},
		{SQLite, "SELECT 1 -- x\r, 'a\n + 2", `SELECT ? + ?`},
		{MySQL, "SELECT 1 --\f hunter2\n + 2", `SELECT ? + ?`},
		{Generic, "SELECT 1 -- x\r\n + 2", `SELECT ? + ?`},

		{PostgreSQL, `SELECT 'unterminated`, ``},
		{Generic, "SELECT 1 -- x\r + 2", ``},
		{PostgreSQL, `SELECT "unterminated`, ``},
		{PostgreSQL, `SELECT $x$ unterminated $y$`, ``},
		{PostgreSQL, `SELECT 1 /* unterminated /* */`, ``},
		{PostgreSQL, `SELECT 'a\'b' OR 'c'`, ``}, // standard_conforming_strings decides
		{PostgreSQL, "SELECT 'a\x00b'", ``},
		{PostgreSQL, "SELECT 'a\xff'", ``},
		{PostgreSQL, "SELECT `x`", ``},
		{MySQL, `SELECT 1 /*!50000 , 'secret' */`, ``}, // MySQL executes it
		{Generic, `SELECT /* a /* b */ 'x' */ 1`, ``},  // whether it nests, nobody knows
		{Generic, "SELECT 'a\\'b' FROM t", ``},
	} {
		got := Analyze(c.sql, c.dialect)
		if got.Redacted != c.want {
			t.Errorf("%s\n\tgot  %q\n\twant %q", c.sql, got.Redacted, c.want)
		}
		if got.Certain != (c.want != "") {
			t.Errorf("%s: certain is %v", c.sql, got.Certain)
		}
		if c.want == "" && got.Summary != "" {
			t.Errorf("%s: summary %q of an uncertain text", c.sql, got.Summary)
		}
	}
}

func TestFingerprint(t *testing.T) {
	same := [][]string{
		{"SELECT a FROM t WHERE id = 1", "select  a\nfrom T where ID = 'x' -- c", "SELECT a FROM t WHERE id = $1", "SELECT a FROM t WHERE id = 1;"},
		{"SELECT a FROM t WHERE id IN (1)", "SELECT a FROM t WHERE id IN (1, 2, 3)", "SELECT a FROM t WHERE id IN ($1, $2)"},
		{"INSERT INTO t VALUES (1, 2)", "INSERT INTO t VALUES (1, 2), (3, 4)"},
		{"SELECT 'broken"},
		{`SELECT "T" FROM t`},
		{`SELECT "t" FROM t`},
	}
	seen := map[uint64]string{}
	for _, group := range same {
		first := Analyze(group[0], PostgreSQL)
		if other, taken := seen[first.Fingerprint]; taken {
			t.Errorf("%q has the fingerprint of %q", group[0], other)
		}
		seen[first.Fingerprint] = group[0]
		for _, sql := range group {
			got := Analyze(sql, PostgreSQL)
			if got.Fingerprint != first.Fingerprint {
				t.Errorf("%q and %q differ", group[0], sql)
			}
			if got.Certain && Analyze(got.Redacted, PostgreSQL).Fingerprint != got.Fingerprint {
				t.Errorf("%q: the redacted text has another fingerprint", sql)
			}
		}
	}
	if got := Analyze("SELECT 1", PostgreSQL).FingerprintHex(); len(got) != 16 {
		t.Errorf("%q", got)
	}
}

func TestSummary(t *testing.T) {
	long := "SELECT 1 FROM " + strings.Repeat("x", 300)
	for sql, want := range map[string]string{
		"SELECT * FROM wuser_table":                                  "SELECT wuser_table",
		"INSERT INTO shipping_details SELECT * FROM orders":          "INSERT shipping_details orders",
		"CREATE TABLE users (id int); CREATE INDEX i ON users (id);": "CREATE TABLE users CREATE INDEX users",
		"CREATE INDEX idx_orders_user ON orders (user_id)":           "CREATE INDEX orders",
		long: "SELECT",
	} {
		if got := Analyze(sql, PostgreSQL).Summary; got != want {
			t.Errorf("%.60s: %q, want %q", sql, got, want)
		}
	}
}

func TestBounds(t *testing.T) {
	many := Analyze(strings.Repeat("SELECT 1;", 1000), PostgreSQL)
	if many.Count != 1000 || len(many.Statements) != MaxStatements {
		t.Errorf("%d statements, %d kept", many.Count, len(many.Statements))
	}
	if len(many.Redacted) > maxRedacted+len(" …") || !strings.HasSuffix(many.Redacted, "…") {
		t.Errorf("redacted to %d bytes", len(many.Redacted))
	}
	huge := Analyze("CREATE TABLE t (id int);\n"+strings.Repeat("é", MaxText), PostgreSQL)
	if !huge.Truncated || huge.Certain || huge.Redacted != "" || huge.Operation().String() != "CREATE TABLE" {
		t.Errorf("truncated %v, certain %v, operation %s", huge.Truncated, huge.Certain, huge.Operation())
	}
	if got := Analyze("-- migrate:up\n/* x */ SELECT 1 -- end", PostgreSQL).Comment; got != "-- migrate:up\n/* x */" {
		t.Errorf("comment %q", got)
	}
}

// BenchmarkManyParameters: the work grows with a text, not with its square.
func BenchmarkManyParameters(b *testing.B) {
	for _, n := range []int{1000, 8000, 32000} {
		sql := "INSERT INTO t VALUES (" + strings.Repeat("?,", n-1) + "?)"
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.SetBytes(int64(len(sql)))
			for b.Loop() {
				Analyze(sql, MySQL)
			}
		})
	}
}

func TestClassOfTheWholeText(t *testing.T) {
	for sql, want := range map[string]Class{
		"SELECT 1; INSERT INTO t VALUES (1); CREATE TABLE x (id int)": ClassDDL,
		"SELECT 1; UPDATE t SET a = 1":                                ClassWrite,
		"SET x = 1; SELECT 1":                                         ClassRead,
		"BEGIN; SET x = 1":                                            ClassTx,
		"":                                                            ClassOther,
	} {
		if got := Analyze(sql, PostgreSQL).Class(); got != want {
			t.Errorf("%q is %s, want %s", sql, got, want)
		}
	}
}

// TestOperationNames keeps the set closed and each name once.
func TestOperationNames(t *testing.T) {
	seen := map[string]bool{}
	for o := range Operation(NumOperations) {
		if seen[o.String()] {
			t.Errorf("%s twice", o)
		}
		seen[o.String()] = true
		if operationOf(o.String()) != o {
			t.Errorf("%s is not found", o)
		}
	}
}

func BenchmarkAnalyze(b *testing.B) {
	texts := []struct{ name, sql string }{
		{"short", "SELECT id, name FROM accounts WHERE owner = $1 AND closed_at IS NULL ORDER BY id LIMIT 10"},
		{"insert", "INSERT INTO orders (id, user_id, total, created_at) VALUES ($1, $2, $3, now()) RETURNING id"},
		{"file", strings.Repeat("CREATE TABLE orders (id bigserial primary key, user_id bigint NOT NULL, note text DEFAULT 'none');\nCREATE INDEX idx ON orders (user_id);\n", 20)},
	}
	for _, t := range texts {
		b.Run(t.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(t.sql)))
			for b.Loop() {
				Analyze(t.sql, PostgreSQL)
			}
		})
	}
}
