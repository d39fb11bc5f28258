package sqltext

// Operation is what a statement does: a closed set, so that it may be a metric
// label (OpenTelemetry db.operation.name). The zero value is OTHER.
type Operation uint8

// operation is a row of the table: its name, which is also how its text
// begins, and the class of its statements.
type operation struct {
	name  string
	class Class
}

var operations = [...]operation{
	{"OTHER", ClassOther},
	{"SELECT", ClassRead},
	{"VALUES", ClassRead},
	{"TABLE", ClassRead},
	{"EXPLAIN", ClassRead},
	{"INSERT", ClassWrite},
	{"REPLACE", ClassWrite},
	{"UPDATE", ClassWrite},
	{"DELETE", ClassWrite},
	{"MERGE", ClassWrite},
	{"COPY", ClassWrite},
	{"LOAD", ClassWrite},
	{"CALL", ClassOther},
	{"DO", ClassOther},
	{"EXECUTE", ClassOther},
	{"PREPARE", ClassOther},
	{"DEALLOCATE", ClassOther},
	{"DECLARE", ClassOther},
	{"FETCH", ClassRead},
	{"CLOSE", ClassOther},
	{"TRUNCATE", ClassDDL},
	{"CREATE TABLE", ClassDDL},
	{"CREATE INDEX", ClassDDL},
	{"CREATE VIEW", ClassDDL},
	{"CREATE MATERIALIZED VIEW", ClassDDL},
	{"CREATE SCHEMA", ClassDDL},
	{"CREATE DATABASE", ClassDDL},
	{"CREATE SEQUENCE", ClassDDL},
	{"CREATE FUNCTION", ClassDDL},
	{"CREATE PROCEDURE", ClassDDL},
	{"CREATE TRIGGER", ClassDDL},
	{"CREATE TYPE", ClassDDL},
	{"CREATE DOMAIN", ClassDDL},
	{"CREATE EXTENSION", ClassDDL},
	{"CREATE ROLE", ClassDDL},
	{"CREATE POLICY", ClassDDL},
	{"CREATE", ClassDDL},
	{"ALTER TABLE", ClassDDL},
	{"ALTER INDEX", ClassDDL},
	{"ALTER VIEW", ClassDDL},
	{"ALTER SCHEMA", ClassDDL},
	{"ALTER DATABASE", ClassDDL},
	{"ALTER SEQUENCE", ClassDDL},
	{"ALTER FUNCTION", ClassDDL},
	{"ALTER TYPE", ClassDDL},
	{"ALTER ROLE", ClassDDL},
	{"ALTER SYSTEM", ClassDDL},
	{"ALTER", ClassDDL},
	{"DROP TABLE", ClassDDL},
	{"DROP INDEX", ClassDDL},
	{"DROP VIEW", ClassDDL},
	{"DROP MATERIALIZED VIEW", ClassDDL},
	{"DROP SCHEMA", ClassDDL},
	{"DROP DATABASE", ClassDDL},
	{"DROP SEQUENCE", ClassDDL},
	{"DROP FUNCTION", ClassDDL},
	{"DROP PROCEDURE", ClassDDL},
	{"DROP TRIGGER", ClassDDL},
	{"DROP TYPE", ClassDDL},
	{"DROP ROLE", ClassDDL},
	{"DROP", ClassDDL},
	{"RENAME", ClassDDL},
	{"COMMENT", ClassDDL},
	{"GRANT", ClassDDL},
	{"REVOKE", ClassDDL},
	{"REINDEX", ClassDDL},
	{"VACUUM", ClassDDL},
	{"ANALYZE", ClassDDL},
	{"CLUSTER", ClassDDL},
	{"REFRESH", ClassDDL},
	{"OPTIMIZE", ClassDDL},
	{"LOCK", ClassLock},
	{"UNLOCK", ClassLock},
	{"BEGIN", ClassTx},
	{"COMMIT", ClassTx},
	{"ROLLBACK", ClassTx},
	{"ROLLBACK TO", ClassTx},
	{"SAVEPOINT", ClassTx},
	{"RELEASE", ClassTx},
	{"SET", ClassSession},
	{"RESET", ClassSession},
	{"SHOW", ClassSession},
	{"USE", ClassSession},
	{"PRAGMA", ClassSession},
	{"DISCARD", ClassSession},
	{"ATTACH", ClassSession},
	{"DETACH", ClassSession},
	{"LISTEN", ClassSession},
	{"NOTIFY", ClassSession},
}

// NumOperations is how many there are.
const NumOperations = len(operations)

// String is the operation in upper case: "SELECT", "CREATE TABLE", "OTHER".
func (o Operation) String() string { return operations[o].name }

// DDL reports whether the operation defines or maintains the schema.
func (o Operation) DDL() bool { return operations[o].class == ClassDDL }

// operationOf finds an operation by its name; OTHER if there is none.
func operationOf(name string) Operation {
	for i := range operations {
		if operations[i].name == name {
			return Operation(i)
		}
	}
	return 0
}
