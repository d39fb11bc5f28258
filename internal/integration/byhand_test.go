package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/golang-migrate/migrate/v4"
	"github.com/pressly/goose/v3"
)

// handwork is something that is done past the migrations between two runs of a
// tool, and the entries that it leaves by the end of the second one.
type handwork struct {
	name string
	only string                                                  // system; "" for all
	bare string                                                  // done where the witness does not see it
	mark map[string]string                                       // the same by tool
	do   func(context.Context, target, *sql.DB) error            // done through the witness
	tool map[string]func(context.Context, target, *sql.DB) error // the same by a tool's own command
	want []string
}

// seen runs a text through the witness, as a query where it gives rows.
func seen(query string) func(context.Context, target, *sql.DB) error {
	return func(ctx context.Context, t target, db *sql.DB) error {
		if strings.HasPrefix(query, "SELECT") {
			var answer any
			return db.QueryRowContext(ctx, query).Scan(&answer)
		}
		_, err := db.ExecContext(ctx, query)
		return err
	}
}

// ended lets a second session of the database end the way a query says, of which
// %d is that session's number.
func ended(own, query string) func(context.Context, target, *sql.DB) error {
	return func(ctx context.Context, t target, db *sql.DB) error {
		victim, err := sql.Open(t.driver, t.dsn)
		if err != nil {
			return err
		}
		defer victim.Close()
		c, err := victim.Conn(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		var id int64
		if err := c.QueryRowContext(ctx, own).Scan(&id); err != nil {
			return err
		}
		return seen(fmt.Sprintf(query, id))(ctx, t, db)
	}
}

var handworks = []handwork{
	{name: "nothing"},
	{name: "a mark made", mark: map[string]string{
		"goose":          "INSERT INTO goose_db_version (version_id, is_applied) VALUES (3, true)",
		"golang-migrate": "UPDATE schema_migrations SET version = 3",
	}, want: []string{"manual.history_edit"}},
	{name: "a column", bare: "ALTER TABLE users ADD by_hand int", want: []string{"manual.schema_drift"}},
	{name: "a table", bare: "CREATE TABLE by_hand (id int)", want: []string{"manual.schema_drift"}},
	{name: "a table, through the witness", do: seen("CREATE TABLE seen (id int)"), want: []string{"intent unknown", "outcome unknown"}},
	{name: "a version forced", tool: map[string]func(context.Context, target, *sql.DB) error{
		"golang-migrate": func(ctx context.Context, t target, db *sql.DB) error {
			return migrateDriver(migrateInstance).act(func(m *migrate.Migrate) error { return m.Force(2) })(ctx, t, db, three)
		}}, want: []string{"manual.force", "outcome golang-migrate"}},
	{name: "a session terminated", only: "postgres", do: ended("SELECT pg_backend_pid()", "SELECT pg_terminate_backend(%d)"), want: []string{"manual.lock_released"}},
	{name: "a session cancelled", only: "postgres", do: ended("SELECT pg_backend_pid()", "SELECT pg_cancel_backend(%d)"), want: []string{"manual.lock_released"}},
	{name: "all locks released", only: "postgres", do: seen("SELECT pg_advisory_unlock_all()"), want: []string{"manual.lock_released"}},
	{name: "a session killed", only: "mysql", do: ended("SELECT CONNECTION_ID()", "KILL %d"), want: []string{"manual.lock_released"}},
	{name: "a query killed", only: "mysql", do: ended("SELECT CONNECTION_ID()", "/* stuck */ KILL QUERY %d"), want: []string{"manual.lock_released"}},
	{name: "all locks released", only: "mysql", do: seen("SELECT RELEASE_ALL_LOCKS()"), want: []string{"manual.lock_released"}},
	{name: "a right granted", only: "postgres", do: seen("GRANT SELECT ON users TO PUBLIC"), want: []string{"config.server"}},
	{name: "a setting of the server", only: "mysql", do: seen("SET GLOBAL max_connect_errors = 200"), want: []string{"config.server"}},
}

// TestByHandIsRecorded: what is done by hand leaves an entry with real tools on
// each database, and two runs with nothing between them leave none.
func TestByHandIsRecorded(t *testing.T) {
	tools := []struct {
		name string
		up   act
	}{
		{"goose", provider(goosePlain).act((*goose.Provider).Up)},
		{"golang-migrate", migrateDriver(migrateInstance).act(func(m *migrate.Migrate) error {
			if err := m.Up(); !errors.Is(err, migrate.ErrNoChange) {
				return err
			}
			return nil
		})},
	}
	for _, target := range targets {
		for _, tool := range tools {
			for _, h := range handworks {
				if h.only != "" && h.only != target.driver && !(h.only == "postgres" && target.driver == "pgx") || h.tool != nil && h.tool[tool.name] == nil {
					continue
				}
				if h.do != nil && tool.name != "goose" { // the tool has no part in it
					continue
				}
				t.Run(target.name+"/"+tool.name+"/"+h.name, func(t *testing.T) {
					target := target
					target.dsn = target.fresh(t)
					through := func(f func(*sql.DB) error) {
						t.Helper()
						w := witness(t, nil)
						db, err := w.Open(target.driver, target.dsn)
						if err != nil {
							t.Fatal(err)
						}
						err = f(db)
						if err := errors.Join(err, db.Close(), w.Close(t.Context())); err != nil {
							t.Fatal(err)
						}
					}
					run := func(ms []migration) { through(func(db *sql.DB) error { return tool.up(t.Context(), target, db, ms) }) }
					run(three[:2])
					plain, err := sql.Open(target.driver, target.dsn)
					if err != nil {
						t.Fatal(err)
					}
					defer plain.Close()
					kinds := func() (list []string) {
						for _, leaf := range leaves(t, plain, auditTables[target.name], name(t, plain, target)) {
							kind := fmt.Sprint(leaf["kind"])
							switch {
							case leaf["tool"] != nil:
								list = append(list, fmt.Sprint(kind, " ", leaf["tool"]))
							case strings.HasPrefix(kind, "manual.") && kind != "manual.guard", kind == "config.server":
								list = append(list, kind)
							}
						}
						return list
					}
					switch bare := h.bare + h.mark[tool.name]; {
					case bare != "":
						if _, err := plain.ExecContext(t.Context(), bare); err != nil {
							t.Fatal(err)
						}
					case h.do != nil:
						through(func(db *sql.DB) error { return h.do(t.Context(), target, db) })
					case h.tool != nil:
						through(func(db *sql.DB) error { return h.tool[tool.name](t.Context(), target, db) })
					}
					run(three)
					got := kinds()
					slices.Sort(got)
					rest := slices.Clone(h.want)
					for _, k := range got {
						if i := slices.Index(rest, k); i >= 0 {
							rest = slices.Delete(rest, i, i+1)
						}
						if strings.HasPrefix(k, "manual.") && !slices.Contains(h.want, k) {
							t.Errorf("%s is claimed", k)
						}
					}
					if len(rest) > 0 {
						t.Errorf("there is no %q in %q", rest, got)
					}
				})
			}
		}
	}
}
