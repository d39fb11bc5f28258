SELECT 'index ' || i.indexrelid::pg_catalog.text, 'invalid_index', n.nspname || '.' || c.relname,
	pg_catalog.format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, c.relname),
	EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
		WHERE p.datid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
			AND (p.index_relid = i.indexrelid
				-- Of other roles' sessions the view hides which index it is: any of the table's.
				OR p.relid IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_locks l
					WHERE l.pid = p.pid AND l.locktype = 'relation' AND l.granted AND l.database = p.datid AND l.relation = i.indrelid)))
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
-- That of a partitioned table is invalid until each partition has its own.
WHERE NOT i.indisvalid AND c.relkind = 'i'
UNION ALL
SELECT 'constraint ' || o.oid::pg_catalog.text, 'constraint_not_valid', n.nspname || '.' || c.relname || '.' || o.conname,
	pg_catalog.format('ALTER TABLE %I.%I VALIDATE CONSTRAINT %I', n.nspname, c.relname, o.conname), false
FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class c ON c.oid = o.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT o.convalidated
	-- One that is NOT ENFORCED, from PostgreSQL 18 on, can be validated by nobody.
	AND COALESCE(pg_catalog.to_jsonb(o) ->> 'conenforced', 'true') = 'true'
ORDER BY 1
