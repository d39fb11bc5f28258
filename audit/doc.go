// Package audit keeps the record of migrations: who ran what, when, and how it
// went, in tables of the database that is being migrated.
//
// Each attempt at a migration leaves two entries. The intent is written before
// the first statement, through a connection of the store's own. The outcome is
// written in the migration's own transaction just before its commit, so that it
// exists exactly if the migration does; where there is no such transaction, or
// it was rolled back, it goes through the store's own connection afterwards.
//
// What is lost when the process dies: nothing that a call has returned for. An
// intent without an outcome then stays behind, which is itself a finding. In
// [BestEffort] an entry that the database does not take goes to the spool, a
// file that is flushed to disk before the call returns.
//
// The format of tables, entries and spool is docs/audit-format.md. No bound
// argument, SQL literal, DSN or server message is in any of them.
package audit
