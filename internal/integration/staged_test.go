package integration

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// staged is an incident, or what looks like one, played on a real server.
type staged struct {
	name  string
	on    []string              // servers
	rules map[string]alert.Rule // instead of those of quick
	play  func(*stage)
	want  []string // every alert that fires, "rule severity", sorted; none: benign
}

// quick are thresholds and delays that a test can wait for. What they are
// compared with is the server's.
var quick = map[string]alert.Rule{
	alert.LockWait:             {After: 3 * time.Second, KeepFiring: 300 * time.Millisecond},
	alert.LockPileup:           {Count: 3, KeepFiring: 300 * time.Millisecond},
	alert.Stalled:              {KeepFiring: 300 * time.Millisecond},
	alert.MigrationFailed:      {For: 500 * time.Millisecond},
	alert.MigrationInterrupted: {For: 500 * time.Millisecond},
	alert.DirtyState:           {For: 500 * time.Millisecond},
	alert.LockTimeout:          {For: 500 * time.Millisecond},
	alert.Deadlock:             {For: 500 * time.Millisecond},
	alert.StatementTimeout:     {For: 500 * time.Millisecond},
}

// stage is a database with an application that has no witness, and a program that
// migrates through one.
type stage struct {
	*testing.T
	target
	rules  map[string]alert.Rule
	config sqlwitness.Config
	app    *sql.DB
	seen   *live
	w      *sqlwitness.Witness
	db     *sql.DB

	since map[string]time.Time // by rule: when what it is about began
	ran   []string             // of the alerts' steps
}

const mariaDBSchema = "mariadb, performance schema" // as it is installed, it does not tell who holds a table

// TestStaged plays incidents and what looks like them. Exactly the alerts fire
// that should, the SQL that they suggest clears the queue, and each is resolved.
func TestStaged(t *testing.T) {
	var with sync.Once
	var server string
	performanceSchema := func(t testing.TB) string {
		with.Do(func() {
			server = testdb.MariaDBServerWith(t, "--performance-schema=ON", "--performance-schema-instrument=wait/lock/metadata/sql/mdl=ON")
		})
		return server
	}
	var rows []string
	var mu sync.Mutex
	t.Run("all", func(all *testing.T) {
		for _, c := range slices.Concat(incidents, harmless) {
			for _, name := range c.on {
				on := targets[slices.IndexFunc(targets, func(t target) bool { return strings.HasPrefix(name, t.name) })]
				if name == mariaDBSchema {
					on.fresh = func(testing.TB) string { return testdb.MariaDBOn(all, performanceSchema(all)) }
				}
				all.Run(c.name+"/"+name, func(t *testing.T) {
					t.Parallel()
					s := newStage(t, on, c.rules)
					c.play(s)
					row := s.judge(c.want)
					mu.Lock()
					defer mu.Unlock()
					rows = append(rows, c.name+"\t"+name+"\t"+row)
				})
			}
		}
	})
	var table bytes.Buffer
	tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "case\tserver\talerts\tdelay after threshold\tresolved\tsuggested SQL that was run, and cleared the queue")
	for _, r := range slices.Sorted(slices.Values(rows)) {
		fmt.Fprintln(tw, r)
	}
	_ = tw.Flush()
	t.Logf("\n%s", &table)
}

func newStage(t *testing.T, on target, rules map[string]alert.Rule) *stage {
	on.dsn = on.fresh(t)
	s := &stage{T: t, target: on, rules: maps.Clone(quick), seen: &live{}, since: map[string]time.Time{}}
	maps.Copy(s.rules, rules)
	app, err := sql.Open(on.driver, on.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	s.app = app
	s.config = sqlwitness.Config{LogOutput: io.Discard, Sinks: []event.Sink{s.seen},
		Alert: alert.Config{Rules: s.rules, Outbox: filepath.Join(t.TempDir(), "alerts.jsonl")}}
	s.config.Audit.Spool = filepath.Join(t.TempDir(), "spool.jsonl")
	s.process()
	return s
}

// process is a new process, after the one before has ended, if there was one.
func (s *stage) process() {
	s.Helper()
	s.end()
	w, err := sqlwitness.New(s.config)
	if err != nil {
		s.Fatal(err)
	}
	s.w, s.db = w, s.open(w)
	s.Cleanup(func() { _ = w.Close(context.Background()) })
}

func (s *stage) open(w *sqlwitness.Witness) *sql.DB {
	s.Helper()
	db, err := w.Open(s.driver, s.dsn)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = db.Close() })
	return db
}

func (s *stage) end() {
	s.Helper()
	if s.w == nil {
		return
	}
	_ = s.db.Close()
	if err := s.w.Close(context.Background()); err != nil {
		s.Error(err)
	}
}

// must does something to the database that has to go through.
func (s *stage) must(to execer, statements ...string) {
	s.Helper()
	for _, text := range statements {
		if _, err := to.ExecContext(s.Context(), text); err != nil {
			s.Fatalf("%s: %v", text, err)
		}
	}
}

type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

// session is one of the application's own.
func (s *stage) session(statements ...string) *sql.Conn {
	s.Helper()
	c, err := s.app.Conn(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.Close() })
	s.must(c, statements...)
	return c
}

// up runs goose over migrations, each of which is a list of statements.
func (s *stage) up(ms ...[]string) error { return s.upWith(goosePlain, ms...) }

func (s *stage) upWith(make provider, ms ...[]string) error {
	var list []migration
	for i, statements := range ms {
		list = append(list, migration{id: i + 1, name: "staged", up: statements, down: []string{"SELECT 1"}})
	}
	return make.act((*goose.Provider).Up)(s.Context(), s.target, s.db, list)
}

// begin does something in the background.
func begin(do func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	return done
}

// waits until so many sessions of the database wait for a lock.
func (s *stage) waits(n int) {
	s.Helper()
	if err := s.waiting(n); err != nil {
		s.Fatal(err)
	}
}

// waiting is waits for what runs on a goroutine that is not the test's. InnoDB shows
// what it showed before to whoever asks again within 100 ms, so it is asked more
// seldom than that.
func (s *stage) waiting(n int) error {
	count := "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	if s.name == "mariadb" {
		count = "SELECT count(*) FROM information_schema.processlist p LEFT JOIN information_schema.innodb_trx x ON x.trx_mysql_thread_id = p.id " +
			"WHERE p.db = DATABASE() AND (p.state LIKE 'Waiting for%' OR p.state = 'User lock' OR x.trx_state = 'LOCK WAIT')"
	}
	is := 0
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(150 * time.Millisecond) {
		if err := s.app.QueryRowContext(s.Context(), count).Scan(&is); err != nil {
			return err
		}
		if is == n {
			return nil
		}
	}
	return fmt.Errorf("%d sessions wait, and not %d", is, n)
}

// began notes that what a rule is about begins now.
func (s *stage) began(rule string) { s.since[rule] = time.Now() }

func (s *stage) fired(rule string) *event.Alert {
	s.Helper()
	until(s.T, rule, func() bool { return s.seen.alert(rule, event.Firing) != nil })
	return s.seen.alert(rule, event.Firing)
}

// suggested is the SQL of an alert's step that says so much.
func (s *stage) suggested(rule, text string) string {
	s.Helper()
	a := s.fired(rule)
	for _, step := range a.Steps {
		if strings.Contains(step.Text, text) && step.SQL != "" {
			s.ran = append(s.ran, step.SQL)
			return step.SQL
		}
	}
	s.Fatalf("no step of %s says %q: %+v", a.Title, text, a.Steps)
	return ""
}

// obey does what the alert says, and sees the queue clear.
func (s *stage) obey(rule, text string) {
	s.Helper()
	s.must(s.app, s.suggested(rule, text))
	s.waits(0)
}

// judge ends the last process and compares what was told with what should have
// been. It returns the rest of a row of the table.
func (s *stage) judge(want []string) string {
	s.Helper()
	s.end()
	var fired, delays []string
	open := map[string]string{}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	for _, a := range s.seen.alerts {
		id := fmt.Sprint(a.Fingerprint, a.Episode)
		if a.State == event.Resolved {
			delete(open, id)
			continue
		}
		fired = append(fired, a.Rule+" "+string(a.Severity))
		open[id] = a.Title
		if since, ok := s.since[a.Rule]; ok {
			r := s.rules[a.Rule]
			wait := r.After + r.For
			if a.Rule == alert.LockPileup {
				wait = time.Second // the default
			}
			delays = append(delays, (a.At.Sub(since) - wait).Round(10*time.Millisecond).String())
		}
	}
	slices.Sort(fired)
	if !slices.Equal(fired, want) {
		for _, a := range s.seen.alerts {
			s.Logf("%s %s %s: %q %q %+v", a.Rule, a.Severity, a.State, a.Title, a.Details, a.Steps)
		}
		s.Errorf("the alerts are %q, want %q", fired, want)
	}
	for _, title := range open {
		s.Errorf("it was not resolved: %s", title)
	}
	or := func(list []string) string {
		if len(list) == 0 {
			return "-"
		}
		return strings.Join(list, ", ")
	}
	resolved := "-"
	if len(fired) > 0 && len(open) == 0 {
		resolved = "yes"
	}
	return strings.Join([]string{or(fired), or(delays), resolved, or(s.ran)}, "\t")
}
