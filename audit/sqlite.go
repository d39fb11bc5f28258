package audit

import "strings"

// sqlite keeps the tables in the migrated file, under a prefix. They are WITHOUT
// ROWID, so that last_insert_rowid stays the caller's, and each part is named
// with its schema, since a temporary table would hide it.
func sqlite() *dialect {
	lit := literals{
		id:    func(b [16]byte) string { return hexQuoted(b[:]) },
		bytes: hexQuoted,
		text:  func(s string) string { return "CAST(" + hexQuoted([]byte(s)) + " AS TEXT)" },
		read:  func(column string) string { return column },
	}
	inserts := func(entries []*entry) string {
		s := lit.insertEntries("main.sqlwitness_entry", "", "", entries)
		if p := lit.insertPayload("main.sqlwitness_payload", entries); p != "" {
			s += "; " + p
		}
		return s
	}
	d := &dialect{
		system:    "sqlite",
		atomicDDL: true,
		oneWriter: true,
		session:   "PRAGMA busy_timeout = 100",
		onDisk:    "SELECT file FROM pragma_database_list WHERE name = 'main'",
		have:      "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name LIKE 'sqlwitness^_%' ESCAPE '^'",
		rows:      func(entries []*entry) []string { return []string{inserts(entries)} },
		write:     func(entries []*entry) []string { return []string{"BEGIN IMMEDIATE; " + inserts(entries) + "; COMMIT"} },
		abandon:   "ROLLBACK",
		inTx: func(entries []*entry) string {
			return "SAVEPOINT " + savepoint + "; " + inserts(entries) + "; RELEASE " + savepoint
		},
		undo: "ROLLBACK TO " + savepoint + "; RELEASE " + savepoint,
		hint: func(string, string) string { return "the database file and its directory must be writable" },

		guardState: sqliteGuardState,
		judge:      sqliteJudge,
		recovery:   sqliteRecovery,
		look:       sqliteLook,

		lit:    lit,
		prefix: "main.sqlwitness_",
		dbTime: "e.db_time",
		xid:    "''",
		whole: func(statements []string) []string {
			return []string{"BEGIN IMMEDIATE; " + strings.Join(statements, "; ") + "; COMMIT"}
		},
	}
	// What is rare among the entries is found without reading all of them.
	indexes := map[string]string{"entry": "CREATE INDEX main.sqlwitness_entry_kind ON sqlwitness_entry (kind); "}
	for _, t := range []struct{ name, key, columns string }{
		{"entry", "id = NEW.id", `id BLOB NOT NULL PRIMARY KEY,
	attempt BLOB NOT NULL,
	kind TEXT NOT NULL,
	stage TEXT NOT NULL,
	leaf BLOB NOT NULL,
	db_time TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))`},
		{"payload", "entry = NEW.entry AND section = NEW.section", `entry BLOB NOT NULL,
	section TEXT NOT NULL,
	salt BLOB NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (entry, section)`},
		{"seal", "idx = NEW.idx OR entry = NEW.entry", `idx INTEGER NOT NULL PRIMARY KEY,
	entry BLOB NOT NULL UNIQUE,
	leaf BLOB NOT NULL,
	leaf_hash BLOB NOT NULL`},
		{"node", "ix = NEW.ix", `ix INTEGER NOT NULL PRIMARY KEY,
	h BLOB NOT NULL`},
		{"checkpoint", "origin = NEW.origin AND size = NEW.size", `size INTEGER NOT NULL,
	origin TEXT NOT NULL,
	note BLOB NOT NULL,
	PRIMARY KEY (origin, size)`},
	} {
		table := "sqlwitness_" + t.name
		guards := sqliteGuards(t.name, t.key)
		d.steps = append(d.steps, step{table, "BEGIN IMMEDIATE; CREATE TABLE main." + table + " (\n\t" + t.columns + "\n) WITHOUT ROWID; " +
			indexes[t.name] + guardsSQL(guards) + "; COMMIT"})
		d.guards = append(d.guards, guards...)
	}
	return d
}
