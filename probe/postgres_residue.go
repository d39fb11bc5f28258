package probe

import (
	"context"
	"database/sql"
	"fmt"

	_ "embed"
)

//go:embed postgres_leftovers.sql
var postgresLeftovers string

//go:embed postgres_remains.sql
var postgresRemains string

func (*postgres) leftovers(ctx context.Context, c *sql.Conn) ([]leftover, error) {
	rows, err := c.QueryContext(ctx, postgresLeftovers)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []leftover
	for rows.Next() {
		var l leftover
		if err := rows.Scan(&l.id, &l.kind, &l.object, &l.sql, &l.active); err != nil {
			return nil, err
		}
		switch l.kind {
		case invalidIndex:
			l.message = fmt.Sprintf("the index %s has become invalid: writes maintain it and no query uses it", l.object)
		case constraintNotValid:
			l.message = fmt.Sprintf("the constraint %s holds for new rows only: those that were there are not checked", l.object)
		}
		found = append(found, l)
	}
	return found, rows.Err()
}

func (*postgres) remains(ctx context.Context, c *sql.Conn, ids []int64) ([]remain, error) {
	rows, err := c.QueryContext(ctx, postgresRemains, intArray(ids))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []remain
	for rows.Next() {
		var r remain
		var class, obj, sub int64
		var age *float64
		if err := rows.Scan(&r.kind, &class, &obj, &sub, &age, &r.sql); err != nil {
			return nil, err
		}
		switch r.kind {
		case lockLeft:
			r.object = advisoryKey(class, obj, int(sub))
			r.message = fmt.Sprintf("the run has ended and a session of its still holds the advisory lock %s: the next run waits for it", r.object)
		case stillRunning:
			r.age = seconds(age)
			r.message = "the server still runs a statement of the run, though nobody waits for its answer any more"
		}
		found = append(found, r)
	}
	return found, rows.Err()
}
