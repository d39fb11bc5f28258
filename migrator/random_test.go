package migrator

import (
	"database/sql/driver"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// pieces are statements of every kind that a Tracker tells apart.
var pieces = []struct {
	sql     string
	args    []any
	columns []string
	row     []driver.Value
}{
	{sql: gooseRead, columns: gooseColumns, row: []driver.Value{int64(3), true}},
	{sql: gooseCreate},
	{sql: gooseInsert, args: []any{int64(4), true}},
	{sql: gooseDelete, args: []any{int64(4)}},
	{sql: migrateRead, columns: migrateColumns, row: []driver.Value{int64(3), false}},
	{sql: migrateClear},
	{sql: migrateInsert, args: []any{int64(4), true}},
	{sql: migrateInsert, args: []any{int64(4), false}},
	{sql: "SELECT pg_advisory_lock($1)", args: []any{"7"}},
	{sql: "SELECT pg_advisory_unlock($1)", args: []any{"7"}},
	{sql: "SELECT pg_try_advisory_lock($1)", args: []any{int64(4097083626)}, columns: []string{"ok"}, row: []driver.Value{false}},
	{sql: `CREATE TABLE IF NOT EXISTS bun_migrations ("id" BIGSERIAL, "name" VARCHAR, "group_id" BIGINT, "migrated_at" TIMESTAMPTZ)`},
	{sql: `INSERT INTO bun_migration_locks ("id", "table_name") VALUES (DEFAULT, 'bun_migrations') RETURNING "id"`, columns: []string{"id"}, row: []driver.Value{int64(1)}},
	{sql: `SELECT * FROM bun_migrations`, columns: []string{"id", "name", "group_id", "migrated_at"}, row: []driver.Value{int64(3), "00003", int64(1), "t"}},
	{sql: `INSERT INTO bun_migrations ("id", "name", "group_id") VALUES (DEFAULT, '00004', 1) RETURNING "id"`, columns: []string{"id"}, row: []driver.Value{int64(4)}},
	{sql: `DELETE FROM bun_migrations WHERE (id = 3)`},
	{sql: `DELETE FROM bun_migration_locks WHERE ("table_name" = 'bun_migrations')`},
	{sql: `SELECT count(*) FROM "migrations" WHERE id = $1`, args: []any{"a"}, columns: count, row: []driver.Value{int64(0)}},
	{sql: `INSERT INTO "migrations" ("id") VALUES ($1)`, args: []any{"a"}},
	{sql: "update migrations set version = 'b'"},
	{sql: "select version from migrations", columns: version, row: []driver.Value{"a"}},
	{sql: "INSERT INTO river_migration ( version ) SELECT unnest($1::bigint[]) RETURNING version", args: []any{"{1,2}"}, columns: version, row: []driver.Value{int64(1)}},
	{sql: "CREATE TABLE a (id int)"},
	{sql: "INSERT INTO a VALUES (1)"},
	{sql: "UPDATE a SET id = $1", args: []any{int64(1)}},
	{sql: "SELECT * FROM a", columns: []string{"id"}, row: []driver.Value{int64(1)}},
	{sql: "CREATE TABEL a"},
	{sql: "BEGIN"},
	{sql: "COMMIT"},
	{sql: "SELECT 1 FROM information_schema.tables WHERE table_name = 'schema_migrations'"},
	{sql: "CREATE TABLE IF NOT EXISTS evolution (revision int, applied_at timestamptz)"},
	{sql: "SELECT revision FROM evolution", columns: []string{"revision"}, row: []driver.Value{int64(1)}},
	{sql: "INSERT INTO evolution (revision) VALUES ($1)", args: []any{int64(2)}},
	{sql: "DELETE FROM evolution WHERE revision = $1", args: []any{int64(2)}},
	{sql: "SELECT max(version) FROM db_version", columns: []string{"max"}, row: []driver.Value{int64(1)}},
	{sql: "UPDATE db_version SET version = $1", args: []any{int64(2)}},
	{sql: "DELETE FROM db_version"},
	{sql: "INSERT INTO db_version (version) VALUES (2)"},
	{sql: "UPDATE settings SET value = '3' WHERE key = $1", args: []any{"schema_version"}},
	{sql: "DROP TABLE river_migration"},
}

// What a random caller does beside statements, by its number after the pieces.
const (
	passTime = iota
	begins
	commits
	rollsBack
	resets
	closes
	looksAhead
	operations
)

// FuzzTracker makes calls in any order, as no tool would. Whatever they are,
// what is told as begun ends, once, and nothing is told before it has begun.
//
// Two bytes are a call: a piece or an operation, then on which connection and how
// it goes. The seeds in testdata/fuzz are what goose, golang-migrate, bun and
// hand-written migrators do.
func FuzzTracker(f *testing.F) {
	texts := make([]*sqltext.Text, len(pieces))
	roles := make([]Role, len(pieces))
	for i, p := range pieces {
		texts[i] = sqltext.Analyze(p.sql, sqltext.PostgreSQL)
		roles[i] = Classify(texts[i])
	}
	boom := errors.New("boom")
	f.Fuzz(func(t *testing.T, in []byte) {
		system := "postgresql"
		if len(in) > 0 && in[0]&1 != 0 {
			system = "mysql"
		}
		s := newScript(t, system)
		for len(in) >= 2 {
			what, how := int(in[0])%(len(pieces)+operations), in[1]
			in = in[2:]
			conn := uint64(how>>1&3) + 1
			var err error
			if how&1 != 0 {
				err = boom
			}
			switch {
			case what < len(pieces):
				p := pieces[what]
				c := Call{Kind: Exec, Conn: conn, Text: texts[what], Role: roles[what], Args: named(p.args), Affected: int64(how >> 7), Err: err}
				if p.columns == nil {
					s.call(c)
					break
				}
				c.Kind = Query
				q := s.call(c)
				if err != nil || how&8 != 0 { // rows that are never closed
					break
				}
				r := *q
				r.Kind, r.Columns, r.Values = Row, p.columns, p.row
				s.told(s.tracker.After(&r))
				r.Kind = RowEnd
				if how&16 != 0 {
					r.Err = boom
				}
				s.told(s.tracker.After(&r))
			case what == len(pieces)+passTime:
				s.now = s.now.Add(time.Duration(how) * 50 * time.Millisecond)
			case what == len(pieces)+begins:
				s.begin(conn)
			case what == len(pieces)+commits && err != nil:
				s.commitFails(conn, err)
			case what == len(pieces)+commits:
				s.commit(conn)
			case what == len(pieces)+rollsBack:
				s.rollback(conn)
			case what == len(pieces)+resets:
				s.reset(conn)
			case what == len(pieces)+closes:
				s.close(conn)
			case what == len(pieces)+looksAhead:
				s.tracker.Pending(conn)
			}
			for id, n := range s.open {
				if n < 0 || n > 1 {
					t.Fatalf("%s: begun and ended %+d times", id, n)
				}
			}
		}
		s.over()
	})
}

// TestConcurrentConnections is for the race detector.
func TestConcurrentConnections(t *testing.T) {
	var ids sync.Mutex
	n := 0
	tr := New(Config{Database: event.Database{System: "postgresql"}, Now: time.Now, NewID: func() string {
		ids.Lock()
		defer ids.Unlock()
		n++
		return string(rune('a' + n%26))
	}})
	var wg sync.WaitGroup
	for conn := range uint64(4) {
		wg.Go(func() {
			for i := range 200 {
				p := pieces[(i*7+int(conn))%len(pieces)]
				text := sqltext.Analyze(p.sql, sqltext.PostgreSQL)
				c := Call{Kind: Exec, Conn: conn + 1, InTx: i%3 == 0, Text: text, Role: Classify(text), Args: named(p.args), Start: time.Now()}
				tr.Before(&c)
				tr.After(&c)
				tr.Pending(conn + 1)
				tr.Trace(conn + 1)
				if i%10 == 9 {
					tr.After(&Call{Kind: Commit, Conn: conn + 1, InTx: true, Start: time.Now()})
				}
			}
			tr.After(&Call{Kind: Close, Conn: conn + 1, Start: time.Now()})
		})
	}
	wg.Wait()
	tr.Flush()
	if tr.Active() {
		t.Error("a run is open after Flush")
	}
}
