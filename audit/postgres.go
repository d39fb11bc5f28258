package audit

import (
	"encoding/hex"
	"strings"

	"github.com/google/uuid"
)

// pgLimits bounds the statements that follow it in the same text. SET LOCAL ends
// with the text's implicit transaction: a setting of the session would stay with
// the server's side of a transaction pooler, for whoever gets that next.
const pgLimits = "SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '1s'; "

const savepoint = "sqlwitness_audit"

// postgres is PostgreSQL 13 and later (pg_current_xact_id).
func postgres() *dialect {
	lit := literals{
		id: func(b [16]byte) string { return "'" + uuid.UUID(b).String() + "'" },
		// decode, since '\x…' reads by standard_conforming_strings; its schema,
		// since a search_path may hold another one.
		bytes: func(b []byte) string { return "pg_catalog.decode('" + hex.EncodeToString(b) + "', 'hex')" },
	}
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
		whoami:    "SELECT session_user::pg_catalog.text",
		have: `SELECT 'schema' FROM pg_catalog.pg_namespace WHERE nspname = 'sqlwitness'
UNION ALL SELECT 'refuse' FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'sqlwitness' AND p.proname = 'refuse'
UNION ALL SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'sqlwitness' AND c.relkind IN ('r', 'p')`,
		write: func(entries []*entry) []string { return []string{inserts(entries)} },
		inTx: func(entries []*entry) string {
			return "SAVEPOINT " + savepoint + "; " + inserts(entries) + "; RELEASE SAVEPOINT " + savepoint
		},
		undo: "ROLLBACK TO SAVEPOINT " + savepoint + "; RELEASE SAVEPOINT " + savepoint,
		hint: pgHint,
	}
	d.steps = []step{
		{"schema", "CREATE SCHEMA sqlwitness"},
		{"refuse", `CREATE FUNCTION sqlwitness.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	RAISE EXCEPTION 'sqlwitness: % is refused, table %.% is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$`},
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
	note text NOT NULL,
	PRIMARY KEY (origin, size)`,
	}
	for _, t := range tables {
		d.steps = append(d.steps, step{t, "CREATE TABLE sqlwitness." + t + " (\n\t" + columns[t] + "\n); " + pgGuards(t)})
	}
	return d
}

// pgGuards makes a table append-only. ALWAYS, since session_replication_role
// would switch plain triggers off. Sections alone may be deleted: that is what
// they are for, and the leaf still holds their commitment.
func pgGuards(table string) string {
	events := "UPDATE OR DELETE"
	if table == "payload" {
		events = "UPDATE"
	}
	return "CREATE TRIGGER append_only BEFORE " + events + " ON sqlwitness." + table + " FOR EACH ROW EXECUTE FUNCTION sqlwitness.refuse(); " +
		"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sqlwitness." + table + " FOR EACH STATEMENT EXECUTE FUNCTION sqlwitness.refuse(); " +
		"ALTER TABLE sqlwitness." + table + " ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER no_truncate"
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
