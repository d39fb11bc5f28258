package probe

import (
	"context"
	"database/sql/driver"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/DATA-DOG/go-sqlmock"
	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/sqlwitness/sqlwitness/event"
)

// mysqlServer scripts a server's answers, each to the query that has its words in
// it. MySQL itself is not among the servers of the tests.
func mysqlServer(t *testing.T, answers []mysqlAnswer) *Probe {
	t.Helper()
	db, mock, err := sqlmock.NewWithDSN(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for range (mysql{}).settings() {
		mock.ExpectQuery("SET SESSION").WillReturnRows(sqlmock.NewRows(nil))
	}
	for _, a := range answers {
		e := mock.ExpectQuery(regexp.QuoteMeta(a.query))
		if a.err != nil {
			e.WillReturnError(a.err)
			continue
		}
		var columns []string
		if len(a.rows) > 0 {
			columns = make([]string, len(a.rows[0]))
		}
		rows := sqlmock.NewRows(columns)
		for _, r := range a.rows {
			rows.AddRow(r...)
		}
		e.WillReturnRows(rows)
	}
	p := Open(event.Database{System: "mysql"}, func(context.Context) (driver.Conn, error) { return db.Driver().Open(t.Name()) },
		Deps{Now: time.Now, Redact: func(s string) string { return "redacted: " + s }})
	t.Cleanup(func() {
		_ = p.Close()
		if err := mock.ExpectationsWereMet(); err != nil {
			t.Error(err)
		}
	})
	return p
}

type mysqlAnswer struct {
	query string
	rows  [][]driver.Value
	err   error
}

func rowsOf(rows ...[]driver.Value) [][]driver.Value { return rows }
func row(values ...driver.Value) []driver.Value      { return values }

var mysql8 = mysqlAnswer{query: "SELECT VERSION(), CURRENT_USER(), @@performance_schema", rows: rowsOf(row("8.4.3", "o'app@10.%", true, false))}

// TestMySQL: metadata locks, row locks, locks by name and the progress of an
// ALTER TABLE, from MySQL 8's performance schema.
func TestMySQL(t *testing.T) {
	p := mysqlServer(t, []mysqlAnswer{mysql8,
		{query: "FROM performance_schema.processlist", rows: rowsOf(
			row(1, "app", "10.0.0.1:5000", "shop", "Query", "Waiting for table metadata lock", "ALTER TABLE orders ADD m INT", 3, 0, 0, 0),
			row(2, "report", "10.0.0.2:5000", "shop", "Sleep", "", "", 60, 0, 0, 0),
			row(3, "app", "10.0.0.3:5000", "shop", "Query", "Waiting for table metadata lock", "SELECT * FROM orders WHERE card = '4111'", 2, 0, 0, 0),
			row(4, "app", "10.0.0.3:5001", "shop", "Query", "updating", "UPDATE items SET n = 1", 5, 0, 0, 0),
			row(5, "app", "10.0.0.4:5001", "shop", "Query", "User lock", "SELECT GET_LOCK('migrate', 60)", 7, 0, 0, 0),
			row(6, "app", "10.0.0.5:5001", "shop", "Query", "altering table", "ALTER TABLE big ADD INDEX (n)", 70, 0, 0, 0))},
		{query: "FROM information_schema.INNODB_TRX", rows: rowsOf(row(2, 61.5), row(4, 5.0))},
		{query: "FROM performance_schema.data_lock_waits", rows: rowsOf(row(4, 2, "shop.items", "X,REC_NOT_GAP", "lock-4", 4.5))},
		{query: "FROM performance_schema.metadata_locks", rows: rowsOf(
			row(1, false, "shop", "orders", "EXCLUSIVE", false),
			row(3, false, "shop", "orders", "SHARED_READ", false),
			row(5, true, "", "migrate", "EXCLUSIVE", false),
			row(1, false, "shop", "orders", "SHARED_UPGRADABLE", true),
			row(2, false, "shop", "orders", "SHARED_READ", true),
			row(2, false, "shop", "items", "SHARED_WRITE", true),
			row(4, false, "shop", "items", "SHARED_WRITE", true),
			row(1, true, "", "migrate", "EXCLUSIVE", true),
			row(6, false, "shop", "big", "SHARED_NO_WRITE", true))},
		{query: "FROM performance_schema.events_stages_current", rows: rowsOf(row(6, "stage/innodb/alter table (read PK and internal sort)", 300, 900))},
	})
	seen, err := p.Look(t.Context(), []Asked{{Session: 1}, {Session: 4}, {Session: 5}, {Session: 6}, {Session: 99}})
	if err != nil || len(seen) != 4 {
		t.Fatalf("Look = %v, %v", seen, err)
	}
	alter := seen[1]
	if w := *alter.Session.Wait; w != (event.Wait{Kind: "metadata", Object: "shop.orders", Mode: "EXCLUSIVE", For: 3 * time.Second}) {
		t.Errorf("it waits for %+v", w)
	}
	if len(alter.Blockers) != 1 || alter.Blockers[0].PID != 2 || alter.Blockers[0].State != "idle in transaction" ||
		alter.Blockers[0].TxAge != 61500*time.Millisecond || alter.Blockers[0].Client != "10.0.0.2" {
		t.Errorf("blockers: %+v", alter.Blockers)
	}
	if !slices.Equal(ids(alter.Victims), []int64{3, 5}) || alter.QueueDirect != 2 || alter.QueueMigrator != 1 || alter.QueueTime != 9*time.Second ||
		alter.Victims[0].Query != "redacted: SELECT * FROM orders WHERE card = '4111'" {
		t.Errorf("the queue is %+v", alter)
	}
	if want := (event.HeldLock{Object: "shop.orders", Mode: "EXCLUSIVE", Stops: stopsAll}); len(alter.Held) != 1 || alter.Held[0] != want || len(alter.Missing) > 0 {
		t.Errorf("held: %+v, missing: %+v", alter.Held, alter.Missing)
	}
	update := seen[4]
	if w := *update.Session.Wait; w != (event.Wait{Kind: "row", Object: "shop.items", Mode: "X,REC_NOT_GAP", For: 4500 * time.Millisecond}) || !slices.Equal(ids(update.Blockers), []int64{2}) {
		t.Errorf("the update waits for %+v, held by %+v", w, update.Blockers)
	}
	if w := *seen[5].Session.Wait; w.Kind != "named" || w.Object != "migrate" || !slices.Equal(ids(seen[5].Blockers), []int64{1, 2}) {
		t.Errorf("the replica waits for %+v, held by %+v", w, seen[5].Blockers)
	}
	if want := (event.Progress{Command: "ALTER TABLE", Phase: "alter table (read PK and internal sort)", Unit: "work units", Done: 300, Total: 900}); *seen[6].Progress != want || seen[6].Held[0].Stops != stopsWrites {
		t.Errorf("progress: %+v, held %+v", seen[6].Progress, seen[6].Held)
	}
}

// TestMySQLDenied: what a user may not read is missing, and nothing else is.
func TestMySQLDenied(t *testing.T) {
	p := mysqlServer(t, []mysqlAnswer{mysql8,
		{query: "FROM performance_schema.processlist", rows: rowsOf(
			row(1, "o'app", "10.0.0.1:5000", "shop", "Query", "Waiting for table metadata lock", "ALTER TABLE orders ADD m INT", 3, 0, 0, 0),
			row(3, "o'app", "10.0.0.3:5000", "shop", "Query", "Waiting for table metadata lock", "SELECT * FROM orders", 2, 0, 0, 0))},
		{query: "FROM information_schema.INNODB_TRX", err: &mysqldriver.MySQLError{Number: 1227, Message: "Access denied"}},
		{query: "FROM performance_schema.metadata_locks", err: &mysqldriver.MySQLError{Number: 1142, Message: "SELECT command denied"}},
		{query: "FROM performance_schema.events_stages_current", err: &mysqldriver.MySQLError{Number: 1142, Message: "SELECT command denied"}},
	})
	seen, err := p.Look(t.Context(), []Asked{{Session: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if got := seen[1]; got.Queue != 1 || len(got.Blockers) != 0 ||
		fixes(got) != "GRANT PROCESS ON *.* TO 'o''app'@'10.%'; GRANT SELECT ON performance_schema.* TO 'o''app'@'10.%'" {
		t.Errorf("the picture is %+v", got)
	}
}

// TestMySQLPolled: who polls for a name waits for nothing on the server, and its
// holder is asked for by the name; not so where the server shows it.
func TestMySQLPolled(t *testing.T) {
	for version, from := range map[string]string{"8.0.21-log": "FROM information_schema.PROCESSLIST", "8.0.22": "FROM performance_schema.processlist", "9.1.0": "FROM performance_schema.processlist"} {
		t.Run(version, func(t *testing.T) {
			p := mysqlServer(t, []mysqlAnswer{
				{query: "SELECT VERSION(), CURRENT_USER(), @@performance_schema", rows: rowsOf(row(version, "app@%", true, false))},
				{query: from, rows: rowsOf(
					row(1, "app", "10.0.0.1:5000", "shop", "Sleep", "", "", 1, 0, 0, 0),
					row(2, "app", "10.0.0.2:5000", "shop", "Sleep", "", "", 60, 0, 0, 0),
					row(3, "app", "10.0.0.1:5001", "shop", "Query", "User lock", "SELECT GET_LOCK('it''s', 60)", 7, 0, 0, 0))},
				{query: "FROM information_schema.INNODB_TRX"},
				{query: "FROM performance_schema.data_lock_waits"},
				{query: "FROM performance_schema.metadata_locks", rows: rowsOf(
					row(3, true, "", "it's", "EXCLUSIVE", false),
					row(2, true, "", "it's", "EXCLUSIVE", true))},
				{query: "SELECT IS_USED_LOCK('it''s')", rows: rowsOf(row(2))},
				{query: "FROM performance_schema.events_stages_current"},
			})
			seen, err := p.Look(t.Context(), []Asked{{Session: 1, Lock: "it's", Migration: true}, {Session: 3, Lock: "it's", Migration: true}})
			if err != nil {
				t.Fatal(err)
			}
			for id, kind := range map[int64]string{1: "named", 3: "named"} {
				if q := seen[id]; q.Session.Wait == nil || q.Session.Wait.Kind != kind || q.Session.Wait.Object != "it's" || !slices.Equal(ids(q.Blockers), []int64{2}) || !q.Zombie {
					t.Errorf("the picture of %d is %+v", id, q)
				}
			}
		})
	}
}

// TestMySQLElsewhere: the sessions are read, every 2 s, where that stops no other.
func TestMySQLElsewhere(t *testing.T) {
	p := mysqlServer(t, []mysqlAnswer{mysql8, {query: "FROM performance_schema.processlist", rows: rowsOf(row("lock", 7, "0"))}})
	s, err := p.Elsewhere(t.Context(), []MigrationLock{{Tool: "golang-migrate", Key: "k"}}, nil)
	if err != nil || len(s.Migrators) != 1 || s.Migrators[0].PID != 7 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestConflicts: who waits for whom, by what each holds or wants.
func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		wants, has string
		granted    bool
		want       bool
	}{
		{"EXCLUSIVE", "SHARED_READ", true, true},
		{"SHARED_READ", "SHARED_WRITE", true, false},
		{"SHARED_READ", "SHARED_NO_WRITE", true, false},
		{"SHARED_WRITE", "SHARED_NO_WRITE", true, true},
		{"SHARED_READ", "EXCLUSIVE", true, true},
		{"SHARED_READ", "EXCLUSIVE", false, true},
		{"SHARED_READ", "SHARED_NO_WRITE", false, false},
		{"EXCLUSIVE", "EXCLUSIVE", false, false},
		{"SHARED_UPGRADABLE", "SHARED_UPGRADABLE", true, true},
		{"SOME_NEW_MODE", "EXCLUSIVE", true, true},
		{"SOME_NEW_MODE", "SHARED_READ", true, false},
	} {
		wants, has := lock{id: 1, object: "s.t", mode: c.wants}, lock{id: 2, object: "s.t", mode: c.has, granted: c.granted}
		if got := wants.waitsFor(has); got != c.want {
			t.Errorf("%+v", c)
		}
		has.object = "s.u"
		if wants.waitsFor(has) {
			t.Errorf("%+v of another table", c)
		}
	}
}

// TestChanges: which table's definition a statement changes.
func TestChanges(t *testing.T) {
	for text, want := range map[string]string{
		"ALTER TABLE t ADD n INT":                                "db.t",
		"/* id=1 */ alter online table `other`.`my t` ADD n INT": "other.my t",
		"DROP TABLE IF EXISTS a.b":                               "a.b",
		"TRUNCATE t":                                             "db.t",
		"CREATE UNIQUE INDEX i ON t (n)":                         "db.t",
		"CREATE OR REPLACE FULLTEXT INDEX `i` ON `t` (n)":        "db.t",
		"DROP INDEX i ON t":                                      "db.t",
		"OPTIMIZE TABLE t":                                       "db.t",
		"SELECT 'ALTER TABLE t'":                                 "",
		"CREATE TABLE t (n INT)":                                 "",
		"INSERT INTO t VALUES ('DROP TABLE u')":                  "",
	} {
		if got := changes(process{db: "db", command: "Query", sql: text}); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestMentions: a name is found as a word of its own, in the schema that it
// belongs to.
func TestMentions(t *testing.T) {
	for _, c := range []struct {
		db, text string
		want     bool
	}{
		{"shop", "SELECT * FROM orders", true},
		{"shop", "SELECT * FROM `orders`", true},
		{"other", "SELECT * FROM shop.orders", true},
		{"other", "SELECT * FROM orders", false},
		{"shop", "SELECT * FROM orders_old", false},
		{"shop", "SELECT * FROM my_orders JOIN orders", true},
		{"shop", "", false},
	} {
		if got := mentions(process{db: c.db, sql: c.text}, "shop.orders"); got != c.want {
			t.Errorf("%+v", c)
		}
	}
}

// TestQuoted: no user's name ends the literal that it stands in.
func TestQuoted(t *testing.T) {
	if got := quoted(`a'b\`); got != `'a''b\\'` || strings.Count(got, "'") != 4 {
		t.Error(got)
	}
}

// TestFirstWords: a statement's name holds nothing of its comments and literals,
// which nobody has redacted.
func TestFirstWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"alter  table t ADD n INT": "ALTER TABLE",
		"OPTIMIZE":                 "OPTIMIZE",
		"SELECT 'secret'":          "SELECT",
		"SELECT/*secret*/ 1":       "SELECT",
		" /* key='secret' */\nALTER TABLE t ADD n INT":         "ALTER TABLE",
		"-- secret\n# secret\n/*secret*//**/ALTER/**/ TABLE t": "ALTER",
		"/* secret": "",
	} {
		if got := firstWords(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
