package alert

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/lib/pq"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
	"github.com/sqlwitness/sqlwitness/probe"
)

// TestTheStepsWork lets an idle transaction block a migration and a reader queue
// behind it on a real server, does what the alert says, and sees the queue clear.
func TestTheStepsWork(t *testing.T) {
	for _, server := range []struct {
		system, driver string
		dsn            func(testing.TB) string
		connector      func(string) (driver.Connector, error)
		session        string
	}{
		{"postgresql", "postgres", testdb.PostgreSQL, func(dsn string) (driver.Connector, error) { return pq.NewConnector(dsn) }, "SELECT pg_backend_pid()"},
		{"mariadb", "mysql", testdb.MariaDB, func(dsn string) (driver.Connector, error) { return mysql.MySQLDriver{}.OpenConnector(dsn) }, "SELECT CONNECTION_ID()"},
	} {
		for name, pick := range map[string]func([]event.Step) string{
			"free the queue":  func(s []event.Step) string { return s[0].SQL },
			"end the blocker": func(s []event.Step) string { return s[1].SQL },
		} {
			if server.system == "mariadb" && name == "end the blocker" {
				continue // MariaDB shows it with a plugin only, which a shared server is not given
			}
			t.Run(server.system+" "+name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				connector, err := server.connector(server.dsn(t))
				if err != nil {
					t.Fatal(err)
				}
				db := sql.OpenDB(connector)
				t.Cleanup(func() { _ = db.Close() })
				on := func(statements ...string) *sql.Conn {
					c, err := db.Conn(ctx)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = c.Close() })
					for _, s := range statements {
						if _, err := c.ExecContext(ctx, s); err != nil {
							t.Fatal(err)
						}
					}
					return c
				}
				on("CREATE TABLE orders (n INT)", "INSERT INTO orders VALUES (1)")
				on("BEGIN", "UPDATE orders SET n = 2") // and then nothing
				migration, reader := on(), on()
				var pid int64
				if err := migration.QueryRowContext(ctx, server.session).Scan(&pid); err != nil {
					t.Fatal(err)
				}
				database := event.Database{System: server.system}
				migrated := make(chan error, 1)
				go func() { _, err := migration.ExecContext(ctx, "ALTER TABLE orders ADD COLUMN m INT"); migrated <- err }()
				eyes := probe.Open(database, connector.Connect, probe.Deps{Now: time.Now, Redact: func(string) string { return "" }, Trouble: func(tr event.Trouble) { t.Log(tr.Message) }}) // a busy machine
				t.Cleanup(func() { _ = eyes.Close() })
				look := func(enough func(*event.Picture) bool) *event.Picture {
					for pace := time.NewTicker(20 * time.Millisecond); ctx.Err() == nil; <-pace.C {
						if p, err := eyes.Look(ctx, []probe.Asked{{Session: pid}}); err == nil && p[pid] != nil && enough(p[pid]) {
							return p[pid]
						}
					}
					last, err := eyes.Look(t.Context(), []probe.Asked{{Session: pid}})
					t.Fatalf("the server does not show it, but %+v, %v", last[pid], err)
					return nil
				}
				look(func(p *event.Picture) bool { return p.Session.Wait != nil })
				read := make(chan error, 1)
				go func() { _, err := reader.ExecContext(ctx, "SELECT n FROM orders"); read <- err }()
				p := look(func(p *event.Picture) bool { return victims(p) == 1 })

				todo := pick(pictureSteps(event.Look{Database: database, Picture: p}))
				// Another session with the same number is not hit.
				late := *p
				if server.system == "postgresql" {
					late.Session.Started, late.Blockers[0].Started = late.Session.Started.Add(-time.Second), late.Blockers[0].Started.Add(-time.Second)
					var hit bool
					if err := db.QueryRowContext(ctx, pick(pictureSteps(event.Look{Database: database, Picture: &late}))).Scan(&hit); err != sql.ErrNoRows {
						t.Fatalf("it would hit another session: %v", err)
					}
				}
				if _, err := db.ExecContext(ctx, todo); err != nil {
					t.Fatalf("%s: %v", todo, err)
				}
				if err := <-read; err != nil {
					t.Errorf("after %s the reader: %v", todo, err)
				}
				if err := <-migrated; (err == nil) != (name == "end the blocker") {
					t.Errorf("after %s the migration: %v", todo, err)
				}
			})
		}
	}
}
