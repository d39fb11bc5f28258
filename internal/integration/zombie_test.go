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

// TestElectedLeader: an application elects a leader by an advisory lock, its
// followers wait and poll for it, and a run of goose goes by: nothing is told of a
// lock that nobody works under, and none is taken for the run's.
func TestElectedLeader(t *testing.T) {
	t.Parallel()
	dsn := targets[0].fresh(t)
	seen := &live{}
	w, err := sqlwitness.New(sqlwitness.Config{LogOutput: &output{}, Sinks: []event.Sink{seen},
		Alert: alert.Config{Rules: map[string]alert.Rule{alert.LockWait: {After: time.Second}, alert.DirtyState: {For: time.Millisecond}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(context.Background())
	db, err := w.Open(targets[0].driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if _, err := db.ExecContext(ctx, "CREATE TABLE jobs (id int)"); err != nil {
		t.Fatal(err)
	}
	leader, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer leader.Close()
	if _, err := leader.ExecContext(ctx, "SELECT pg_advisory_lock(7)"); err != nil {
		t.Fatal(err)
	}
	followed := make(chan struct{}, 2)
	go func() {
		_, _ = db.ExecContext(ctx, "SELECT pg_advisory_lock(7)")
		followed <- struct{}{}
	}()
	go func() {
		defer func() { followed <- struct{}{} }()
		c, err := db.Conn(ctx)
		if err != nil {
			return
		}
		defer c.Close()
		for got := false; ctx.Err() == nil && !got; time.Sleep(100 * time.Millisecond) {
			_ = c.QueryRowContext(ctx, "SELECT pg_try_advisory_lock(7)").Scan(&got)
		}
	}()
	p, err := goose.NewProvider(targets[0].dialect, db, fstest.MapFS{"00001_paid.sql": {Data: []byte("-- +goose Up\nCREATE TABLE orders (id int);\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Up(ctx); err != nil {
		t.Fatal(err)
	}
	until(t, "looks at the followers after the leader was idle for long", func() bool {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		blocked := map[uint64]bool{}
		for _, k := range seen.looks {
			if k.Picture != nil && k.Lock != nil && len(k.Picture.Blockers) == 1 && k.Picture.Blockers[0].StateAge > 8*time.Second {
				blocked[k.ConnID] = true
			}
		}
		return len(blocked) == 2
	})
	stop()
	<-followed
	<-followed
	_ = w.Close(context.Background())
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, k := range seen.looks {
		if k.Picture != nil && k.Picture.Zombie {
			t.Errorf("a zombie is seen: %+v", k)
		}
	}
	for _, a := range seen.alerts {
		t.Errorf("an alert: %s %q", a.Rule, a.Title)
	}
	for _, f := range seen.findings {
		t.Errorf("found %+v", f)
	}
}
