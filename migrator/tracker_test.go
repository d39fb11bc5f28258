package migrator

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

const (
	gooseRead   = "SELECT version_id, is_applied from goose_db_version ORDER BY id DESC"
	gooseInsert = "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)"
	gooseDelete = "DELETE FROM goose_db_version WHERE version_id=$1"
	gooseCreate = "CREATE TABLE goose_db_version ( id integer PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now() )"

	migrateRead   = `SELECT version, dirty FROM "public"."schema_migrations" LIMIT 1`
	migrateClear  = `TRUNCATE "public"."schema_migrations"`
	migrateInsert = `INSERT INTO "public"."schema_migrations" (version, dirty) VALUES ($1, $2)`
)

var (
	gooseColumns   = []string{"version_id", "is_applied"}
	migrateColumns = []string{"version", "dirty"}
)

// reads makes a connection goose's, with the versions that it has applied.
func (s *script) reads(conn uint64, versions ...int64) {
	s.t.Helper()
	var all [][]driver.Value
	for _, v := range versions {
		all = append(all, []driver.Value{v, true})
	}
	s.query(conn, gooseColumns, append(all, []driver.Value{int64(0), true}), gooseRead)
}

// sets replaces golang-migrate's row; a nil version leaves none.
func (s *script) sets(conn uint64, version any, dirty bool) {
	s.t.Helper()
	s.begin(conn)
	s.exec(conn, migrateClear)
	if version != nil {
		s.exec(conn, migrateInsert, version, dirty)
	}
	s.commit(conn)
}

func TestMarkIsProvisionalUntilCommit(t *testing.T) {
	s := newScript(t, "postgresql")
	s.reads(1)
	s.begin(1)
	s.exec(1, "CREATE TABLE a (id int)")
	s.exec(1, gooseInsert, int64(1), true)
	s.want()
	pending := s.tracker.Pending(1)
	if len(pending) != 1 || pending[0].Outcome != event.Applied || pending[0] != s.started[0] || len(pending[0].Body) != 1 {
		t.Fatalf("pending: %+v", pending)
	}
	s.commit(1)
	s.want("goose up 1 applied")
	if s.ended[0] != pending[0] {
		t.Error("not the pointer that was pending")
	}
	if m := s.ended[0]; !m.Atomic || m.Duration != 3*time.Millisecond || m.Statements != 1 {
		t.Errorf("%+v", m)
	}
	s.begin(1)
	s.exec(1, "CREATE TABLE b (id int)")
	s.exec(1, gooseInsert, int64(2), true)
	s.rollback(1)
	s.want("goose up 1 applied", "goose up 2 failed")
	s.over()
}

func TestCommitError(t *testing.T) {
	for _, tc := range []struct {
		err     error
		outcome string
		verdict string
	}{
		{driver.ErrBadConn, "interrupted", "never came"},
		{context.Canceled, "interrupted", "never came"},
		{syntaxError, "failed", "was rolled back"},
	} {
		s := newScript(t, "postgresql")
		s.reads(1)
		s.begin(1)
		s.exec(1, "CREATE TABLE a (id int)")
		s.exec(1, gooseInsert, int64(1), true)
		s.commitFails(1, tc.err)
		s.want("goose up 1 " + tc.outcome)
		class, _ := event.Classify(tc.err)
		if m := s.ended[0]; m.Err != tc.err || m.ErrorClass != class || !strings.Contains(m.Verdict, tc.verdict) {
			t.Errorf("%v %q %q", m.Err, m.ErrorClass, m.Verdict)
		}
		s.over()
	}
}

// The answer to a mark that commits by itself may be lost: then it is not known
// whether the version is recorded. In a transaction it is known that it is not.
func TestMarkLost(t *testing.T) {
	for _, tc := range []struct {
		name, system string
		tx           bool
		err          error
		end          func(*script, uint64)
		outcome      string
	}{
		{"after DDL that has committed", "mysql", true, driver.ErrBadConn, (*script).rollback, "interrupted"},
		{"and the connection is closed", "mysql", true, driver.ErrBadConn, (*script).close, "interrupted"},
		{"without a transaction", "postgresql", false, driver.ErrBadConn, nil, "interrupted"},
		{"refused", "mysql", true, syntaxError, (*script).rollback, "failed"},
		{"in a transaction", "postgresql", true, driver.ErrBadConn, (*script).rollback, "failed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t, tc.system)
			s.reads(1)
			if tc.tx {
				s.begin(1)
			}
			s.exec(1, "CREATE TABLE a (id int)")
			s.fails(1, tc.err, gooseInsert, int64(1), true)
			if tc.end != nil {
				tc.end(s, 1)
			}
			s.want("goose up 1 " + tc.outcome)
			if m := s.ended[0]; (tc.outcome == "interrupted") != strings.Contains(m.Verdict, "never came") {
				t.Errorf("verdict %q", m.Verdict)
			}
		})
	}
}

func TestDDLCommitsAtOnceOnMySQL(t *testing.T) {
	s := newScript(t, "mysql")
	s.query(1, count, rows(int64(0)), "SELECT count(*) FROM `migrations` WHERE id = ?", "a")
	s.begin(1)
	s.exec(1, "CREATE TABLE a (id int)")
	s.exec(1, "INSERT INTO `migrations` (`id`) VALUES (?)", "a")
	s.query(1, count, rows(int64(0)), "SELECT count(*) FROM `migrations` WHERE id = ?", "b")
	s.exec(1, "CREATE TABLE b (id int)")
	s.fails(1, syntaxError, "CREATE TABEL c (id int)")
	s.rollback(1)
	s.want("gormigrate up a applied", "gormigrate unknown b failed")
	if m := s.ended[1]; m.Atomic || !strings.Contains(m.Verdict, "the statement before the failing one remains") {
		t.Errorf("atomic %v, %q", m.Atomic, m.Verdict)
	}
	s.over()
}

func TestRollbackUndoesEveryMarkOfItsTransaction(t *testing.T) {
	s := newScript(t, "postgresql")
	probe := `SELECT count(*) FROM "migrations" WHERE id = $1`
	s.begin(1)
	for _, id := range []string{"a", "b"} {
		s.query(1, count, rows(int64(0)), probe, id)
		s.exec(1, "CREATE TABLE "+id+" (id int)")
		s.exec(1, `INSERT INTO "migrations" ("id") VALUES ($1)`, id)
	}
	s.query(1, count, rows(int64(0)), probe, "c")
	s.fails(1, syntaxError, "CREATE TABEL c (id int)")
	s.rollback(1)
	s.want("gormigrate up a failed", "gormigrate up b failed", "gormigrate unknown c failed")
	s.over()
}

func TestExpectedErrorsAreNoFailure(t *testing.T) {
	s := newScript(t, "postgresql")
	s.fails(1, missingTable, gooseRead)
	s.reset(1)
	s.begin(1)
	s.exec(1, gooseCreate)
	s.exec(1, gooseInsert, int64(0), true)
	s.commit(1)
	s.reads(1)
	s.close(1)
	s.want()
	if len(s.runs) != 1 || s.runs[0].Outcome != "noop" {
		t.Errorf("runs: %+v", s.runs)
	}
	s.over()
}

// What the application does on the pool's other connections while a run is open
// is neither body nor failure.
func TestApplicationBesideARun(t *testing.T) {
	s := newScript(t, "postgresql")
	s.reads(1)
	s.begin(1)
	s.exec(1, "CREATE TABLE a (id int)")

	s.exec(2, "UPDATE carts SET n = 1")
	s.fails(2, uniqueViolated, "INSERT INTO carts VALUES (1)")
	s.begin(3)
	s.exec(3, "UPDATE carts SET n = 2")
	s.fails(3, missingTable, "DELETE FROM nowhere")
	s.rollback(3)
	s.begin(3)
	s.exec(3, "UPDATE carts SET n = 3")
	s.commit(3)

	s.exec(1, gooseInsert, int64(1), true)
	s.commit(1)
	s.want("goose up 1 applied")
	if n := s.ended[0].Statements; n != 1 {
		t.Errorf("%d statements, want 1", n)
	}
	s.over()
}

func TestApplicationErrorRightAfterARun(t *testing.T) {
	for name, fails := range map[string]func(s *script){
		"read":       func(s *script) { s.queryFails(1, missingTable, "SELECT * FROM nowhere") },
		"write":      func(s *script) { s.fails(1, missingTable, "INSERT INTO nowhere VALUES (1)") },
		"constraint": func(s *script) { s.begin(1); s.fails(1, uniqueViolated, "INSERT INTO carts VALUES (1)"); s.rollback(1) },
		"arguments": func(s *script) {
			s.begin(1)
			s.fails(1, missingTable, "DELETE FROM nowhere WHERE id = $1", int64(1))
			s.rollback(1)
		},
		"look": func(s *script) { s.begin(1); s.queryFails(1, missingTable, "SELECT * FROM nowhere"); s.rollback(1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, "postgresql")
			s.reads(1, 1)
			s.reset(1)
			fails(s)
			s.want()
			s.over()
		})
	}
	// What the tool does next looks the same but for the kind of error.
	s := newScript(t, "postgresql")
	s.reads(1, 1)
	s.reset(1)
	s.begin(1)
	s.fails(1, missingTable, "UPDATE nowhere SET n = 1")
	s.rollback(1)
	s.want("goose unknown - failed")
	s.over()
}

// A connection that goes back to the pool is the application's again, though
// nothing says so.
func TestApplicationAfterARun(t *testing.T) {
	s := newScript(t, "postgresql")
	s.reads(1, 1)
	s.reset(1)
	s.begin(1)
	s.exec(1, "CREATE TABLE a (id int)")
	s.exec(1, gooseInsert, int64(2), true)
	s.commit(1)

	s.reset(1)
	s.fails(1, uniqueViolated, "INSERT INTO carts VALUES (1)")
	s.reset(1)
	s.fails(1, missingTable, "UPDATE carts SET n = $1", int64(1))
	s.reset(1)
	s.begin(1)
	s.exec(1, "UPDATE carts SET n = $1", int64(1))
	s.fails(1, uniqueViolated, "INSERT INTO carts VALUES (1)")
	s.rollback(1)
	s.reset(1)
	s.query(1, count, rows(int64(1)), "SELECT count(*) FROM carts")
	s.reset(1)
	s.fails(1, syntaxError, "SELEKT 1")
	for range quietCalls {
		s.reset(1)
		s.exec(1, "UPDATE carts SET n = 4")
	}
	s.want("goose up 2 applied")
	if s.tracker.Active() {
		t.Error("the run is open still")
	}
	if len(s.runs) != 1 || s.runs[0].Duration > 10*time.Millisecond {
		t.Errorf("the run's duration is not the tool's own: %+v", s.runs)
	}
	s.over()
}

func TestRunEndsByTime(t *testing.T) {
	s := newScript(t, "postgresql")
	s.reads(1, 1)
	s.now = s.now.Add(quietFor)
	s.exec(2, "UPDATE carts SET n = 4")
	if s.tracker.Active() || len(s.runs) != 1 {
		t.Errorf("active %v, runs %+v", s.tracker.Active(), s.runs)
	}
	s.over()
}

// A long statement is no silence.
func TestRunOutlastsALongStatement(t *testing.T) {
	s := newScript(t, "postgresql")
	s.reads(1)
	s.begin(1)
	text, role := s.text("CREATE INDEX i ON a (id)")
	c := Call{Kind: Exec, Conn: 1, InTx: true, Text: text, Role: role, Start: s.now}
	s.told(s.tracker.Before(&c))
	s.now = s.now.Add(time.Hour)
	s.exec(2, "UPDATE carts SET n = 4")
	c.Duration = time.Hour
	s.told(s.tracker.After(&c))
	s.exec(1, gooseInsert, int64(1), true)
	s.commit(1)
	s.want("goose up 1 applied")
	s.over()
}

func TestTablesThatLookAlike(t *testing.T) {
	for name, statements := range map[string][]string{
		"birds":        {"INSERT INTO migrations (id) VALUES ('swallow')", "DELETE FROM migrations WHERE id = 'swallow'"},
		"documents":    {"INSERT INTO docs (id, version) VALUES (1, 2)", "UPDATE docs SET version = 3 WHERE id = 1"},
		"settings":     {"INSERT INTO settings (version) VALUES (1)", "DELETE FROM settings WHERE version = 1"},
		"editor":       {"INSERT INTO drafts (version, dirty) VALUES (1, true)"},
		"applications": {"INSERT INTO applications (id, applied_at) VALUES ('x', 'y')", "SELECT * FROM applications"},
		"watched":      {"INSERT INTO watched (id, table_name) VALUES (1, 'carts')", "DELETE FROM watched WHERE table_name = 'carts'"},
		"leases":       {"SELECT locked_by FROM goose_lock WHERE lock_id = 1", "UPDATE goose_lock SET lease_expires_at = now() WHERE lock_id = 1"},
		"truncated":    {"TRUNCATE schema_migrations", "DELETE FROM goose_db_version"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, "postgresql")
			for _, sql := range statements {
				s.exec(1, sql)
				s.begin(1)
				s.exec(1, sql)
				s.commit(1)
			}
			s.want()
			if len(s.runs) != 0 {
				t.Errorf("runs: %+v", s.runs)
			}
			s.over()
		})
	}
}

func TestStartIsToldBeforeTheBody(t *testing.T) {
	s := newScript(t, "sqlite")
	s.exec(1, "CREATE TABLE IF NOT EXISTS schema_migrations (version uint64,dirty bool);\n  CREATE UNIQUE INDEX IF NOT EXISTS version_unique ON schema_migrations (version);")
	s.query(1, migrateColumns, none, "SELECT version, dirty FROM schema_migrations LIMIT 1")
	s.begin(1)
	s.exec(1, "DELETE FROM schema_migrations")
	s.exec(1, "INSERT INTO schema_migrations (version, dirty) VALUES (?, ?)", int64(1), true)
	if len(s.started) != 0 {
		t.Error("told while the write lock is held")
	}
	s.commit(1)
	if len(s.started) != 1 || *s.started[0].Version != "1" {
		t.Errorf("started: %+v", s.started)
	}
	s.begin(1)
	s.exec(1, "CREATE TABLE a (id int)")
	s.commit(1)
	s.begin(1)
	s.exec(1, "DELETE FROM schema_migrations")
	s.exec(1, "INSERT INTO schema_migrations (version, dirty) VALUES (?, ?)", int64(1), false)
	if got := s.tracker.Pending(1); len(got) != 1 || got[0] != s.started[0] || got[0].Outcome != event.Applied {
		t.Errorf("pending: %+v", got)
	}
	s.commit(1)
	s.want("golang-migrate up 1 applied")

	g := newScript(t, "sqlite")
	g.reads(1)
	g.begin(1)
	g.exec(1, "CREATE TABLE a (id int)")
	if got, want := g.log[len(g.log)-2:], []string{"start", "CREATE TABLE a (id int)"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if g.started[0].Version != nil {
		t.Error("a version out of nowhere")
	}
	g.exec(1, gooseInsert, int64(1), true)
	g.commit(1)
	g.want("goose up 1 applied")
	g.over()
	s.over()
}

func TestForce(t *testing.T) {
	s := newScript(t, "postgresql")
	exists := func() {
		s.exec(1, "SELECT pg_advisory_lock($1)", "42")
		s.query(1, count, rows(int64(1)), "SELECT COUNT(1) FROM information_schema.tables WHERE table_schema = $1 AND table_name = $2 LIMIT 1", "public", "schema_migrations")
		s.exec(1, "SELECT pg_advisory_unlock($1)", "42")
	}
	exists()
	if s.tracker.Active() || len(s.runs) != 0 {
		t.Error("making sure of the table is a run")
	}
	s.exec(1, "SELECT pg_advisory_lock($1)", "42")
	s.sets(1, int64(7), false)
	s.exec(1, "SELECT pg_advisory_unlock($1)", "42")
	s.exec(1, "SELECT pg_advisory_lock($1)", "42")
	s.sets(1, nil, false)
	s.exec(1, "SELECT pg_advisory_unlock($1)", "42")
	// Refused: the version table says dirty.
	s.exec(1, "SELECT pg_advisory_lock($1)", "42")
	s.query(1, migrateColumns, [][]driver.Value{{int64(4), true}}, migrateRead)
	s.exec(1, "SELECT pg_advisory_unlock($1)", "42")
	s.want("golang-migrate unknown 7 forced", "golang-migrate unknown - forced")
	if len(s.runs) != 3 || s.runs[0].Outcome != "ok" || s.runs[2].Outcome != "failed" {
		t.Errorf("runs: %+v", s.runs)
	}
	s.over()
}

func TestDirectionByTarget(t *testing.T) {
	s := newScript(t, "postgresql")
	s.query(1, migrateColumns, [][]driver.Value{{int64(2), false}}, migrateRead)
	step := func(target any, final any) {
		s.sets(1, target, true)
		s.exec(1, "ALTER TABLE a ADD b int")
		s.sets(1, final, false)
	}
	step(int64(10), int64(10))
	step(int64(2), int64(2))
	step(int64(-1), nil)
	step(int64(1), int64(1))
	s.want("golang-migrate up 10 applied", "golang-migrate down 10 applied", "golang-migrate down 2 applied", "golang-migrate up 1 applied")
	s.over()
}

func TestLockWait(t *testing.T) {
	s := newScript(t, "postgresql")
	s.reads(1)
	for _, granted := range []bool{false, false, true} {
		s.query(1, []string{"pg_try_advisory_lock"}, rows(granted), "SELECT pg_try_advisory_lock($1)", int64(4097083626))
		s.now = s.now.Add(time.Second)
	}
	s.reads(1)
	for v := range int64(2) {
		s.begin(1)
		s.exec(1, fmt.Sprintf("CREATE TABLE t%d (id int)", v))
		s.exec(1, gooseInsert, v+1, true)
		s.commit(1)
	}
	s.query(1, []string{"pg_advisory_unlock"}, rows(true), "SELECT pg_advisory_unlock($1)", int64(4097083626))
	s.want("goose up 1 applied", "goose up 2 applied")
	wait := 2*time.Second + 3*time.Millisecond
	if len(s.runs) != 1 || s.runs[0].LockWait != wait || s.runs[0].LockAttempts != 3 || s.runs[0].Applied != 2 || s.runs[0].Statements != 2 || s.runs[0].Slowest == nil {
		t.Errorf("runs: %+v", s.runs)
	}
	if a, b := s.ended[0].LockWait, s.ended[1].LockWait; a != wait || b != 0 {
		t.Errorf("lock wait %v and %v, want %v and 0", a, b, wait)
	}
	s.over()
}

func TestLockRefused(t *testing.T) {
	s := newScript(t, "postgresql")
	s.exec(1, `CREATE TABLE IF NOT EXISTS bun_migrations ("id" BIGSERIAL NOT NULL, "name" VARCHAR, "group_id" BIGINT, "migrated_at" TIMESTAMPTZ NOT NULL DEFAULT current_timestamp, PRIMARY KEY ("id"))`)
	s.fails(1, uniqueViolated, `INSERT INTO bun_migration_locks ("id", "table_name") VALUES (DEFAULT, 'bun_migrations') RETURNING "id"`)
	s.close(1)
	s.want()
	if len(s.runs) != 1 || s.runs[0].Outcome != "failed" || s.runs[0].Tool != "bun" {
		t.Errorf("runs: %+v", s.runs)
	}
	// Given back on another connection, after the run.
	s.exec(2, `DELETE FROM bun_migration_locks WHERE ("table_name" = 'bun_migrations')`)
	if s.tracker.Active() {
		t.Error("a lock that is given back opens a run")
	}
	s.over()
}

func TestUnknownDDL(t *testing.T) {
	s := newScript(t, "postgresql")
	s.exec(1, "CREATE TEMPORARY TABLE x (id int)")
	s.exec(1, "TRUNCATE carts")
	s.exec(1, "VACUUM carts")
	s.exec(1, "CREATE ROLE r")
	s.want()
	s.exec(1, "CREATE TABLE a (id int)")
	s.exec(1, "INSERT INTO a VALUES (1)") // not recognised as part of it: could be anyone's
	s.exec(1, "CREATE INDEX i ON a (id)")
	s.reset(1)
	s.want("unknown unknown - applied")
	s.begin(1)
	s.exec(1, "ALTER TABLE a ADD b int")
	s.exec(1, "UPDATE a SET b = 1")
	s.commit(1)
	s.exec(2, "DROP TABLE a")
	s.close(2)
	s.fails(3, missingTable, "DROP TABLE nowhere")
	s.want("unknown unknown - applied", "unknown unknown - applied", "unknown unknown - applied", "unknown unknown - failed")
	if a, b := s.ended[0].Statements, s.ended[1].Statements; a != 2 || b != 2 {
		t.Errorf("%d and %d statements, want 2 and 2", a, b)
	}
	if len(s.runs) != 0 {
		t.Errorf("DDL of no tool is told as a run: %+v", s.runs)
	}
	if s.tracker.Active() {
		t.Error("active still")
	}
	s.over()
}

func TestUnknownBecomesKnown(t *testing.T) {
	s := newScript(t, "postgresql")
	s.begin(1)
	s.exec(1, "CREATE TABLE river_migration(id bigserial PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT NOW(), version bigint NOT NULL)")
	if len(s.started) != 1 || s.started[0].Tool != "unknown" {
		t.Fatalf("started: %+v", s.started)
	}
	s.query(1, []string{"created_at", "version"}, [][]driver.Value{{"t", int64(1)}, {"t", int64(2)}},
		"INSERT INTO river_migration ( version ) SELECT unnest($1::bigint[]) RETURNING created_at, version", "{1,2}")
	s.commit(1)
	s.want("river up 1 applied", "river up 2 applied")
	if s.ended[0] != s.started[0] {
		t.Error("not the pointer that was told as unknown")
	}
	s.over()
}

func TestInterrupted(t *testing.T) {
	s := newScript(t, "postgresql")
	s.reads(1)
	s.begin(1)
	s.exec(1, "CREATE TABLE a (id int)")
	s.close(1)
	s.want("goose unknown - interrupted")

	s = newScript(t, "postgresql")
	s.query(1, migrateColumns, none, migrateRead)
	s.sets(1, int64(1), true)
	s.exec(1, "CREATE TABLE a (id int)")
	s.told(s.tracker.Flush())
	s.want("golang-migrate up 1 interrupted")
	s.over()
}

// A Go migration that decides to fail sends nothing but a rollback.
func TestRollbackWithoutAnError(t *testing.T) {
	s := newScript(t, "postgresql")
	s.reads(1, 1)
	s.begin(1)
	s.exec(1, "INSERT INTO a VALUES (99)")
	s.rollback(1)
	s.want("goose unknown - failed")
	if m := s.ended[0]; m.Err != nil || m.ErrorClass != "" || m.Failing != nil {
		t.Errorf("an error out of nowhere: %+v", m)
	}
	// Only looked: no migration.
	s.begin(1)
	s.query(1, count, rows(int64(1)), "SELECT count(*) FROM a")
	s.rollback(1)
	s.want("goose unknown - failed")
	s.over()
}

func TestDeleteOfNoRow(t *testing.T) {
	s := newScript(t, "postgresql")
	s.reads(1, 1)
	s.begin(1)
	s.exec(1, "CREATE TABLE a (id int)")
	s.affected(1, 0, gooseDelete, int64(2))
	s.commit(1)
	s.want("goose unknown 2 applied")
	if s.ended[0].Verdict == "" {
		t.Error("nothing is said of it")
	}
	s.over()
}

// positioned is an error that points into the text, as lib/pq's does.
type positioned struct{ Position string }

func (*positioned) Error() string    { return "syntax error" }
func (*positioned) SQLState() string { return "42601" }

func TestFailingStatement(t *testing.T) {
	s := newScript(t, "postgresql")
	s.query(1, migrateColumns, none, migrateRead)
	s.sets(1, int64(1), true)
	s.exec(1, "CREATE TABLE a (id int);")
	s.fails(1, &positioned{"28"}, "CREATE TABLE b (id int);\nUPDATE b SET name = 'secret' WEHRE id = 1;")
	s.want("golang-migrate up 1 failed")
	m := s.ended[0]
	f := m.Failing
	if f == nil || f.Index != 2 || f.Position != 28 || f.Operation != "UPDATE" || len(f.Fingerprint) != 16 {
		t.Fatalf("%+v", f)
	}
	if strings.Contains(fmt.Sprintf("%+v %+v", f, m.Body), "secret") {
		t.Error("a literal is shown")
	}
	if m.ErrorClass != event.ClassSyntax || m.SQLState != "42601" || !m.Body[1].Failed || m.Body[0].Failed {
		t.Errorf("%+v", m)
	}
	if want := "the statement before the failing one remains, the failing text was undone as a whole; the version table says dirty"; !strings.HasPrefix(m.Verdict, want) {
		t.Errorf("%q", m.Verdict)
	}
	s.over()
}

// A tool that knows what to do about an error goes on.
func TestErrorThatIsTolerated(t *testing.T) {
	s := newScript(t, "sqlite")
	s.reads(1)
	s.begin(1)
	s.fails(1, missingTable, "DROP TABLE maybe")
	s.exec(1, "CREATE TABLE a (id int)")
	s.exec(1, gooseInsert, int64(1), true)
	s.commit(1)
	s.want("goose up 1 applied")
	if m := s.ended[0]; m.Err != nil || m.Statements != 2 || !m.Body[0].Failed {
		t.Errorf("%+v", m)
	}
	s.over()
}

func TestBounds(t *testing.T) {
	s := newScript(t, "postgresql")
	s.reads(1)
	s.begin(1)
	for i := range 2 * maxBody {
		s.exec(1, fmt.Sprintf("CREATE TABLE t%d (id int)", i))
	}
	s.exec(1, gooseInsert, int64(1), true)
	s.commit(1)
	if m := s.ended[0]; len(m.Body) != maxBody || m.Statements != 2*maxBody {
		t.Errorf("%d of %d", len(m.Body), m.Statements)
	}
	for i := range uint64(1000) {
		s.exec(i+10, "UPDATE carts SET n = 1")
		if i%100 == 0 {
			s.query(i+10, count, rows(int64(0)), fmt.Sprintf("SELECT count(*) FROM information_schema.tables WHERE table_name = 'version_%d'", i))
		}
	}
	for i := range 2 * maxTables {
		s.query(2, count, rows(int64(0)), "SELECT count(*) FROM information_schema.tables WHERE table_name = $1", fmt.Sprintf("version_%d", i))
	}
	if n := len(s.tracker.tables); n > maxTables {
		t.Errorf("%d tables are remembered", n)
	}
	s.over()
	if n := len(s.tracker.conns); n != 0 {
		t.Errorf("%d connections are remembered after the run", n)
	}
}

func TestTransactionByText(t *testing.T) {
	s := newScript(t, "sqlite")
	s.exec(1, "BEGIN IMMEDIATE")
	s.exec(1, "CREATE TABLE a (id int)")
	s.want()
	s.exec(1, "COMMIT")
	s.exec(1, "BEGIN")
	s.exec(1, "CREATE TABLE b (id int)")
	s.exec(1, "ROLLBACK")
	s.want("unknown unknown - applied", "unknown unknown - failed")
	if !s.ended[0].Atomic {
		t.Error("want Atomic")
	}
	s.over()
}

func TestTrace(t *testing.T) {
	s := newScript(t, "postgresql")
	if tr := s.tracker.Trace(1); tr != (event.Trace{}) {
		t.Errorf("%+v", tr)
	}
	s.reads(1)
	s.begin(1)
	s.exec(1, "CREATE TABLE a (id int)")
	if tr := s.tracker.Trace(1); tr != s.started[0].Trace || tr.RunID == "" || tr.CorrelationID != tr.RunID {
		t.Errorf("%+v", tr)
	}
	if tr := s.tracker.Trace(2); tr.MigrationID != "" || tr.RunID != s.started[0].RunID {
		t.Errorf("another connection: %+v", tr)
	}
	s.rollback(1)
	s.over()
}

func TestClassify(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT * FROM users WHERE id = $1":                false,
		"INSERT INTO users (name) VALUES ($1)":             false,
		"INSERT INTO orders (id, version) VALUES ($1, $2)": false,
		"UPDATE users SET name = $1 WHERE id = $2":         false,
		"DELETE FROM sessions WHERE id = $1":               false,
		"SELECT count(*) FROM users WHERE id = $1":         false,
		"SELECT pg_advisory_xact_lock($1)":                 false,
		"SET search_path = x":                              false,
		"TRUNCATE carts":                                   false,
		"CREATE TEMP TABLE x (id int)":                     false,
		"VALUES (1)":                                       false,
		"":                                                 false,
		"-- nothing":                                       false,
		"CREATE TABLE x (id int)":                          true,
		"INSERT INTO x VALUES (1); DROP TABLE y":           true,
		gooseRead:                                          true,
		gooseInsert:                                        true,
		"INSERT INTO my_goose (version_id, is_applied) VALUES ($1, $2)": true,
		migrateRead:  true,
		migrateClear: true,
		"SELECT count(*) FROM migrations WHERE id = $1":                 true,
		"SELECT pg_try_advisory_lock($1)":                               true,
		"SELECT 1 FROM information_schema.tables WHERE table_name = $1": true,
		"BEGIN": true,
		"DELETE FROM bun_migration_locks WHERE (table_name = 'bun_migrations')": true,
	} {
		if got := Classify(sqltext.Analyze(sql, sqltext.PostgreSQL)); (got != 0) != want {
			t.Errorf("%q: role %b, want one: %v", sql, got, want)
		}
	}
	if r := Classify(nil); r != 0 {
		t.Errorf("nil: %b", r)
	}
}

func BenchmarkClassify(b *testing.B) {
	for _, sql := range []string{"SELECT id, name FROM users WHERE id = $1", "CREATE TABLE x (id int)", gooseInsert} {
		text := sqltext.Analyze(sql, sqltext.PostgreSQL)
		b.Run(strings.Fields(sql)[0], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Classify(text)
			}
		})
	}
}

// BenchmarkForeign is what an application's statement costs while a run is open.
func BenchmarkForeign(b *testing.B) {
	tr := New(Config{NewID: func() string { return "id" }, Now: time.Now})
	now := time.Now()
	read := sqltext.Analyze(gooseRead, sqltext.PostgreSQL)
	text := sqltext.Analyze("UPDATE users SET name = $1 WHERE id = $2", sqltext.PostgreSQL)
	b.ReportAllocs()
	for b.Loop() {
		if !tr.Active() {
			tr.After(&Call{Kind: Exec, Conn: 1, Text: read, Role: Classify(read), Start: now})
		}
		c := Call{Kind: Exec, Conn: 2, Text: text, Start: now}
		tr.Before(&c)
		tr.After(&c)
	}
}
