package integration

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/event"
)

// TestSameOutcome runs each tool through the same steps on a bare database and
// on one behind the witness: errors, tables and version table must be the same.
func TestSameOutcome(t *testing.T) {
	for _, tool := range tools {
		for _, target := range targets {
			t.Run(tool.name+"/"+target.name, func(t *testing.T) {
				bareDSN, seenDSN := target.fresh(t), target.fresh(t)
				w := witness(t, nil)
				bare := play(t, tool, target, func() (*sql.DB, error) { return sql.Open(target.driver, bareDSN) })
				seen := play(t, tool, target, func() (*sql.DB, error) { return w.Open(target.driver, seenDSN) })
				for i := range bare {
					if bare[i] != seen[i] {
						t.Errorf("step %d differs\nbare:    %s\nwitness: %s", i+1, bare[i], seen[i])
					}
				}
			})
		}
	}
}

// play drives a tool and returns what each step came to.
func play(t *testing.T, tool tool, target target, open func() (*sql.DB, error)) []string {
	t.Helper()
	good := maps.Clone(tool.files)
	maps.DeleteFunc(good, func(name string, _ *fstest.MapFile) bool { return strings.Contains(name, "broken") })
	steps := []struct {
		name string
		do   func(*sql.DB) error
	}{
		{"up", func(db *sql.DB) error { return tool.up(t.Context(), target, db, good) }},
		{"up again", func(db *sql.DB) error { return tool.up(t.Context(), target, db, good) }},
		{"down", func(db *sql.DB) error { return tool.down(t.Context(), target, db, good) }},
		{"up once more", func(db *sql.DB) error { return tool.up(t.Context(), target, db, good) }},
		{"up to a failure", func(db *sql.DB) error { return tool.up(t.Context(), target, db, tool.files) }},
		{"up after a failure", func(db *sql.DB) error { return tool.up(t.Context(), target, db, tool.files) }},
	}
	var outcomes []string
	for _, s := range steps {
		db, err := open()
		if err != nil {
			t.Fatal(err)
		}
		err = s.do(db)
		_ = db.Close() // golang-migrate has closed it already
		outcomes = append(outcomes, fmt.Sprintf("%s: error %s; %s", s.name, message(err), state(t, target, open)))
	}
	return outcomes
}

// names of databases and times are what may differ between two databases.
var (
	databaseNames = regexp.MustCompile(`(?:sqlwitness|test)_[a-z0-9_]+`)
	lockKeys      = regexp.MustCompile(`\d{6,}`)
)

func message(err error) string {
	if err == nil {
		return "none"
	}
	return fmt.Sprintf("%T %q", err, lockKeys.ReplaceAllString(databaseNames.ReplaceAllString(err.Error(), "DB"), "N"))
}

// state lists what is in the database.
func state(t *testing.T, target target, open func() (*sql.DB, error)) string {
	t.Helper()
	db, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables := "SELECT table_name FROM information_schema.tables WHERE table_schema = CURRENT_SCHEMA() ORDER BY 1"
	switch target.driver {
	case "mysql":
		tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"
	case "sqlite":
		tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlwitness%' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
	}
	var b strings.Builder
	for _, name := range query(t, db, tables) {
		n := query(t, db, "SELECT count(*) FROM "+name)
		fmt.Fprintf(&b, "%s(%s) ", name, n[0])
	}
	for _, q := range []string{
		"SELECT version_id, is_applied FROM goose_db_version ORDER BY id",
		"SELECT version, dirty FROM schema_migrations",
	} {
		if name := strings.Fields(q)[4]; strings.Contains(b.String(), name+"(") {
			fmt.Fprintf(&b, "%s=%v ", name, query(t, db, q))
		}
	}
	return b.String()
}

func query(t *testing.T, db *sql.DB, q string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var line []string
		for _, v := range values {
			line = append(line, v.String)
		}
		lines = append(lines, strings.Join(line, ","))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// recorder is a sink that keeps what the tests look at.
type recorder struct {
	mu         sync.Mutex
	migrations []event.Migration
	runs       []event.Run
	locks      []event.Lock
}

func (r *recorder) Statement(*event.Statement) {}

func (r *recorder) Lock(l *event.Lock) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.locks = append(r.locks, *l)
}

func (r *recorder) Migration(m *event.Migration) {
	if m.Outcome == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.migrations = append(r.migrations, *m)
}

func (r *recorder) Run(run *event.Run) {
	if !run.Finished {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = append(r.runs, *run)
}

func (r *recorder) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, m := range r.migrations {
		version := "null"
		if m.Version != nil {
			version = *m.Version
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s", m.Tool, version, m.Direction, m.Outcome, m.Guarantee))
	}
	return lines
}

func witness(t *testing.T, sink event.Sink) *sqlwitness.Witness {
	t.Helper()
	cfg := sqlwitness.Config{LogOutput: io.Discard}
	cfg.Audit.Spool = t.TempDir() + "/spool.jsonl"
	if sink != nil {
		cfg.Sinks = []event.Sink{sink}
	}
	w, err := sqlwitness.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// TestReported says what the witness must make of the same steps.
func TestReported(t *testing.T) {
	for _, target := range targets {
		// MariaDB commits DDL at once, and what engine a table has, and so
		// whether even DML rolls back, the driver does not see.
		in := "tx"
		if !target.ddlInTx {
			in = "around"
		}
		want := map[string][]string{
			"goose": {
				"goose 1 up applied " + in, "goose 2 up applied " + in, "goose 3 up applied " + in,
				"goose 3 down applied " + in,
				"goose 3 up applied " + in,
				"goose null unknown failed around",
				"goose null unknown failed around",
			},
			"golang-migrate": {
				"golang-migrate 1 up applied around", "golang-migrate 2 up applied around", "golang-migrate 3 up applied around",
				"golang-migrate 3 down applied around",
				"golang-migrate 3 up applied around",
				"golang-migrate 4 up failed around",
			},
		}
		for _, tool := range tools {
			t.Run(tool.name+"/"+target.name, func(t *testing.T) {
				dsn := target.fresh(t)
				r := &recorder{}
				w := witness(t, r)
				play(t, tool, target, func() (*sql.DB, error) { return w.Open(target.driver, dsn) })
				if got := r.list(); !slices.Equal(got, want[tool.name]) {
					t.Errorf("reported\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want[tool.name], "\n\t"))
				}
			})
		}
	}
}
