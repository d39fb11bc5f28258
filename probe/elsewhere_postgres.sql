WITH mine AS MATERIALIZED (
	SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
), signs AS MATERIALIZED (
	SELECT l.pid, CASE WHEN l.locktype = 'advisory' THEN (l.classid::pg_catalog.int8 << 32 | l.objid::pg_catalog.int8)::pg_catalog.text ELSE '' END AS key
	FROM pg_catalog.pg_locks l
	WHERE l.database = (SELECT oid FROM mine) AND l.pid <> pg_catalog.pg_backend_pid() AND (
		l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock' AND l.objsubid = 1
			AND (l.classid::pg_catalog.int8 << 32 | l.objid::pg_catalog.int8)::pg_catalog.text = ANY (pg_catalog.string_to_array($1::pg_catalog.text, ' '))
		OR l.locktype = 'relation' AND l.relation >= 16384
			AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'AccessExclusiveLock')
			-- Neither a temporary relation nor one that nobody else can know yet.
			AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = l.relation AND c.relpersistence <> 't'))
)
SELECT 'session', s.pid, s.key, pg_catalog."left"(a.query, 4096)
FROM (SELECT DISTINCT pid, key FROM signs ORDER BY key DESC LIMIT 100) s JOIN pg_catalog.pg_stat_activity a ON a.pid = s.pid
WHERE a.backend_type IS NULL OR a.backend_type = 'client backend' AND (a.state IS DISTINCT FROM 'idle' OR a.state_change > pg_catalog.clock_timestamp() - interval '10 s')
UNION ALL
SELECT 'trail', 0, '', '' FROM pg_catalog.pg_namespace n
WHERE n.nspname = 'sqlwitness' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND 2 = (
	SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c
	WHERE c.relnamespace = n.oid AND c.relname IN ('entry', 'payload') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
