package audit

import "strings"

// pgRefuse is the body of the function that the triggers call.
const pgRefuse = `
BEGIN
	RAISE EXCEPTION 'sqlwitness: % is refused, table %.% is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END `

func pgRefuseFunction(create string) string {
	return create + " FUNCTION sqlwitness.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$" + pgRefuse + "$$"
}

// pgGuards make a table append-only. ALWAYS, since session_replication_role
// would switch plain triggers off. Sections alone may be deleted: that is what
// they are for, and the leaf still holds their commitment.
func pgGuards(table string) []guard {
	events := "UPDATE OR DELETE"
	if erasable(table) {
		events = "UPDATE"
	}
	table = "sqlwitness." + table
	trigger := func(name, when string) guard {
		return guard{table, name, "DROP TRIGGER IF EXISTS " + name + " ON " + table + "; CREATE TRIGGER " + name + " BEFORE " + when + " EXECUTE FUNCTION sqlwitness.refuse(); " +
			"ALTER TABLE " + table + " ENABLE ALWAYS TRIGGER " + name}
	}
	return []guard{
		trigger("append_only", events+" ON "+table+" FOR EACH ROW"),
		trigger("no_truncate", "TRUNCATE ON "+table+" FOR EACH STATEMENT"),
	}
}

// erasable reports whether rows of a table may be deleted.
func erasable(table string) bool { return table == "payload" || table == "inbox" }

// pgGuardState gives a trigger as its tgenabled, its tgtype and whether it calls
// the function for every row and column; and the function as its body.
const pgGuardState = `SELECT 'sqlwitness.refuse|body|' || p.prosrc FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'sqlwitness' AND p.proname = 'refuse'
UNION ALL SELECT 'sqlwitness.saw|body|' || p.prosrc FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'sqlwitness' AND p.proname = 'saw'
UNION ALL SELECT x.name || '||' FROM (VALUES ('sqlwitness.saw'), ('event trigger')) x (name) CROSS JOIN pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'sqlwitness' AND c.relname = 'inbox'
UNION ALL SELECT 'event trigger|' || t.evtname || '|' || t.evtenabled::pg_catalog.text || ' ' || t.evtevent || ' ' || (t.evttags IS NULL AND p.proname = 'saw' AND n.nspname = 'sqlwitness') FROM pg_catalog.pg_event_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.evtfoid JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE t.evtname LIKE 'sqlwitness\_%'
UNION ALL SELECT 'sqlwitness.' || c.relname || '||' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'sqlwitness' AND c.relkind IN ('r', 'p')
UNION ALL SELECT 'sqlwitness.' || c.relname || '|' || t.tgname || '|' || t.tgenabled::pg_catalog.text || ' ' || t.tgtype || ' ' || (t.tgqual IS NULL AND t.tgattr::pg_catalog.text = '' AND p.proname = 'refuse' AND p.pronamespace = n.oid)
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
WHERE n.nspname = 'sqlwitness' AND NOT t.tgisinternal`

// pgJudge knows tgtype: ROW 1, BEFORE 2, DELETE 8, UPDATE 16, TRUNCATE 32.
func pgJudge(g guard, state string) string {
	want := "A 27 true"
	switch {
	case g.table == "sqlwitness.refuse":
		want = pgRefuse
	case g.table == "sqlwitness.saw":
		want = pgSaw
	case g.table == eventTrigger:
		for _, t := range pgEventTriggers {
			if t.name == g.name {
				want = "A " + t.event + " true"
			}
		}
	case g.name == "no_truncate":
		want = "A 34 true"
	case erasable(strings.TrimPrefix(g.table, "sqlwitness.")):
		want = "A 19 true"
	}
	switch {
	case state == want:
		return ""
	case strings.HasPrefix(state, "D "):
		return guardOff
	}
	return guardAltered
}

// pgPrivileges are an owner that can log in, and grants of more than is needed.
// DELETE on sections is what whoever erases them needs.
const pgPrivileges = `SELECT DISTINCT 'sqlwitness.*|the role ' || pg_catalog.quote_ident(r.rolname) || ' owns the tables and can log in: it may switch the guards off; sqlwitness audit setup -owner ROLE gives them to one that cannot log in|'
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
WHERE n.nspname = 'sqlwitness' AND c.relkind IN ('r', 'p') AND r.rolcanlogin
UNION ALL SELECT 'sqlwitness.' || c.relname || '|the role ' || g.name || ' may ' || a.privilege_type || ' it|REVOKE ' || a.privilege_type || ' ON sqlwitness.' || c.relname || ' FROM ' || g.name
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee CROSS JOIN LATERAL (SELECT coalesce(pg_catalog.quote_ident(r.rolname), 'PUBLIC') AS name) g
WHERE n.nspname = 'sqlwitness' AND c.relkind IN ('r', 'p') AND a.grantee <> c.relowner AND a.privilege_type NOT IN ('SELECT', 'INSERT')
AND NOT (c.relname = 'payload' AND a.privilege_type = 'DELETE')`
