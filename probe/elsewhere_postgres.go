package probe

import (
	"context"
	"database/sql"
	_ "embed"
	"strings"
)

//go:embed elsewhere_postgres.sql
var postgresElsewhere string

func (*postgres) elsewhere(ctx context.Context, c *sql.Conn, locks []MigrationLock, ddl func(string) bool) (s Signs, err error) {
	tools := map[string]string{}
	var keys []string
	for _, l := range locks {
		tools[l.Key] = l.Tool
		keys = append(keys, l.Key)
	}
	var others []Migrator
	err = each(ctx, c, postgresElsewhere, func(rows *sql.Rows) error {
		var kind, key string
		var pid int64
		var text sql.NullString
		if err := rows.Scan(&kind, &pid, &key, &text); err != nil {
			return err
		}
		switch {
		case kind == "trail":
			s.Trail = true
		case tools[key] != "":
			s.add(Migrator{PID: pid, Tool: tools[key]})
		case key == "" && ddl != nil && ddl(text.String):
			others = append(others, Migrator{PID: pid})
		}
		return nil
	}, strings.Join(keys, " "))
	for _, m := range others {
		s.add(m)
	}
	return s, err
}
