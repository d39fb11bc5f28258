package audit

import (
	"encoding/hex"
	"strings"

	"github.com/google/uuid"
)

// pgLimits bounds the statements that follow it in the same text. SET LOCAL ends
// with the text's implicit transaction: a setting of the session would stay with
// the server's side of a transaction pooler, for whoever gets that next. So does
// the isolation, which the database's default might make serializable. The wait
// for a lock is one for a table's extension, too, for which those queue that record
// at once: on a busy server that takes some 100 ms.
const pgLimits = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '300ms'; SET LOCAL statement_timeout = '1s'; "

const savepoint = "sqlwitness_audit"

// postgres is PostgreSQL 13 and later (pg_current_xact_id).
func postgres() *dialect {
	lit := literals{
		id: func(b [16]byte) string { return "'" + uuid.UUID(b).String() + "'" },
		// decode, since '\x…' reads by standard_conforming_strings; its schema,
		// since a search_path may hold another one.
		bytes: func(b []byte) string { return "pg_catalog.decode('" + hex.EncodeToString(b) + "', 'hex')" },
	}
	lit.read = func(column string) string { return "pg_catalog.uuid_send(" + column + ")" }
	lit.text = func(s string) string { return "pg_catalog.convert_from(" + lit.bytes([]byte(s)) + ", 'UTF8')" }
	inserts := func(entries []*entry) string {
		s := lit.insertEntries("sqlwitness.entry", "", "", entries)
		if p := lit.insertPayload("sqlwitness.payload", entries); p != "" {
			s += "; " + p
		}
		return s
	}
	d := &dialect{
		system:    "postgresql",
		atomicDDL: true,
		limits:    pgLimits,
		// The planner cannot know how few rows a query of ours has, and would compile
		// it for seconds.
		begin:  "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL jit = off",
		whoami: "SELECT pg_catalog.unnest(ARRAY[session_user::pg_catalog.text, current_user::pg_catalog.text, pg_catalog.host(pg_catalog.inet_client_addr())])",
		have: `SELECT 'schema' FROM pg_catalog.pg_namespace WHERE nspname = 'sqlwitness'
UNION ALL SELECT 'refuse' FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'sqlwitness' AND p.proname = 'refuse'
UNION ALL SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'sqlwitness' AND c.relkind IN ('r', 'p')`,
		rows:  func(entries []*entry) []string { return []string{inserts(entries)} },
		write: func(entries []*entry) []string { return []string{inserts(entries)} },
		inTx: func(entries []*entry) string {
			return "SAVEPOINT " + savepoint + "; " + inserts(entries) + "; RELEASE SAVEPOINT " + savepoint
		},
		undo: "ROLLBACK TO SAVEPOINT " + savepoint + "; RELEASE SAVEPOINT " + savepoint,
		hint: pgHint,

		guardState: pgGuardState,
		judge:      pgJudge,
		privileges: pgPrivileges,
		recovery:   pgRecovery,
		look:       pgLook,

		lit:    lit,
		prefix: "sqlwitness.",
		dbTime: `pg_catalog.to_char(e.db_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
		xid:    "e.xid::pg_catalog.text",
		packed: true,
		fenced: true,
		identity: []fact{
			{"database", "SELECT oid::pg_catalog.text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"},
			{"system", "SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()"},
		},
		whole: func(statements []string) []string { return []string{strings.Join(statements, "; ")} },
	}
	d.steps = []step{
		{"schema", "CREATE SCHEMA sqlwitness"},
		{"refuse", pgRefuseFunction("CREATE")},
	}
	columns := map[string]string{
		"entry": `id uuid PRIMARY KEY,
	attempt uuid NOT NULL,
	kind text NOT NULL,
	stage text NOT NULL,
	leaf bytea NOT NULL,
	xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
	db_time timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()`,
		"payload": `entry uuid NOT NULL,
	section text NOT NULL,
	salt bytea NOT NULL,
	body bytea NOT NULL,
	PRIMARY KEY (entry, section)`,
		"seal": `idx bigint PRIMARY KEY,
	entry uuid NOT NULL UNIQUE,
	leaf bytea NOT NULL,
	leaf_hash bytea NOT NULL`,
		"node": `ix bigint PRIMARY KEY,
	h bytea NOT NULL`,
		"checkpoint": `size bigint NOT NULL,
	origin text NOT NULL,
	note bytea NOT NULL,
	PRIMARY KEY (origin, size)`,
	}
	// What is rare among the entries (the log's opening, statements of the keys'
	// holders) is found without reading all of them.
	indexes := map[string]string{"entry": "CREATE INDEX entry_kind ON sqlwitness.entry (kind); "}
	d.guards = []guard{{"sqlwitness.refuse", "body", pgRefuseFunction("CREATE OR REPLACE")}}
	for _, t := range tables {
		guards := pgGuards(t)
		d.steps = append(d.steps, step{t, "CREATE TABLE sqlwitness." + t + " (\n\t" + columns[t] + "\n); " + indexes[t] + guardsSQL(guards)})
		d.guards = append(d.guards, guards...)
	}
	d.guards = append(d.guards, pgInboxGuards()...)
	return d
}

func pgHint(database, user string) string {
	role := pgName(user)
	return "let a role that may either run GRANT CREATE ON DATABASE " + pgName(database) + " TO " + role +
		", or make the tables (the statements of audit.Setup) and run GRANT USAGE ON SCHEMA sqlwitness TO " + role +
		"; GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA sqlwitness TO " + role
}

func pgName(name string) string {
	if name == "" {
		return "…"
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
