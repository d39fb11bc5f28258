SELECT 'lock_left', l.classid::pg_catalog.int8, l.objid::pg_catalog.int8, l.objsubid::pg_catalog.int8, NULL::pg_catalog.float8,
	pg_catalog.format('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %L', a.pid, a.backend_start)
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.pid = ANY ($1::pg_catalog.text::pg_catalog.int4[])
	AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
UNION ALL
SELECT 'still_running', 0, 0, 0, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.query_start),
	pg_catalog.format('SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %L', a.pid, a.backend_start)
FROM pg_catalog.pg_stat_activity a
WHERE a.state IN ('active', 'fastpath function call') AND a.pid = ANY ($1::pg_catalog.text::pg_catalog.int4[])
LIMIT 200
