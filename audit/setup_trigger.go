package audit

// pgSaw is the body of the function that the event triggers call. It is in the
// transaction of the DDL, so that what is rolled back leaves no row. It takes no
// lock, and whatever goes wrong in it is a warning: DDL is not refused for it.
const pgSaw = `
DECLARE
	r record;
	session timestamptz;
BEGIN
	SELECT a.backend_start INTO session FROM pg_stat_get_activity(pg_backend_pid()) a;
	IF TG_EVENT = 'sql_drop' THEN
		FOR r IN SELECT o.object_type, o.object_identity FROM pg_event_trigger_dropped_objects() o WHERE o.original AND NOT o.is_temporary LOOP
			INSERT INTO sqlwitness.inbox (pid, session, who, role, app, tag, kind, object)
			VALUES (pg_backend_pid(), session, session_user, current_setting('role'), current_setting('application_name'), TG_TAG, r.object_type, r.object_identity);
		END LOOP;
	ELSE
		FOR r IN SELECT o.command_tag, o.object_type, o.object_identity FROM pg_event_trigger_ddl_commands() o
			WHERE NOT o.in_extension AND coalesce(o.schema_name, '') <> 'pg_temp' LOOP
			INSERT INTO sqlwitness.inbox (pid, session, who, role, app, tag, kind, object)
			VALUES (pg_backend_pid(), session, session_user, current_setting('role'), current_setting('application_name'), r.command_tag, r.object_type, r.object_identity);
		END LOOP;
	END IF;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'sqlwitness did not note a % (%)', TG_TAG, SQLSTATE;
END `

// pgInbox is the table that the notes are in. Its rows may be deleted, since they
// name accounts; what they said is in the trail by then.
const pgInbox = `CREATE TABLE IF NOT EXISTS sqlwitness.inbox (
	id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
	at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	pid integer NOT NULL,
	session timestamptz,
	who text NOT NULL,
	role text NOT NULL,
	app text NOT NULL,
	tag text NOT NULL,
	kind text,
	object text
)`

// pgEventTrigger makes PostgreSQL note DDL itself, whoever does it and by
// whatever client. What the witness has recorded anyway is told apart when the
// notes are read. ALWAYS, since session_replication_role would switch it off.
func pgEventTrigger() []string {
	list := []string{pgInbox}
	for _, g := range pgInboxGuards() {
		list = append(list, g.sql)
	}
	return list
}

// eventTrigger stands in for the table of a guard that has none.
const eventTrigger = "event trigger"

// pgInboxGuards are the guards of what an event trigger needs, in the order in
// which they can be made.
func pgInboxGuards() []guard {
	const saw = "CREATE OR REPLACE FUNCTION sqlwitness.saw() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$" + pgSaw + "$$"
	list := append(pgGuards("inbox"), guard{"sqlwitness.saw", "body", saw})
	for _, t := range pgEventTriggers {
		list = append(list, guard{eventTrigger, t.name, "DROP EVENT TRIGGER IF EXISTS " + t.name + "; CREATE EVENT TRIGGER " + t.name + " ON " + t.event +
			" EXECUTE FUNCTION sqlwitness.saw(); ALTER EVENT TRIGGER " + t.name + " ENABLE ALWAYS"})
	}
	return list
}

var pgEventTriggers = [...]struct{ name, event string }{
	{"sqlwitness_ddl", "ddl_command_end"}, {"sqlwitness_drop", "sql_drop"},
}
