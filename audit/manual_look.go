package audit

import "strings"

// historyIn is the columns of version tables, for IN.
func historyIn() string { return "('" + strings.Join(historyColumns(), "', '") + "')" }

// pgLook reads catalogs alone, and of them what a change by hand would change:
// nothing that VACUUM, ANALYZE or use does. Nor what CREATE INDEX CONCURRENTLY
// leaves behind invalid: to drop it is the repair that is asked for. Other sessions' temporary tables are
// not looked at.
var pgLook = look{
	objects: `WITH ns AS (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'sqlwitness')),
rel AS (SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relkind FROM pg_catalog.pg_class c JOIN ns n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S'))
SELECT r.name || '|' || r.relkind::pg_catalog.text || pg_catalog.md5(coalesce(pg_catalog.string_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || a.attidentity::pg_catalog.text || a.attgenerated::pg_catalog.text || coalesce(pg_catalog.md5(d.adbin::pg_catalog.text), ''), ',' ORDER BY a.attnum), ''))
FROM rel r LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum GROUP BY r.name, r.relkind
UNION ALL SELECT r.name || '|index ' || i.relname || pg_catalog.md5(pg_catalog.concat_ws(' ', x.indisunique, x.indisvalid, x.indkey::pg_catalog.text, x.indoption::pg_catalog.text, x.indexprs::pg_catalog.text, x.indpred::pg_catalog.text, am.amname))
FROM rel r JOIN pg_catalog.pg_index x ON x.indrelid = r.oid JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid AND (x.indisvalid OR i.relkind = 'I') JOIN pg_catalog.pg_am am ON am.oid = i.relam
UNION ALL SELECT r.name || '|constraint ' || k.conname || pg_catalog.md5(pg_catalog.concat_ws(' ', k.contype, k.convalidated, k.condeferrable, k.conkey::pg_catalog.text, f.name, k.confkey::pg_catalog.text, k.confdeltype, k.conbin::pg_catalog.text))
FROM rel r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid LEFT JOIN rel f ON f.oid = k.confrelid
UNION ALL SELECT r.name || '|trigger ' || t.tgname || ' ' || t.tgenabled::pg_catalog.text || ' ' || t.tgtype || ' ' || p.proname
FROM rel r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
UNION ALL SELECT r.name || '|rule ' || w.rulename || pg_catalog.md5(w.ev_action::pg_catalog.text) FROM rel r JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid
UNION ALL SELECT n.nspname || '.' || p.proname || '()|' || pg_catalog.md5(pg_catalog.concat_ws(' ', p.proargtypes::pg_catalog.text, p.prosecdef, p.prosrc)) FROM pg_catalog.pg_proc p JOIN ns n ON n.oid = p.pronamespace`,
	columns: `SELECT n.nspname || '.' || c.relname || '|' || a.attname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'sqlwitness') AND NOT a.attisdropped AND a.attname IN ` + historyIn() + ` AND pg_catalog.has_table_privilege(c.oid, 'SELECT')`,
	quote: func(table string) string {
		schema, name, _ := strings.Cut(table, ".")
		return pgName(schema) + "." + pgName(name)
	},
	join: func(columns []string) string {
		return `pg_catalog.concat_ws('|', "` + strings.Join(columns, `", "`) + `")`
	},
}

// mysqlLook reads the database that the connection is in. What information_schema
// shows depends on the account: with other privileges it is another schema.
var mysqlLook = look{
	objects: `SELECT CONCAT(table_name, '|', table_type, ' ', COALESCE(engine, ''), ' ', COALESCE(table_collation, '')) FROM information_schema.tables WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT(table_name, '|', ordinal_position, ' ', column_name, ' ', column_type, ' ', is_nullable, ' ', COALESCE(column_default, ''), ' ', extra, ' ', COALESCE(collation_name, '')) FROM information_schema.columns WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT(table_name, '|index ', index_name, ' ', seq_in_index, ' ', non_unique, ' ', COALESCE(column_name, ''), ' ', COALESCE(sub_part, '')) FROM information_schema.statistics WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT(table_name, '|constraint ', constraint_name, ' ', constraint_type) FROM information_schema.table_constraints WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT(event_object_table, '|trigger ', trigger_name, ' ', MD5(action_statement)) FROM information_schema.triggers WHERE trigger_schema = DATABASE()
UNION ALL SELECT CONCAT(table_name, '|view ', MD5(view_definition)) FROM information_schema.views WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT(routine_name, '()|', MD5(COALESCE(routine_definition, ''))) FROM information_schema.routines WHERE routine_schema = DATABASE()`,
	columns: `SELECT CONCAT(table_name, '|', LOWER(column_name)) FROM information_schema.columns WHERE table_schema = DATABASE() AND LOWER(column_name) IN ` + historyIn(),
	quote:   func(table string) string { return "`" + strings.ReplaceAll(table, "`", "``") + "`" },
	join: func(columns []string) string {
		// The tables' own collations would not go into one UNION.
		return "CONVERT(CONCAT_WS('|', `" + strings.Join(columns, "`, `") + "`) USING utf8mb4)"
	},
}

var sqliteLook = look{
	objects: `SELECT tbl_name || '|' || type || ' ' || name || ' ' || coalesce(sql, '') FROM main.sqlite_master WHERE name NOT LIKE 'sqlite^_%' ESCAPE '^' AND tbl_name NOT LIKE 'sqlwitness^_%' ESCAPE '^'`,
	columns: `SELECT m.name || '|' || lower(c.name) FROM main.sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlwitness^_%' ESCAPE '^' AND lower(c.name) IN ` + historyIn(),
	quote:   func(table string) string { return "main." + pgName(table) },
	join: func(columns []string) string {
		return `coalesce("` + strings.Join(columns, `", '') || '|' || coalesce("`) + `", '')`
	},
}
