package audit

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// A role that may neither make nor write the tables migrates all the same.
func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		kit  kit
		role func(t *testing.T, admin *bench) string
		hint string
	}{
		{kitPQ, func(t *testing.T, admin *bench) string {
			return testdb.PostgreSQLRole(t, admin.dsn, "CREATE, USAGE ON SCHEMA public")
		}, "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA sqlwitness TO \"test_"},
		{kitPQ, func(t *testing.T, admin *bench) string { // the tables are there, others made them
			admin.must(admin.store.ready(t.Context()))
			return testdb.PostgreSQLRole(t, admin.dsn, "CREATE, USAGE ON SCHEMA public")
		}, "GRANT USAGE ON SCHEMA sqlwitness TO \"test_"},
		{kitMySQL, func(t *testing.T, admin *bench) string {
			cfg, _ := mysqldriver.ParseDSN(admin.dsn)
			return testdb.MariaDBUser(t, admin.dsn, "ALL ON "+cfg.DBName+".*")
		}, "GRANT SELECT, INSERT ON sqlwitness.* TO 'test_"},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			admin := newBench(t, c.kit, Config{})
			b := newBenchAt(t, c.kit, c.role(t, admin), Config{})
			for _, version := range []string{"1", "2"} {
				m := migration(version)
				b.must(b.store.Intent(t.Context(), m, false))
				tx := b.begin(nil)
				exec1(t, tx, "CREATE TABLE t"+version+" (a int)")
				b.must(b.commit(tx, ended(m, event.Applied)))
				exec1(t, b.conn, "SELECT a FROM t"+version)
				expectGuarantee(t, m, event.None)
			}
			if len(b.texts) > 0 {
				t.Errorf("the tool's transaction was tried with what is known to fail: %q", b.texts)
			}
			b.expectTroubles(TroubleForbidden)
			if tr := b.troubles[0]; !strings.Contains(tr.Hint, c.hint) || tr.Spool != b.store.cfg.Spool || tr.Class != event.ClassPermission {
				t.Errorf("the warning is %+v, want a hint with %s", tr, c.hint)
			}
			if got := b.store.Stats().entries(); got != (Stats{Spooled: 4}) {
				t.Errorf("stats are %+v", got)
			}
			b.expectSpool("intent/start", "outcome/after", "intent/start", "outcome/after")
		})
	}
}

// expectSpool reads the spool back and checks each line against the format.
func (b *bench) expectSpool(want ...string) {
	b.t.Helper()
	info, err := os.Stat(b.store.cfg.Spool)
	b.must(err)
	if info.Mode().Perm() != 0o600 {
		b.t.Errorf("the spool's mode is %v", info.Mode())
	}
	f, err := os.Open(b.store.cfg.Spool)
	b.must(err)
	defer f.Close()
	var got []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var l struct {
			V                                 int
			ID, Attempt, Kind, Stage, Because string
			Leaf                              []byte
			Sections                          map[string]struct{ Salt, Body []byte }
		}
		b.must(json.Unmarshal(lines.Bytes(), &l))
		r := row{id: l.ID, attempt: l.Attempt, kind: l.Kind, stage: l.Stage, leaf: canonicalObject(b.t, l.Leaf)}
		check(b.t, r)
		commitments := r.leaf["c"].(map[string]any)
		for name, s := range l.Sections {
			canonicalObject(b.t, s.Body)
			if commitments[name] != commit(s.Salt, s.Body) {
				b.t.Errorf("%s: section %s is not what the leaf commits to", r, name)
			}
		}
		if l.V != 1 || l.Because == "" || len(l.Sections) != len(commitments) {
			b.t.Errorf("a line has %+v", l)
		}
		got = append(got, r.String())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("the spool has %v, want %v", got, want)
	}
}

// The tables are enough: a role that may INSERT and SELECT needs no more.
func TestLeastPrivilege(t *testing.T) {
	for _, c := range []struct {
		kit  kit
		role func(t *testing.T, admin *bench) string
	}{
		{kitPGX, func(t *testing.T, admin *bench) string {
			return testdb.PostgreSQLRole(t, admin.dsn, "CREATE, USAGE ON SCHEMA public", "USAGE ON SCHEMA sqlwitness", "SELECT, INSERT ON ALL TABLES IN SCHEMA sqlwitness")
		}},
		{kitMySQL, func(t *testing.T, admin *bench) string {
			cfg, _ := mysqldriver.ParseDSN(admin.dsn)
			return testdb.MariaDBUser(t, admin.dsn, "ALL ON "+cfg.DBName+".*", "SELECT, INSERT ON sqlwitness.*")
		}},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			admin := newBench(t, c.kit, Config{})
			for _, text := range Setup(c.kit.system) { // as an administrator would
				exec1(t, admin.db, text)
			}
			b := newBenchAt(t, c.kit, c.role(t, admin), Config{})
			m := migration("1")
			b.must(b.store.Intent(t.Context(), m, false))
			tx := b.begin(nil)
			b.must(b.commit(tx, ended(m, event.Applied)))
			rows := admin.expect("intent/start", "outcome/commit applied")
			user := rows[0].sections["actor"]["db_user"].(map[string]any)
			if user["trust"] != "verified" || !strings.HasPrefix(user["value"].(string), "test_") {
				t.Errorf("the database's user is %v", user)
			}
			b.expectTroubles()
		})
	}
}

func TestUnwritableSpool(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(file, "no", "folder"), link} {
		b := &bench{t: t, kit: kitPQ}
		b.store = b.open(func(context.Context) (driver.Conn, error) { return nil, errors.New("down") }, Config{Spool: path}, Deps{})
		for range 2 {
			m := migration("1")
			b.must(b.store.Intent(t.Context(), m, false))
			b.must(b.store.Outcome(t.Context(), ended(m, event.Applied)))
			expectGuarantee(t, m, event.None)
		}
		b.expectTroubles(TroubleSpool)
		if got := b.store.Stats().entries(); got != (Stats{Lost: 4}) {
			t.Errorf("stats are %+v", got)
		}
		if content, _ := os.ReadFile(file); len(content) > 0 {
			t.Errorf("the link was followed")
		}
	}
}

// A spool that was moved away is begun again.
func TestSpoolRotated(t *testing.T) {
	b := &bench{t: t, kit: kitPQ}
	b.store = b.open(func(context.Context) (driver.Conn, error) { return nil, errors.New("down") }, Config{}, Deps{})
	b.must(b.store.Intent(t.Context(), migration("1"), false))
	b.must(os.Rename(b.store.cfg.Spool, b.store.cfg.Spool+".1"))
	b.must(b.store.Intent(t.Context(), migration("2"), false))
	b.expectSpool("intent/start")
	b.expectTroubles(TroubleUnreachable)
}

func TestUnsupported(t *testing.T) {
	b := &bench{t: t, kit: kit{system: "other_sql"}}
	b.store = b.open(func(context.Context) (driver.Conn, error) { t.Error("connected"); return nil, errors.New("") }, Config{}, Deps{})
	m := migration("1")
	b.must(b.store.Intent(t.Context(), m, true))
	b.must(b.store.Commit(t.Context(), nil, []*event.Migration{ended(m, event.Applied)}))
	b.store.Committed(t.Context(), []*event.Migration{m}, nil)
	expectGuarantee(t, m, event.None)
	b.expectTroubles(TroubleUnsupported)
	b.expectSpool("intent/start", "outcome/after")
}

func TestOff(t *testing.T) {
	s, err := Open(Config{Mode: Off}, event.Database{System: "postgresql"}, nil, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	m := migration("1")
	err = errors.Join(s.Intent(t.Context(), m, false), s.Commit(t.Context(), nil, []*event.Migration{m}))
	s.Committed(t.Context(), []*event.Migration{m}, nil)
	if err != nil || m.Guarantee != event.None {
		t.Errorf("error %v, guarantee %q", err, m.Guarantee)
	}
	if err := s.Outcome(t.Context(), m); err != nil {
		t.Error(err)
	}
}

func TestStrict(t *testing.T) {
	t.Run("intent", func(t *testing.T) {
		b := &bench{t: t, kit: kitPQ}
		b.store = b.open(func(context.Context) (driver.Conn, error) { return nil, errors.New("dial tcp canary-host:5432") }, Config{Mode: Strict}, Deps{})
		m := migration("1")
		err := b.store.Intent(t.Context(), m, false)
		var refused *Error
		if !errors.As(err, &refused) || refused.Class != "unreachable" || strings.Contains(err.Error(), "canary") {
			t.Errorf("error is %v", err)
		}
		if err := b.store.Outcome(t.Context(), ended(m, event.Failed)); err == nil {
			t.Error("an outcome that is not recorded is no error")
		}
	})
	t.Run("commit", func(t *testing.T) {
		each(t, []kit{kitPQ, kitPGX}, func(t *testing.T, b *bench) {
			b.store.cfg.Mode = Strict
			m := migration("1")
			b.must(b.store.Intent(t.Context(), m, false))
			exec1(t, b.db, "DROP SCHEMA sqlwitness CASCADE")
			tx := b.begin(nil)
			exec1(t, tx, "CREATE TABLE t (a int)")
			var refused *Error
			if err := b.commit(tx, ended(m, event.Applied)); !errors.As(err, &refused) || !strings.HasPrefix(refused.Error(), "audit: could not record the outcome in the transaction: missing_object (42P01)") {
				t.Errorf("error is %v", err)
			}
			if _, err := b.db.Exec("SELECT a FROM t"); err == nil {
				t.Error("it was committed")
			}
		})
	})
	t.Run("recorded", func(t *testing.T) {
		for _, k := range allKits {
			b := newBench(t, k, Config{Mode: Strict})
			m := migration("1")
			b.must(b.store.Intent(t.Context(), m, false))
			b.must(b.commit(b.begin(nil), ended(m, event.Applied)))
			b.expect("intent/start", "outcome/commit applied")
		}
	})
}

func TestInMemory(t *testing.T) {
	for _, c := range []struct {
		name, dsn string
		deps      Deps
	}{
		{"told", "file:x?mode=memory", Deps{InMemory: true}},
		{"found", "file:x?mode=memory&cache=shared", Deps{}},
		{"temporary", "", Deps{}},
	} {
		for _, mode := range []Mode{BestEffort, Strict} {
			t.Run(c.name+"/"+mode.String(), func(t *testing.T) {
				b := newBenchAt(t, kitSQLite, c.dsn, Config{})
				connect := dsnConnector{c.dsn}.Connect
				if c.deps.InMemory {
					connect = func(context.Context) (driver.Conn, error) { t.Error("connected"); return nil, errors.New("") }
				}
				b.store = b.open(connect, Config{Mode: mode}, c.deps)
				m := migration("1")
				if err := b.store.Intent(t.Context(), m, false); (err != nil) != (mode == Strict) {
					t.Errorf("error is %v", err)
				}
				_ = b.commit(b.begin(nil), ended(m, event.Applied))
				if mode == BestEffort {
					expectGuarantee(t, m, event.None)
				}
				b.expectTroubles(TroubleInMemory)
				if _, err := os.Stat(b.store.cfg.Spool); !errors.Is(err, fs.ErrNotExist) {
					t.Error("there is a spool")
				}
			})
		}
	}
}

// The tool's transaction has read before the migration begins (gormigrate does).
// If anyone else wrote then, its own next write would fail.
func TestSQLiteSnapshot(t *testing.T) {
	run := func(t *testing.T, inTx bool) (*bench, *event.Migration, error) {
		b := newBench(t, kitSQLite, Config{})
		exec1(t, b.conn, "PRAGMA journal_mode = WAL", "PRAGMA busy_timeout = 0", "CREATE TABLE v (id int)")
		b.must(b.store.ready(t.Context()))
		tx := b.begin(nil)
		var n int
		b.must(tx.QueryRow("SELECT count(*) FROM v").Scan(&n))
		m := migration("1")
		b.must(b.store.Intent(t.Context(), m, inTx))
		if _, err := tx.Exec("CREATE TABLE t (a int)"); err != nil {
			return b, m, errors.Join(err, tx.Rollback())
		}
		return b, m, b.commit(tx, ended(m, event.Applied))
	}
	b, m, err := run(t, true)
	b.must(err)
	b.expect("intent/start", "outcome/commit applied")
	expectGuarantee(t, m, event.InTx)
	if len(b.texts) != 1 {
		t.Errorf("%d round trips", len(b.texts))
	}
	if _, _, err := run(t, false); err == nil || !strings.Contains(err.Error(), "(517)") {
		t.Errorf("a second writer did no harm (%v): the rule has no reason", err)
	}
}

// The tool has the file's one write lock already (BEGIN IMMEDIATE).
func TestSQLiteLocked(t *testing.T) {
	for _, mode := range []Mode{BestEffort, Strict} {
		b := newBench(t, kitSQLite, Config{Mode: mode})
		b.must(b.store.ready(t.Context()))
		exec1(t, b.conn, "BEGIN IMMEDIATE", "CREATE TABLE t (a int)")
		m := migration("1")
		start := time.Now()
		b.must(b.store.Intent(t.Context(), m, false))
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v", took)
		}
		b.must(b.join(ended(m, event.Applied)))
		exec1(t, b.conn, "COMMIT")
		b.store.Committed(t.Context(), []*event.Migration{m}, nil)
		b.expect("intent/start", "outcome/commit applied")
		expectGuarantee(t, m, event.InTx)
		b.expectTroubles()
	}
}

// A store whose tables someone has locked gives up soon.
func TestPostgreSQLLocked(t *testing.T) {
	each(t, []kit{kitPQ, kitPGX}, func(t *testing.T, b *bench) {
		b.must(b.store.ready(t.Context()))
		tx := b.begin(nil)
		exec1(t, tx, "LOCK TABLE sqlwitness.entry IN ACCESS EXCLUSIVE MODE")
		start := time.Now()
		m := migration("1")
		b.must(b.store.Intent(t.Context(), m, false))
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v", took)
		}
		b.must(tx.Rollback())
		b.expectTroubles(TroubleWrite)
		if tr := b.troubles[0]; tr.Class != event.ClassLockTimeout {
			t.Errorf("the trouble is %+v", tr)
		}
		b.expectSpool("intent/start")
		var setting string
		b.must(b.store.own.do(t.Context(), func(ctx context.Context, c *sql.Conn) error {
			return c.QueryRowContext(ctx, "SELECT current_setting('lock_timeout') || current_setting('statement_timeout')").Scan(&setting)
		}))
		if setting != "00" {
			t.Errorf("a limit has stayed with the session: %s", setting)
		}
	})
}

// InnoDB ends the whole transaction that it picks as a deadlock's victim: a
// commit would then report a success that is none.
func TestMySQLDeadlock(t *testing.T) {
	b := newBench(t, kitMySQL, Config{})
	m := migration("1")
	b.must(b.store.Intent(t.Context(), m, false))
	b.sealed() // sealing would wait too, and is not what is waited for below
	exec1(t, b.db, "CREATE TABLE big (id INT PRIMARY KEY, a INT)", "INSERT INTO big SELECT seq, 0 FROM seq_1_to_1000", "CREATE TABLE one (a INT)", "INSERT INTO one VALUES (1)")
	tx := b.begin(nil)
	exec1(t, tx, "UPDATE one SET a = 2")

	other, err := b.db.Conn(t.Context())
	b.must(err)
	defer other.Close()
	exec1(t, other, "BEGIN", "UPDATE big SET a = 1", "SELECT * FROM sqlwitness.entry FOR UPDATE")
	done := make(chan error, 1)
	go func() { // waits for the tool, which then waits for it
		_, err := other.ExecContext(context.Background(), "UPDATE one SET a = 3")
		done <- err
	}()
	for n := 0; n == 0; {
		time.Sleep(200 * time.Millisecond) // InnoDB shows what it showed before to whoever asks again within 100 ms
		b.must(b.db.QueryRow("SELECT count(*) FROM information_schema.innodb_lock_waits").Scan(&n))
	}
	err = b.commit(tx, ended(m, event.Applied))
	var own *mysqldriver.MySQLError
	if !errors.As(err, &own) || own.Number != 1213 {
		t.Errorf("error is %v, want the driver's own 1213", err)
	}
	b.must(<-done)
	exec1(t, other, "ROLLBACK")
}

// Rows can be added and read, nothing else.
func TestAppendOnly(t *testing.T) {
	postgres := []string{
		"UPDATE sqlwitness.entry SET kind = 'x'", "DELETE FROM sqlwitness.entry", "TRUNCATE sqlwitness.entry",
		"INSERT INTO sqlwitness.entry SELECT * FROM sqlwitness.entry ON CONFLICT (id) DO UPDATE SET kind = 'x'",
		"UPDATE sqlwitness.payload SET body = ''", "TRUNCATE sqlwitness.payload",
		"SET session_replication_role = replica; DELETE FROM sqlwitness.entry",
	}
	for _, c := range []struct {
		kit   kit
		texts []string
	}{
		{kitPQ, postgres},
		{kitSQLite, []string{
			"UPDATE sqlwitness_entry SET kind = 'x'", "DELETE FROM sqlwitness_entry",
			"INSERT OR REPLACE INTO sqlwitness_entry SELECT * FROM sqlwitness_entry",
			"INSERT INTO sqlwitness_entry SELECT * FROM sqlwitness_entry WHERE true ON CONFLICT (id) DO UPDATE SET kind = 'x'",
			"UPDATE sqlwitness_payload SET body = ''",
			"INSERT OR REPLACE INTO sqlwitness_payload SELECT entry, section, salt, x'00' FROM sqlwitness_payload",
		}},
	} {
		t.Run(c.kit.name, func(t *testing.T) {
			b := newBench(t, c.kit, Config{})
			b.must(b.store.Intent(t.Context(), migration("1"), false))
			for _, text := range c.texts {
				if _, err := b.db.Exec(text); err == nil {
					t.Errorf("allowed: %s", text)
				}
			}
			b.expect("intent/start")
			exec1(t, b.db, "DELETE FROM "+c.kit.table+"payload") // erasure
		})
	}
}

// Secrets that pass by are nowhere in what is kept or told.
func TestCanary(t *testing.T) {
	const canary = "canary-7f3a"
	env := map[string]string{
		"GITHUB_TOKEN": canary, "PGPASSWORD": canary, "DATABASE_URL": canary,
		"GITLAB_CI":         "true",
		"CI_JOB_URL":        "https://user:" + canary + "@ci.example/job/1?token=" + canary + "#" + canary,
		"GITLAB_USER_LOGIN": "octocat",
	}
	getenv := func(k string) string { return env[k] }
	secret := func() *event.Migration {
		m := ended(migration("1"), event.Failed)
		m.Err = errors.New("invalid input syntax for type integer: " + canary)
		m.ErrorClass, m.SQLState = event.ClassOther, "22P02"
		m.Failing = &event.FailingStatement{Index: 1, Operation: "INSERT", Fingerprint: "0011223344556677", Text: "INSERT INTO t VALUES (?)"}
		return m
	}
	var seen bytes.Buffer
	look := func(b *bench, err error) {
		t.Helper()
		content, _ := os.ReadFile(b.store.cfg.Spool)
		fmt.Fprintf(&seen, "%v\n%+v\n%s\n", err, b.troubles, content)
		for _, l := range bytes.Split(content, []byte("\n")) {
			var line spoolLine
			if json.Unmarshal(l, &line) == nil {
				fmt.Fprintf(&seen, "%s\n", line.Leaf)
				for _, s := range line.Sections {
					fmt.Fprintf(&seen, "%s\n", s.Body)
				}
			}
		}
	}
	for _, mode := range []Mode{BestEffort, Strict} {
		b := &bench{t: t, kit: kitPQ}
		b.store = b.open(func(context.Context) (driver.Conn, error) {
			return nil, errors.New("postgres://app:" + canary + "@db/shop refused")
		}, Config{Mode: mode}, Deps{Getenv: getenv})
		m := secret()
		look(b, errors.Join(b.store.Intent(t.Context(), m, false), b.store.Outcome(t.Context(), m)))
	}
	each(t, allKits, func(t *testing.T, b *bench) {
		b.store.scribe.actor = newActor(Config{}, getenv)
		m := secret()
		err := errors.Join(b.store.Intent(t.Context(), m, false), b.store.Outcome(t.Context(), m))
		look(b, err)
		for _, r := range b.rows() {
			fmt.Fprintf(&seen, "%v %v\n", r.leaf, r.sections)
		}
	})
	if i := strings.Index(seen.String(), canary); i >= 0 {
		t.Errorf("a secret is in …%s…", seen.String()[max(0, i-200):min(seen.Len(), i+50)])
	}
	for _, want := range []string{"octocat", "https://ci.example/job/1", "22P02", "INSERT INTO t VALUES (?)"} {
		if !strings.Contains(seen.String(), want) {
			t.Errorf("the test looks in the wrong place: no %q", want)
		}
	}
}

// One store serves all the connections of a pool.
func TestConcurrentUse(t *testing.T) {
	each(t, allKits, func(t *testing.T, b *bench) {
		const n = 16
		b.store.cfg.Timeout = time.Minute // they wait for each other, on a busy machine for long
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				m := migration("1")
				err := errors.Join(b.store.Intent(context.Background(), m, false), b.store.Outcome(context.Background(), ended(m, event.Applied)))
				if err != nil || m.Guarantee != event.Around {
					t.Errorf("error %v, guarantee %q", err, m.Guarantee)
				}
			})
		}
		wg.Wait()
		if got := len(b.rows()); got != 2*n {
			t.Errorf("%d entries, want %d", got, 2*n)
		}
		if len(b.store.attempts) > 0 {
			t.Errorf("%d migrations are still kept in memory", len(b.store.attempts))
		}
	})
}

// A row in a transaction is no more than a row around, where that transaction
// does not hold the whole migration (golang-migrate's mark).
func TestMarkAlone(t *testing.T) {
	each(t, txKits, func(t *testing.T, b *bench) {
		m := migration("1")
		m.Atomic = false
		b.must(b.store.Intent(t.Context(), m, false))
		exec1(t, b.conn, "CREATE TABLE t (a int)")
		b.must(b.commit(b.begin(nil), ended(m, event.Applied)))
		rows := b.expect("intent/start", "outcome/commit applied")
		expectGuarantee(t, m, event.Around)
		if rows[1].leaf["guarantee"] != "around" {
			t.Errorf("the leaf says %v", rows[1].leaf["guarantee"])
		}
		forced := migration("2") // nothing was written before
		forced.Atomic = false
		b.must(b.store.Outcome(t.Context(), ended(forced, event.Forced)))
		expectGuarantee(t, forced, event.None)
	})
}

// The answer to the commit is lost with the connection: what is known is said.
func TestCommitAnswerLost(t *testing.T) {
	each(t, []kit{kitPQ}, func(t *testing.T, b *bench) {
		m := migration("1")
		b.must(b.store.Intent(t.Context(), m, false))
		tx := b.begin(nil)
		b.must(b.join(ended(m, event.Applied)))
		b.must(tx.Commit())
		b.store.Committed(t.Context(), []*event.Migration{m}, driver.ErrBadConn)
		b.expect("intent/start", "outcome/commit applied", "outcome/after interrupted")
	})
}

// TestATroubleIsToldOnceAndThatItIsOver: the alert that it makes would stay open.
func TestATroubleIsToldOnceAndThatItIsOver(t *testing.T) {
	b := newBench(t, kitSQLite, Config{})
	for range 2 {
		for range 2 {
			b.store.tell(Trouble{Kind: TroubleUnreachable})
		}
		m := migration("1")
		b.must(b.store.Intent(t.Context(), m, false)) // it writes an entry
		b.must(b.store.Intent(t.Context(), migration("2"), false))
	}
	if len(b.troubles) != 2 || !slices.Equal(b.ended, []TroubleKind{TroubleUnreachable, TroubleUnreachable}) {
		t.Errorf("told are %+v, over are %v", b.troubles, b.ended)
	}
}
