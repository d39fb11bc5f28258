package probe

import (
	"context"
	"database/sql"
	"strconv"

	"github.com/sqlwitness/sqlwitness/event"
)

// The size is that of the files, which InnoDB knows without opening a table:
// information_schema.TABLES would open each one, and wait for the one that is
// being altered; and MySQL answers it from what it noted up to a day ago. Tables
// that share the system's file are not in it.
//
// A server does not know how far its replicas are behind.
const (
	mysqlSize   = `SELECT CAST(COALESCE(SUM(FILE_SIZE), IF(@@innodb_file_per_table, 0, NULL)) AS SIGNED) FROM information_schema.INNODB_TABLESPACES` + inDatabase
	mariaDBSize = `SELECT CAST(COALESCE(SUM(FILE_SIZE), IF(@@innodb_file_per_table, 0, NULL)) AS SIGNED) FROM information_schema.INNODB_SYS_TABLESPACES` + inDatabase
	inDatabase  = ` WHERE SUBSTRING_INDEX(NAME, '/', 1) = CAST(CONVERT(DATABASE() USING filename) AS BINARY)`
)

// mysqlCounts are the counters of the server, each of which may not be there.
const mysqlCounts = `SHOW GLOBAL STATUS WHERE Variable_name IN
	('Innodb_os_log_written', 'Innodb_buffer_pool_read_requests', 'Innodb_buffer_pool_reads', 'Innodb_deadlocks')`

func (mysql) usage(ctx context.Context, c *sql.Conn) (Usage, error) {
	f, err := readFacts(ctx, c)
	if err != nil {
		return Usage{}, err
	}
	counts := map[string]*int64{}
	if err := each(ctx, c, mysqlCounts, func(rows *sql.Rows) error {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			counts[name] = &n
		}
		return nil
	}); refused(err) != nil {
		return Usage{}, err
	}
	u := Usage{
		wal:       counts["Innodb_os_log_written"],
		read:      counts["Innodb_buffer_pool_reads"],
		hit:       rise(counts["Innodb_buffer_pool_reads"], counts["Innodb_buffer_pool_read_requests"]),
		deadlocks: counts["Innodb_deadlocks"],
	}
	return u, u.sizeOf(ctx, c, f)
}

func (u *Usage) sizeOf(ctx context.Context, c *sql.Conn, f facts) error {
	query := mysqlSize
	if f.mariaDB {
		query = mariaDBSize
	}
	err := c.QueryRowContext(ctx, query).Scan(&u.size)
	if class, _ := event.Classify(err); class == event.ClassPermission {
		u.missing = append(u.missing, event.Missing{What: "the size of the database", Fix: "GRANT PROCESS ON *.* TO " + f.user})
	}
	return refused(err)
}

// refused is nil for an error that is the server's answer, which it can be asked
// further after.
func refused(err error) error {
	if _, code := event.Classify(err); code != "" {
		return nil
	}
	return err
}
