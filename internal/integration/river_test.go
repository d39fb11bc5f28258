package integration

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

func riverSubjects() []subject {
	const module = "github.com/riverqueue/river"
	return []subject{{"river", module, "rivermigrate", []string{"pq", "pgx", "sqlite"}, riverSteps, "version and direction of a migration that fails"}}
}

// riverSteps has the migrations that the tool brings along: it takes no others.
func riverSteps(t target) []step {
	const last = 8
	up := func(from int) (lines []string) {
		for v := from; v <= last; v++ {
			lines = append(lines, fmt.Sprintf("river %d up applied tx", v))
		}
		return lines
	}
	failed := "river null unknown failed around"
	down := func(lowest int) (lines []string) {
		for v := last; v >= lowest; v-- {
			lines = append(lines, fmt.Sprintf("river %d down applied tx", v))
		}
		return lines
	}
	return []step{
		{name: "up", do: riverDo(rivermigrate.DirectionUp, nil), want: up(1)},
		{name: "up again", do: riverDo(rivermigrate.DirectionUp, nil)},
		{name: "down", do: riverDo(rivermigrate.DirectionDown, nil), want: down(last)},
		{name: "up once more", do: riverDo(rivermigrate.DirectionUp, nil), want: up(last)},
		{name: "all down", do: riverDo(rivermigrate.DirectionDown, &rivermigrate.MigrateOpts{TargetVersion: -1}), want: down(1)},
		{name: "up to a failure", before: "CREATE TABLE river_job (id bigint)", do: riverDo(rivermigrate.DirectionUp, nil),
			want: []string{"river 1 up applied tx", failed}},
	}
}

func riverDo(direction rivermigrate.Direction, options *rivermigrate.MigrateOpts) func(context.Context, target, *sql.DB) error {
	return func(ctx context.Context, t target, db *sql.DB) error {
		cfg := &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)}
		var m *rivermigrate.Migrator[*sql.Tx]
		var err error
		if t.name == "sqlite" {
			m, err = rivermigrate.New(riversqlite.New(db), cfg)
		} else {
			m, err = rivermigrate.New(riverdatabasesql.New(db), cfg)
		}
		if err != nil {
			return err
		}
		_, err = m.Migrate(ctx, direction, options)
		return err
	}
}
