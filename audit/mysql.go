package audit

import (
	"slices"
	"strings"
)

// mysql is MySQL 5.7 and later, MariaDB 10.2 and later. Its tables have a
// database of their own, which a migration's role needs INSERT and SELECT on and
// nothing else: privileges are what makes them append-only there, since DDL goes
// past every trigger.
//
// Of an entry that joins the migration's transaction only the row in entry is
// written in it: a connection may not take two statements in one text. The
// sections go before it through the store's own connection, so that no crash
// loses them; a rollback leaves sections without an entry, which mean nothing.
func mysql() *dialect {
	lit := literals{
		id:     func(b [16]byte) string { return hexQuoted(b[:]) },
		bytes:  hexQuoted,
		text:   func(s string) string { return "CONVERT(" + hexQuoted([]byte(s)) + " USING utf8mb4)" },
		read:   func(column string) string { return column },
		ignore: "IGNORE ", // they are a statement of their own, which the entry's failure does not undo
	}
	// UTC, since a column default would read by the session's time zone.
	entryRows := func(entries []*entry) string {
		return lit.insertEntries("sqlwitness.entry", ", db_time", ", UTC_TIMESTAMP(6)", entries)
	}
	payload := func(entries []*entry) string { return lit.insertPayload("sqlwitness.payload", entries) }
	d := &dialect{
		system: "mysql",
		// Without autocommit nothing would be written in the end.
		session: "SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 1, autocommit = 1",
		// For the first query, and without autocommit until the commit; those after
		// it lock nothing even if they are serializable.
		begin:  "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
		whoami: "SELECT CURRENT_USER() UNION ALL SELECT '' UNION ALL SELECT SUBSTRING_INDEX(USER(), '@', -1)",
		have: `SELECT 'database' FROM information_schema.schemata WHERE schema_name = 'sqlwitness'
UNION ALL SELECT table_name FROM information_schema.tables WHERE table_schema = 'sqlwitness'`,
		write: func(entries []*entry) []string {
			if p := payload(entries); p != "" {
				return []string{p, entryRows(entries)}
			}
			return []string{entryRows(entries)}
		},
		aside: payload,
		inTx:  entryRows,
		hint:  mysqlHint,

		privileges: mysqlPrivileges,
		recovery:   mysqlRecovery,
		look:       mysqlLook,

		lit:    lit,
		prefix: "sqlwitness.",
		dbTime: "DATE_FORMAT(e.db_time, '%Y-%m-%dT%H:%i:%s.%fZ')",
		xid:    "''",
		whole: func(statements []string) []string {
			return slices.Concat([]string{"START TRANSACTION"}, statements, []string{"COMMIT"})
		},
		abandon: "ROLLBACK",

		steps: []step{{"database", "CREATE DATABASE IF NOT EXISTS sqlwitness"}},
	}
	d.rows = d.write
	const word = " CHARACTER SET ascii COLLATE ascii_bin NOT NULL"
	columns := map[string]string{
		"entry": `id BINARY(16) NOT NULL PRIMARY KEY,
	attempt BINARY(16) NOT NULL,
	kind VARCHAR(32)` + word + `,
	stage VARCHAR(32)` + word + `,
	leaf LONGBLOB NOT NULL,
	db_time DATETIME(6) NOT NULL,
	INDEX entry_kind (kind)`, // finds what is rare
		"payload": `entry BINARY(16) NOT NULL,
	section VARCHAR(32)` + word + `,
	salt VARBINARY(32) NOT NULL,
	body LONGBLOB NOT NULL,
	PRIMARY KEY (entry, section)`,
		"seal": `idx BIGINT NOT NULL PRIMARY KEY,
	entry BINARY(16) NOT NULL UNIQUE,
	leaf LONGBLOB NOT NULL,
	leaf_hash BINARY(32) NOT NULL`,
		"node": `ix BIGINT NOT NULL PRIMARY KEY,
	h BINARY(32) NOT NULL`,
		"checkpoint": `size BIGINT NOT NULL,
	origin VARCHAR(255)` + word + `,
	note LONGBLOB NOT NULL,
	PRIMARY KEY (origin, size)`,
	}
	for _, t := range tables {
		d.steps = append(d.steps, step{t, "CREATE TABLE IF NOT EXISTS sqlwitness." + t + " (\n\t" + columns[t] + "\n) ENGINE = InnoDB CHARACTER SET utf8mb4"})
	}
	return d
}

func mysqlHint(_, user string) string {
	account := "…"
	if i := strings.LastIndexByte(user, '@'); i >= 0 {
		account = mysqlString(user[:i]) + "@" + mysqlString(user[i+1:])
	}
	return "let a role that may make the tables (the statements of audit.Setup) and run GRANT SELECT, INSERT ON sqlwitness.* TO " + account
}

func mysqlString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
