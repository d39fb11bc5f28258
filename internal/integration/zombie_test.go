package integration

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/event"
)

// TestZombieLock: a run waits for the migration lock, and the session that holds it
// is there and does nothing: its program hangs, or has put it back into a pool.
// The alert and the log say who it is, and what they say to run ends the wait. A
// tool that blocks on the server (golang-migrate) and one that polls (goose), with
// nothing that would have told of a run yet.
func TestZombieLock(t *testing.T) {
	byGoose := func(ctx context.Context, t *testing.T, on target, db *sql.DB) error {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
		if err != nil {
			t.Fatal(err)
		}
		p, err := goose.NewProvider(on.dialect, db, fstest.MapFS{"00001_paid.sql": {Data: []byte("-- +goose Up\nCREATE TABLE orders (id int);\n")}}, goose.WithSessionLocker(locker))
		if err != nil {
			return err
		}
		_, err = p.Up(ctx)
		return err
	}
	byMigrate := func(ctx context.Context, _ *testing.T, on target, db *sql.DB) error {
		return migrateDriver(migrateInstance).act((*migrate.Migrate).Up)(ctx, on, db, three)
	}
	for _, on := range targets[:3] {
		for tool, up := range map[string]func(context.Context, *testing.T, target, *sql.DB) error{"goose": byGoose, "golang-migrate": byMigrate} {
			if tool == "goose" && on.name == "mariadb" {
				continue // goose has no lock of the session's there
			}
			t.Run(on.name+"/"+tool, func(t *testing.T) {
				t.Parallel()
				dsn := on.fresh(t)
				w0 := witness(t, &recorder{})
				other, err := w0.Open(on.driver, dsn)
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()
				ctx := t.Context()
				holder, err := other.Conn(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer holder.Close()
				for _, s := range takes(t, holder, on, tool) {
					if _, err := holder.ExecContext(ctx, s); err != nil {
						t.Fatal(err)
					}
				}

				seen, log := &live{}, &output{}
				w, err := sqlwitness.New(sqlwitness.Config{LogOutput: log, Sinks: []event.Sink{seen},
					Alert: alert.Config{Rules: map[string]alert.Rule{alert.LockWait: {After: 3 * time.Second}}}})
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close(context.Background())
				db, err := w.Open(on.driver, dsn)
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				done := make(chan error, 1)
				go func() { done <- up(ctx, t, on, db) }()

				until(t, "an alert", func() bool { return seen.alert(alert.LockWait, event.Firing) != nil })
				a := seen.alert(alert.LockWait, event.Firing)
				all := a.Title + " " + strings.Join(a.Details, " ")
				for _, part := range []string{"whose holder does nothing", "Blocked by pid", "idle for", "SELECT "} {
					if !strings.Contains(all, part) {
						t.Errorf("the alert lacks %q: %s", part, all)
					}
				}
				if len(a.Steps) == 0 || !strings.Contains(a.Steps[0].SQL, map[bool]string{true: "IS_USED_LOCK(", false: "backend_start = '"}[on.name == "mariadb"]) {
					t.Fatalf("the alert does not say how to free the lock: %+v", a.Steps)
				}
				until(t, "a line", func() bool { return strings.Contains(log.String(), `"holder_idle":true`) })
				for line := range strings.Lines(log.String()) {
					if strings.Contains(line, `"holder_idle":true`) && (!strings.Contains(line, `"level":"warn"`) || !strings.Contains(line, `"event":"lock.waiting"`) || !strings.Contains(line, `"free_sql"`) || strings.Contains(line, "secret")) {
						t.Errorf("the line is %s", line)
					}
				}
				if _, err := other.ExecContext(ctx, a.Steps[0].SQL); err != nil {
					t.Errorf("%s: %v", a.Steps[0].SQL, err)
				}
				if err := <-done; err != nil {
					t.Errorf("the run, once the lock is free: %v", err)
				}
			})
		}
	}
}

// takes are the statements by which the session comes to hold the tool's lock.
func takes(t *testing.T, c *sql.Conn, on target, tool string) []string {
	t.Helper()
	const last = "SELECT 'secret'"
	if tool == "goose" {
		return []string{"SELECT pg_advisory_lock(4097083626)", last}
	}
	var name string
	if err := c.QueryRowContext(t.Context(), map[bool]string{true: "SELECT DATABASE()", false: "SELECT current_database()"}[on.name == "mariadb"]).Scan(&name); err != nil {
		t.Fatal(err)
	}
	if on.name == "mariadb" {
		return []string{fmt.Sprintf("SELECT GET_LOCK('%s', 0)", advisoryID(t, name+":schema_migrations")), last}
	}
	return []string{fmt.Sprintf("SELECT pg_advisory_lock(%s)", advisoryID(t, name, "public", "schema_migrations")), last}
}

func advisoryID(t *testing.T, name string, more ...string) string {
	t.Helper()
	id, err := database.GenerateAdvisoryLockId(name, more...)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
