// Package probe sees a database server from a second connection, while the
// first is busy: what one of our sessions waits for and who holds it, who waits
// behind it and for how long, how far its statement has come, and what a run of
// migrations has left behind.
//
// The probe must not join the queue that it watches. It has a connection of its
// own, opened at the first look and closed when idle, never one of the tool's
// pool. It reads catalogs and activity views, in statements that give up after
// 100 ms behind a lock (1 s on MySQL and MariaDB, which know whole seconds) and 1 s
// in all, and never by a function that locks a table. The one table that is read is
// the audit trail's, where [Probe.Elsewhere] is given who reads it. It writes nothing. Where the server refuses it, it
// says so once and rests.
//
// PostgreSQL 12 and later, MariaDB and MySQL 8 are seen, with what the role may
// see: a [event.Picture] lists what is missing and the statement that gives it.
// SQLite has no such view. Nothing is kept when the process dies, and nothing
// but the connection, whose end the server notices, stays behind.
package probe
