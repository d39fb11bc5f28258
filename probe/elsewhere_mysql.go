package probe

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

func (mysql) elsewhere(ctx context.Context, c *sql.Conn, locks []MigrationLock, ddl func(string) bool) (s Signs, err error) {
	f, err := readFacts(ctx, c)
	if err != nil {
		return s, err
	}
	var parts []string
	for i, l := range locks {
		if i < maxSigns {
			parts = append(parts, "SELECT 'lock', IS_USED_LOCK("+quoted(l.Key)+"), '"+strconv.Itoa(i)+"'")
		}
	}
	// The words that a statement begins with, so that the texts of the others stay
	// where they are.
	parts = append(parts, `SELECT 'ddl', ID, LEFT(INFO, 4096) FROM `+f.processList()+`
	WHERE ID <> CONNECTION_ID() AND DB = DATABASE() AND COMMAND IN ('Query', 'Execute') AND INFO REGEXP '^[[:space:]]*(/[*]|--|#|ALTER|CREATE|DROP|RENAME)'`,
		`SELECT 'idle', ID, '' FROM `+f.processList()+` WHERE COMMAND = 'Sleep' AND TIME >= 10`,
		`SELECT 'trail', COUNT(*), '' FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'sqlwitness' AND TABLE_NAME IN ('entry', 'payload')`)
	idle := map[int64]bool{}
	var holders, others []Migrator
	err = each(ctx, c, strings.Join(parts, " UNION ALL "), func(rows *sql.Rows) error {
		var kind string
		var id sql.NullInt64
		var text sql.NullString
		if err := rows.Scan(&kind, &id, &text); err != nil {
			return err
		}
		switch kind {
		case "lock":
			if i, err := strconv.Atoi(text.String); err == nil && id.Valid {
				holders = append(holders, Migrator{PID: id.Int64, Tool: locks[i].Tool})
			}
		case "ddl":
			if ddl != nil && ddl(text.String) {
				others = append(others, Migrator{PID: id.Int64})
			}
		case "idle":
			idle[id.Int64] = true
		case "trail":
			s.Trail = id.Int64 == 2
		}
		return nil
	})
	for _, m := range append(holders, others...) {
		if !idle[m.PID] {
			s.add(m)
		}
	}
	return s, err
}
