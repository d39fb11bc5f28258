package migrator

import (
	"database/sql/driver"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
)

// Migrators that people write by hand, each with a table of its own.
func TestHandmade(t *testing.T) {
	const ddl = "ALTER TABLE users ADD a int"
	for name, test := range map[string]struct {
		system string
		calls  func(s *script)
		want   []string
	}{
		"a row a version": {
			calls: func(s *script) {
				s.exec(1, "CREATE TABLE IF NOT EXISTS schema_history (version bigint PRIMARY KEY, description text, applied_at timestamptz)")
				s.reset(1)
				s.query(1, []string{"max"}, rows(int64(1)), "SELECT max(version) FROM schema_history")
				for v := range int64(2) {
					s.reset(1)
					s.begin(1)
					s.exec(1, ddl)
					s.exec(1, "INSERT INTO schema_history (version, description) VALUES ($1, $2)", v+2, "users")
					s.commit(1)
				}
				s.begin(1)
				s.exec(1, "ALTER TABLE users DROP a")
				s.exec(1, "DELETE FROM schema_history WHERE version = $1", int64(3))
				s.commit(1)
				s.begin(1)
				s.fails(1, syntaxError, "CREATE TABEL x (id int)")
				s.rollback(1)
			},
			want: []string{"unknown up 2 applied", "unknown up 3 applied", "unknown down 3 applied", "unknown unknown - failed"},
		},
		"the names of files": {
			calls: func(s *script) {
				s.query(1, []string{"filename"}, none, "SELECT filename FROM schema_changes ORDER BY filename")
				s.begin(1)
				s.exec(1, ddl)
				s.exec(1, "INSERT INTO schema_changes (filename, sha256) VALUES ('0001_users.sql', 'c0ffee')")
				s.commit(1)
				// Believed now: data alone is a migration, too.
				s.begin(1)
				s.exec(1, "UPDATE users SET a = 1")
				s.exec(1, "INSERT INTO schema_changes (filename, sha256) VALUES ('0002_fill.sql', 'c0ffee')")
				s.commit(1)
				// And its mark may come first.
				s.begin(1)
				s.exec(1, "INSERT INTO schema_changes (filename, sha256) VALUES ('0003_more.sql', 'c0ffee')")
				s.exec(1, ddl)
				s.exec(1, ddl)
				s.commit(1)
			},
			want: []string{"unknown up 0001_users.sql applied", "unknown up 0002_fill.sql applied", "unknown up 0003_more.sql applied"},
		},
		"a name that says nothing": {
			calls: func(s *script) {
				s.exec(1, "CREATE TABLE IF NOT EXISTS evolution (revision int, applied_at timestamptz)")
				s.reset(1)
				s.query(1, []string{"revision"}, none, "SELECT revision FROM evolution")
				s.begin(1)
				s.exec(1, ddl)
				s.exec(1, "INSERT INTO evolution (revision) VALUES ($1)", int64(1))
				s.commit(1)
			},
			// The table could have been anybody's when it was made.
			want: []string{"unknown unknown - applied", "unknown up 1 applied"},
		},
		"through the pool, without transactions": {
			system: "mysql",
			calls: func(s *script) {
				s.query(1, []string{"version"}, rows("1"), "SELECT version FROM db_migrations_done")
				s.reset(1)
				s.exec(1, ddl)
				s.reset(1)
				s.exec(1, "INSERT INTO db_migrations_done (version, created_at) VALUES (?, now())", "2")
			},
			want: []string{"unknown up 2 applied"},
		},
		"one row": {
			calls: func(s *script) {
				s.query(1, version, rows(int64(4)), "SELECT version FROM db_version")
				s.begin(1)
				s.exec(1, ddl)
				s.exec(1, "UPDATE db_version SET version = $1, updated_at = now()", int64(5))
				s.commit(1)
				s.begin(1)
				s.exec(1, "ALTER TABLE users DROP a")
				s.exec(1, "UPDATE db_version SET version = $1, updated_at = now()", int64(4))
				s.commit(1)
			},
			want: []string{"unknown up 5 applied", "unknown down 5 applied"},
		},
		"one row, replaced": {
			calls: func(s *script) {
				s.query(1, version, rows(int64(4)), "SELECT version FROM db_version")
				s.begin(1)
				s.exec(1, ddl)
				s.exec(1, "DELETE FROM db_version")
				s.exec(1, "INSERT INTO db_version (version) VALUES ($1)", int64(5))
				s.commit(1)
			},
			want: []string{"unknown up 5 applied"},
		},
		"a setting": { // its key says what it is
			calls: func(s *script) {
				s.query(1, []string{"value"}, rows("6"), "SELECT value FROM settings WHERE key = 'schema_version'")
				s.begin(1)
				s.exec(1, ddl)
				s.exec(1, "UPDATE settings SET value = $1 WHERE key = 'schema_version'", "7")
				s.commit(1)
				s.begin(1)
				s.exec(1, ddl)
				s.exec(1, "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value", "schema_version", "8")
				s.commit(1)
			},
			want: []string{"unknown up 7 applied", "unknown up 8 applied"},
		},
		"a setting that was not read": {
			calls: func(s *script) {
				s.begin(1)
				s.exec(1, ddl)
				s.exec(1, "UPDATE settings SET value = '7' WHERE key = $1", "schema_version")
				s.commit(1)
			},
			want: []string{"unknown unknown 7 applied"},
		},
		"user_version": {
			system: "sqlite",
			calls: func(s *script) {
				s.query(1, []string{"user_version"}, rows(int64(1)), "PRAGMA user_version")
				s.begin(1)
				s.exec(1, ddl)
				s.exec(1, "PRAGMA user_version = 2")
				s.commit(1)
				s.begin(1)
				s.exec(1, ddl)
				s.exec(1, "PRAGMA user_version(1)")
				s.rollback(1)
			},
			want: []string{"unknown up 2 applied", "unknown down 2 failed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.system == "" {
				test.system = "postgresql"
			}
			s := newScript(t, test.system)
			test.calls(s)
			s.want(test.want...)
			s.over()
			if len(s.runs) != 1 || s.runs[0].Tool != "unknown" {
				t.Errorf("runs: %+v", s.runs)
			}
		})
	}
}

// A mark counts when it is permanent, as a known tool's does.
func TestHandmadePending(t *testing.T) {
	s := newScript(t, "postgresql")
	s.query(1, version, none, "SELECT version FROM schema_history")
	s.begin(1)
	s.exec(1, "CREATE TABLE a (id int)")
	s.exec(1, "INSERT INTO schema_history (version) VALUES (1)")
	s.want()
	if p := s.tracker.Pending(1); len(p) != 1 || *p[0].Version != "1" || p[0].Outcome != event.Applied || !p[0].Atomic {
		t.Errorf("pending: %+v", p)
	}
	s.rollback(1)
	s.want("unknown up 1 failed")
	s.over()
}

// Tables that an application writes to beside DDL, and that are no version
// tables. The DDL is told without a version.
func TestLooksHandmade(t *testing.T) {
	const ddl = "ALTER TABLE users ADD a int"
	read := func(columns []string, row []driver.Value, sql string) func(*script) {
		return func(s *script) { s.query(1, columns, [][]driver.Value{row}, sql) }
	}
	for name, test := range map[string]struct {
		before func(s *script)
		mark   string
		args   []any
	}{
		"audit log": {
			before: read([]string{"count"}, []driver.Value{int64(1)}, "SELECT count(*) FROM audit_log"),
			mark:   "INSERT INTO audit_log (actor, statement, created_at) VALUES ($1, $2, now())", args: []any{"ci", "1"},
		},
		"audit log with a version": {
			mark: "INSERT INTO audit_log (version, created_at) VALUES ($1, now())", args: []any{int64(7)},
		},
		"orders": {
			before: read(version, []driver.Value{int64(1)}, "SELECT version FROM orders WHERE id = 1"),
			mark:   "INSERT INTO orders (id, version, total) VALUES (1, 2, 30)",
		},
		"orders, made by the same body": {
			before: func(s *script) { s.exec(1, "CREATE TABLE IF NOT EXISTS orders (id int, version int)"); s.reset(1) },
			mark:   "INSERT INTO orders (id, version) VALUES (1, 2)",
		},
		"outbox": {
			before: read([]string{"id", "payload"}, []driver.Value{int64(1), "x"}, "SELECT id, payload FROM outbox"),
			mark:   "INSERT INTO outbox (id, version, payload) VALUES (2, 1, 'x')",
		},
		"jobs": {
			before: read([]string{"name"}, []driver.Value{"x"}, "SELECT name FROM jobs"),
			mark:   "INSERT INTO jobs (name, created_at) VALUES ('2_reindex', now())",
		},
		"events": {
			before: read([]string{"name"}, []driver.Value{"x"}, "SELECT id, name, created_at FROM events"),
			mark:   "INSERT INTO events (name) VALUES ('1')",
		},
		"settings": {
			before: read([]string{"value"}, []driver.Value{"1"}, "SELECT value FROM settings WHERE key = 'theme'"),
			mark:   "UPDATE settings SET value = '2' WHERE key = 'theme'",
		},
		"a setting of another schema": {
			before: read([]string{"value"}, []driver.Value{"1"}, "SELECT value FROM settings WHERE key = 'json_schema_version_hint'"),
			mark:   "UPDATE settings SET value = '2' WHERE key = 'json_schema_version_hint'",
		},
		"versions of documents": {
			before: read(version, []driver.Value{int64(1)}, "SELECT version FROM document_versions WHERE document_id = 3"),
			mark:   "INSERT INTO document_versions (document_id, version) VALUES (3, 2)",
		},
		"versions, one per document": {
			before: read(version, []driver.Value{int64(1)}, "SELECT version FROM document_versions"),
			mark:   "UPDATE document_versions SET version = 2 WHERE document_id = 3",
		},
		"a version table that nobody read": {
			mark: "INSERT INTO app_versions (version, created_at) VALUES ('1.2.3', now())",
		},
		"a value that is no version": {
			before: read(version, []driver.Value{"x"}, "SELECT version FROM app_versions"),
			mark:   "INSERT INTO app_versions (version) VALUES ($1)", args: []any{"https://example.com/?a=b"},
		},
		"several rows": {
			before: read(version, []driver.Value{"1"}, "SELECT version FROM app_versions"),
			mark:   "INSERT INTO app_versions (version) SELECT v FROM other",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, "postgresql")
			if test.before != nil {
				test.before(s)
			}
			made := len(s.ended)
			s.begin(1)
			s.exec(1, ddl)
			if name == "orders, made by the same body" {
				s.exec(1, "ALTER TABLE orders ADD b int")
			}
			s.affected(1, 1, test.mark, test.args...)
			s.commit(1)
			s.over()
			if len(s.ended) != made+1 {
				t.Fatalf("%d migrations, want one", len(s.ended)-made)
			}
			if got := describe(s.ended[made]); got != "unknown unknown - applied" {
				t.Errorf("got %q", got)
			}
			if len(s.runs) != 0 {
				t.Errorf("a run: %+v", s.runs)
			}
		})
	}
}

// What an application does with such a table when there is no DDL is nothing.
func TestLooksHandmadeWithoutDDL(t *testing.T) {
	for name, statements := range map[string][]string{
		"a version of the application": {"SELECT version FROM app_versions", "UPDATE app_versions SET version = '3'", "UPDATE carts SET n = 1"},
		"in upper case":                {"SELECT version FROM APP_VERSION", "UPDATE APP_VERSION SET VERSION = 3", "UPDATE carts SET n = 1"},
		"marker":                       {"SELECT value FROM settings WHERE key = 'schema_version'", "UPDATE settings SET value = '3' WHERE key = 'schema_version'", "UPDATE carts SET n = 1"},
		"rows":                         {"SELECT version FROM app_versions", "INSERT INTO app_versions (version) VALUES ('3')", "DELETE FROM app_versions WHERE version = '2'", "UPDATE carts SET n = 1"},
		"birds":                        {"SELECT name FROM migrations_of_birds", "INSERT INTO migrations_of_birds (name) VALUES ('swallow')", "UPDATE carts SET n = 1"},
	} {
		for _, tx := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				s := newScript(t, "postgresql")
				for _, sql := range statements {
					if tx {
						s.begin(1)
					}
					if sql[0] == 'S' {
						s.query(1, version, rows("2"), sql)
					} else {
						s.exec(1, sql)
					}
					if tx {
						s.commit(1)
					}
				}
				s.want()
				s.over()
				if len(s.started) != 0 || len(s.runs) != 0 {
					t.Errorf("migrations %+v, runs %+v", s.started, s.runs)
				}
			})
		}
	}
}
