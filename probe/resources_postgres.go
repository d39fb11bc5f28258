package probe

import (
	"context"
	"database/sql"
)

// postgresUsage is asked for part by part: a standby, a managed server or a role
// may be refused one of them. The size comes last, because a database of many
// files may take longer than the time there is.
//
// A session's counts reach pg_stat_database when it next ends a transaction, a
// second after the last time at the earliest, or when it has been idle for 10 s.
const (
	postgresCounts = `SELECT blks_hit, blks_read, temp_bytes, deadlocks, COALESCE(stats_reset::pg_catalog.text, '')
FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()`

	postgresWAL = `SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::pg_catalog.int8 END`

	// A standby that has replayed everything reports no lag; a role that may not
	// know sees no position.
	postgresLag = `SELECT MAX(COALESCE(EXTRACT(EPOCH FROM replay_lag), 0))::pg_catalog.float8 FROM pg_catalog.pg_stat_replication WHERE replay_lsn IS NOT NULL`

	postgresSize = `SELECT pg_catalog.pg_database_size(pg_catalog.current_database())`
)

func (*postgres) usage(ctx context.Context, c *sql.Conn) (Usage, error) {
	var u Usage
	for _, part := range []struct {
		query string
		into  []any
	}{
		{postgresCounts, []any{&u.hit, &u.read, &u.temp, &u.deadlocks, &u.since}},
		{postgresWAL, []any{&u.wal}},
		{postgresLag, []any{&u.lag}},
		{postgresSize, []any{&u.size}},
	} {
		if err := optional(ctx, c, part.query, part.into...); err != nil {
			return Usage{}, err
		}
	}
	return u, nil
}

// optional asks for what the server may refuse, in the transaction that is open,
// which lives on. The error is that of a server that cannot be asked any more.
func optional(ctx context.Context, c *sql.Conn, query string, into ...any) error {
	if _, err := c.ExecContext(ctx, "SAVEPOINT sqlwitness_part"); err != nil {
		return err
	}
	if err := c.QueryRowContext(ctx, query).Scan(into...); err != nil {
		if _, lost := c.ExecContext(ctx, "ROLLBACK TO SAVEPOINT sqlwitness_part"); lost != nil {
			return err
		}
	}
	return nil
}
