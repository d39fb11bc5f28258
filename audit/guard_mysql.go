package audit

// mysqlPrivileges are grants of more than is needed: on the audit's database and
// its tables for every account, on the whole server for the one that asks. What
// an account does not see here are the others' grants, unless it may read the
// database mysql.
const mysqlPrivileges = `SELECT CONCAT('sqlwitness.*|the account ', grantee, ' may ', privs, '|REVOKE ', privs, ' ON sqlwitness.* FROM ', grantee) FROM (
SELECT grantee, GROUP_CONCAT(privilege_type ORDER BY privilege_type SEPARATOR ', ') AS privs FROM information_schema.schema_privileges
WHERE 'sqlwitness' LIKE table_schema AND privilege_type NOT IN ('SELECT', 'INSERT', 'USAGE', 'SHOW VIEW') GROUP BY grantee) s
UNION ALL SELECT CONCAT('sqlwitness.', name, '|the account ', grantee, ' may ', privs, '|REVOKE ', privs, ' ON sqlwitness.', name, ' FROM ', grantee) FROM (
SELECT grantee, table_name AS name, GROUP_CONCAT(privilege_type ORDER BY privilege_type SEPARATOR ', ') AS privs FROM information_schema.table_privileges
WHERE table_schema = 'sqlwitness' AND privilege_type NOT IN ('SELECT', 'INSERT', 'SHOW VIEW') AND NOT (table_name = 'payload' AND privilege_type = 'DELETE') GROUP BY grantee, table_name) t
UNION ALL SELECT CONCAT('sqlwitness.*|the account ', grantee, ' may ', privs, ' in every database: migrate with one that may not|') FROM (
SELECT grantee, GROUP_CONCAT(privilege_type ORDER BY privilege_type SEPARATOR ', ') AS privs FROM information_schema.user_privileges
WHERE grantee = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''') AND privilege_type IN ('UPDATE', 'DELETE', 'DROP', 'ALTER') GROUP BY grantee) u`
