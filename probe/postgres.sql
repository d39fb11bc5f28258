WITH ours AS MATERIALIZED (
	SELECT DISTINCT pg_catalog.unnest($1::pg_catalog.text::pg_catalog.int4[]) AS pid
), asked AS MATERIALIZED (
	-- The advisory locks that ours ask for, as "pid class obj sub".
	SELECT p[1]::pg_catalog.int4 AS pid, p[2]::pg_catalog.int8 AS class, p[3]::pg_catalog.int8 AS obj, p[4]::pg_catalog.int2 AS sub
	FROM (SELECT pg_catalog.string_to_array(pg_catalog.unnest($2::pg_catalog.text::pg_catalog.text[]), ' ') AS p) s
), locks AS MATERIALIZED (
	SELECT l.*,
		ROW(l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid, l.objsubid)::pg_catalog.text AS key,
		-- Not a column before PostgreSQL 14.
		(pg_catalog.to_jsonb(l) ->> 'waitstart')::pg_catalog.timestamptz AS since
	FROM pg_catalog.pg_locks l
	WHERE (NOT l.granted OR l.pid IS NULL OR l.pid IN (SELECT pid FROM ours) OR l.locktype = 'tuple'
			OR l.locktype = 'advisory' AND (l.classid::pg_catalog.int8, l.objid::pg_catalog.int8, l.objsubid) IN (SELECT class, obj, sub FROM asked))
		AND (l.database IS NULL OR l.database = 0
			OR l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
), numbered AS MATERIALIZED (
	SELECT l.*, pg_catalog.row_number() OVER (ORDER BY (l.pid IN (SELECT pid FROM ours)) DESC, l.since) AS n
	FROM locks l
	WHERE NOT l.granted AND l.pid IS NOT NULL
), waiting AS MATERIALIZED (
	-- Each call keeps the lock manager busy, so they are limited.
	SELECT w.*, CASE WHEN w.n <= 200 THEN pg_catalog.pg_blocking_pids(w.pid) END AS blockers
	FROM numbered w
), polled AS MATERIALIZED (
	-- Who polls for a lock does not wait for it on the server.
	SELECT a.pid, a.class, a.obj, a.sub, pg_catalog.array_agg(DISTINCT l.pid) AS holders
	FROM asked a JOIN locks l ON l.locktype = 'advisory' AND l.granted AND l.pid <> a.pid
		AND l.classid::pg_catalog.int8 = a.class AND l.objid::pg_catalog.int8 = a.obj AND l.objsubid = a.sub
	GROUP BY 1, 2, 3, 4
), workers AS MATERIALIZED (
	SELECT b.pid, b.datid, b.usesysid, b.application_name, b.client_addr
	FROM pg_catalog.pg_stat_activity b
	WHERE b.state <> 'idle' AND b.pid NOT IN (SELECT w.pid FROM waiting w WHERE w.locktype = 'advisory')
		AND EXISTS (SELECT FROM pg_catalog.pg_locks l
			WHERE l.pid = b.pid AND l.locktype = 'relation' AND l.database = b.datid
				AND (l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
					OR l.mode = 'RowExclusiveLock' AND b.xact_start < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => 1)))
), involved AS MATERIALIZED (
	SELECT pid FROM ours
	UNION SELECT pg_catalog.unnest(holders) FROM polled
	UNION SELECT pid FROM waiting WHERE n <= 200
	UNION SELECT pg_catalog.unnest(blockers) FROM waiting
)
SELECT pg_catalog.json_build_object(
	'role', pg_catalog.quote_ident(current_user),
	'sees_all', pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
	'signals_all', pg_catalog.pg_has_role(current_user, 'pg_signal_backend', 'USAGE'),
	'sessions', (
		SELECT pg_catalog.json_agg(s) FROM (
			SELECT a.pid, a.backend_start AS started, a.usename AS user, a.application_name AS app,
				pg_catalog.host(a.client_addr) AS client, a.state,
				pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start) AS tx_age,
				pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.state_change) AS state_age,
				pg_catalog."left"(a.query, 4096) AS query,
				a.query = '<insufficient privilege>' AS hidden,
				COALESCE(r.rolsuper, false) AS super,
				COALESCE(pg_catalog.pg_has_role(current_user, a.usesysid, 'USAGE'), true) AS ours,
				-- Who holds a migration's lock may have another session do the work: one
				-- that writes in a transaction, or changes a table.
				a.state LIKE 'idle%' AND EXISTS (
					SELECT FROM workers b
					WHERE b.pid <> a.pid AND b.datid = a.datid AND b.usesysid = a.usesysid
						AND b.application_name = a.application_name AND b.client_addr IS NOT DISTINCT FROM a.client_addr
				) AS helped
			FROM pg_catalog.pg_stat_activity a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
			WHERE a.pid IN (SELECT pid FROM involved)
			ORDER BY (a.pid IN (SELECT pid FROM ours)) DESC, a.xact_start
			LIMIT 400
		) s
	),
	'waits', (
		SELECT pg_catalog.json_agg(s) FROM (
			SELECT w.pid, w.locktype AS kind, w.mode, w.key AS lock, w.blockers AS by,
				pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - w.since) AS "for",
				CASE WHEN w.locktype <> 'advisory' THEN
					-- Who waits for the end of a transaction mostly holds the lock of a row.
					(SELECT n.nspname || '.' || c.relname
					FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
					WHERE c.oid = COALESCE(w.relation, (
						SELECT t.relation FROM locks t
						WHERE w.locktype = 'transactionid' AND t.pid = w.pid AND t.locktype = 'tuple' LIMIT 1)))
				END AS object,
				w.classid::pg_catalog.int8 AS class, w.objid::pg_catalog.int8 AS obj, w.objsubid AS sub
			FROM waiting w
			ORDER BY w.n
			LIMIT 2000
		) s
	),
	'held', (
		SELECT pg_catalog.json_agg(s) FROM (
			SELECT l.pid, n.nspname || '.' || c.relname AS object, l.mode, l.granted
			FROM locks l LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
				LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE l.pid IN (SELECT pid FROM ours) AND l.locktype = 'relation' AND l.relation >= 16384
				AND (c.oid IS NULL OR c.relkind IN ('r', 'p', 'm', 'f', 'v') AND n.nspname <> 'pg_toast')
			LIMIT 1000
		) s
	),
	'advisory', (
		SELECT pg_catalog.json_agg(DISTINCT l.pid) FROM locks l
		WHERE l.granted AND l.locktype = 'advisory' AND l.pid IN (SELECT pid FROM ours)
	),
	'polled', (
		SELECT pg_catalog.json_agg(s) FROM (SELECT pid, holders AS by, class, obj, sub FROM polled LIMIT 200) s
	),
	'prepared', (
		SELECT pg_catalog.json_agg(s) FROM (
			SELECT p.gid, p.owner AS user,
				pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared) AS age,
				(SELECT pg_catalog.json_agg(l.key)
				FROM locks x JOIN locks l ON l.pid IS NULL AND l.virtualtransaction = x.virtualtransaction
				WHERE x.pid IS NULL AND x.locktype = 'transactionid' AND x.transactionid = p.transaction) AS locks
			FROM pg_catalog.pg_prepared_xacts p
			WHERE p.database = pg_catalog.current_database()
				AND EXISTS (SELECT FROM waiting w WHERE 0 = ANY (w.blockers))
			LIMIT 50
		) s
	),
	'progress', (
		SELECT pg_catalog.json_agg(s) FROM ({{progress}}) s
	)
)::pg_catalog.text
