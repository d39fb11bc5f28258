package sqlwitness_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/lib/pq"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/audit/anchor"
	"github.com/sqlwitness/sqlwitness/event"
)

// scratch is an SQLite database that is watched as cfg says, and what ends both.
func scratch(cfg sqlwitness.Config) (db *sql.DB, end func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	w, err := sqlwitness.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	db, err = w.Open("sqlite", filepath.Join(dir, "app.db"))
	if err != nil {
		log.Fatal(err)
	}
	return db, func() {
		_ = db.Close()
		_ = w.Close(context.Background())
		_ = os.RemoveAll(dir)
	}
}

// One id through the request that caused a statement, its log line, its alert
// and its audit entry.
func ExampleWithCorrelationID() {
	var lines bytes.Buffer
	db, end := scratch(sqlwitness.Config{LogOutput: &lines})
	ctx := sqlwitness.WithCorrelationID(context.Background(), "deploy-2026-11-24")
	_, _ = db.ExecContext(ctx, "CREATE TABLE t (id INTEGER)")
	end()

	for dec := json.NewDecoder(&lines); ; {
		var line struct {
			Event string `json:"event"`
			ID    string `json:"correlation_id"`
		}
		if dec.Decode(&line) != nil {
			break
		}
		if line.Event == "migration.finished" {
			fmt.Println(line.Event, line.ID)
		}
	}
	// Output: migration.finished deploy-2026-11-24
}

// releaseNotes is a sink: it embeds event.Ignore and has the methods that it
// wants.
type releaseNotes struct{ event.Ignore }

func (releaseNotes) Migration(m *event.Migration) {
	if m.Outcome == "" {
		return // it has only begun
	}
	fmt.Printf("%s: %d statement, %s, recorded %s\n", m.Outcome, m.Statements, m.Body[0].Text, m.Guarantee)
}

// A sink of one's own gets every event. What it is given is valid during the
// call alone.
func ExampleConfig_sinks() {
	db, end := scratch(sqlwitness.Config{LogOutput: io.Discard, Sinks: []event.Sink{releaseNotes{}}})
	_, _ = db.Exec("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT DEFAULT 'secret')")
	end()
	// Output: applied: 1 statement, CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT DEFAULT ?), recorded around
}

// A connector, where the program makes its own.
func ExampleWitness_Wrap() {
	w, err := sqlwitness.New(sqlwitness.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close(context.Background())
	connector, err := pq.NewConnector(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(w.Wrap(connector))
	defer db.Close()
}

// The application's own pool through the witness as well: its latency before,
// during and after each migration, and what it waits for connections.
func ExampleWitness_RegisterDB() {
	w, err := sqlwitness.New(sqlwitness.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close(context.Background())
	db, err := w.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(20)
	defer w.RegisterDB("app", db)()
	http.Handle("/witness/", http.StripPrefix("/witness", w.Handler()))
}

// Alerts to people: whatever is critical to PagerDuty, the rest to a chat.
// Secrets come from the environment and are printed nowhere.
func ExampleConfig_alert() {
	w, err := sqlwitness.New(sqlwitness.Config{Alert: alert.Config{
		Service: "orders",
		Env:     "prod",
		Rules: map[string]alert.Rule{
			alert.LockWait: {After: 5 * time.Second},
			alert.Stalled:  {Off: true},
		},
		Expect: map[string]time.Duration{"20261124_backfill": time.Hour},
		Channels: []alert.Channel{
			{Name: "oncall", Kind: "pagerduty", Key: alert.NewSecret("env:PAGERDUTY_KEY")},
			{Name: "chat", Kind: "slack", URL: alert.NewSecret("env:SLACK_URL")},
		},
		Routes: []alert.Route{
			{Match: `severity="critical"`, Channels: []string{"oncall", "chat"}},
			{Channels: []string{"chat"}},
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close(context.Background())
}

// A record that holds against the database's own administrator: signed, and
// with its checkpoints where the administrator cannot reach.
func ExampleConfig_audit() {
	w, err := sqlwitness.New(sqlwitness.Config{Audit: audit.Config{
		Mode: audit.Strict, // no migration without a record
		Key:  "/run/secrets/sqlwitness-audit-key",
		Anchors: []anchor.Anchor{
			anchor.NewFile("/mnt/worm/orders-prod.jsonl"),
			anchor.Func{Label: "bucket", Keep: func(ctx context.Context, note []byte) error {
				return nil // put it into an object store with a retention lock
			}},
		},
		Actor:  "deploy-bot",
		Ticket: "CHG-1207",
		Reason: "column for the new tax rate",
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close(context.Background())
}

// A job that is gone before anybody scrapes it: Close sends what is left, and
// where the job exits without it, what a failed migration has to say was sent.
func ExampleConfig_pushURL() {
	w, err := sqlwitness.New(sqlwitness.Config{
		PushURL:        os.Getenv("PUSH_URL"), // http://pushgateway:9091/metrics/job/orders-migrate
		Textfile:       "/var/lib/node_exporter/orders_migrate.prom",
		FlushOnFailure: true,
		FlushOnSignal:  true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close(context.Background())
}
