package main

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"log"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

const gooseTestFiles = "testdata/goose"

// What goose says is the same with the witness and without, but for the time that
// things took.
func TestGooseSaysTheSame(t *testing.T) {
	bare, witnessed := testdb.SQLite(t), testdb.SQLite(t)
	for _, command := range []string{"status", "up-to 2", "status", "version", "down", "version", "status", "up", "version", "reset", "nope", "up-to", "up-to x"} {
		want := bareGoose(t, bare, strings.Fields(command))
		var out, errs bytes.Buffer
		code := gooseCommand(context.Background(), append([]string{"-dir", gooseTestFiles, "-env", "none", "sqlite3", witnessed}, strings.Fields(command)...), &out, &errs)
		if got := said(errs.String()); got != said(want) {
			t.Errorf("%s: says\n%s\nand goose\n%s", command, got, said(want))
		}
		if failed := strings.Contains(want, "goose run:"); failed != (code == exitBad) || !failed && code != exitOK {
			t.Errorf("%s: exit %d, and goose failed: %t", command, code, failed)
		}
		if out.Len() > 0 {
			t.Errorf("%s: goose has nothing on stdout, and this has %q", command, out.String())
		}
	}
}

// bareGoose is what the goose command does with a database.
func bareGoose(t *testing.T, file string, args []string) string {
	t.Helper()
	var said bytes.Buffer
	logger := log.New(&said, "", log.LstdFlags)
	goose.SetLogger(logger)
	goose.SetTableName(goose.DefaultTablename)
	if err := goose.SetDialect("sqlite3"); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := goose.RunWithOptionsContext(context.Background(), args[0], db, gooseTestFiles, args[1:]); err != nil {
		logger.Printf("goose run: %v", err)
	}
	return said.String()
}

var (
	moments   = regexp.MustCompile(`(?m)^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d |[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \d{4}`)
	durations = regexp.MustCompile(`\([0-9.hmnµs]+\)`)
	ours      = regexp.MustCompile(`(?m)^sqlwitness: .*\n`)
)

// said is a text without times and without what the witness adds.
func said(text string) string {
	return durations.ReplaceAllString(moments.ReplaceAllString(ours.ReplaceAllString(text, ""), ""), "(…)")
}

// A signal, which ends the context, gives up what runs, and the log has the run's
// end all the same.
func TestGooseInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir := t.TempDir()
	logFile := filepath.Join(dir, "log.jsonl")
	errs := &trigger{word: "OK   00002", pull: cancel}
	code := gooseCommand(ctx, []string{"-dir", gooseTestFiles, "-env", "none", "-witness-log", logFile, "sqlite3", filepath.Join(dir, "a.db"), "up"}, io.Discard, errs)
	if said := errs.String(); code != exitBad || !strings.Contains(said, "goose run: ") || !strings.Contains(said, "context canceled") || !strings.Contains(said, "sqlwitness: goose ") {
		t.Errorf("exit %d, says %q", code, said)
	}
	r, err := reportOfLogFile(logFile, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if r.Applied != 2 || r.Outcome == "not finished" {
		t.Errorf("the log tells of %d applied, %s; want 2 and an end", r.Applied, r.Outcome)
	}
}

// trigger is a writer that does something once a word is written.
type trigger struct {
	word string
	pull func()

	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *trigger) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if strings.Contains(t.buf.String(), t.word) {
		t.pull()
	}
	return len(p), nil
}

func (t *trigger) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// The drivers are those that goose opens for its names.
func TestGooseDatabase(t *testing.T) {
	t.Cleanup(func() { _ = goose.SetDialect("postgres") })
	for _, c := range []struct{ name, dsn, driver, opened string }{
		{"postgres", "postgres://h/d", "pgx", "postgres://h/d"},
		{"redshift", "postgres://h/d", "pgx", "postgres://h/d"},
		{"mysql", "u:p@tcp(h:1)/d", "mysql", "u:p@tcp(h:1)/d?parseTime=true"},
		{"tidb", "u:p@tcp(h:1)/d", "mysql", "u:p@tcp(h:1)/d"},
		{"sqlite3", "a.db", "sqlite", "a.db"},
	} {
		driver, opened, err := (&gooseArguments{rest: []string{c.name, c.dsn}}).database()
		if driver != c.driver || opened != c.opened || err != nil {
			t.Errorf("%s: %s %s %v, want %s %s", c.name, driver, opened, err, c.driver, c.opened)
		}
	}
	_, _, err := (&gooseArguments{rest: []string{"postgres://u:secret@h/d", "postgres", "up"}}).database()
	if said := errorText(err); !strings.Contains(said, "DRIVER is none") || strings.Contains(said, "secret") {
		t.Errorf("a database in the driver's place: %q", said)
	}
}

// The environment may have the driver, the database or both; the rest is named.
func TestGooseEnvironment(t *testing.T) {
	for _, c := range []struct{ driver, dsn, args, want string }{
		{"", "", "sqlite3 a.db up-to 2", "sqlite3 a.db up-to 2"},
		{"sqlite3", "a.db", "up-to 2", "sqlite3 a.db up-to 2"},
		{"sqlite3", "", "a.db up-to 2", "sqlite3 a.db up-to 2"},
		{"", "a.db", "sqlite3 up-to 2", "sqlite3 a.db up-to 2"},
	} {
		env := map[string]string{"GOOSE_DRIVER": c.driver, "GOOSE_DBSTRING": c.dsn}
		got := strings.Join(completed(strings.Fields(c.args), func(name string) string { return env[name] }), " ")
		if got != c.want {
			t.Errorf("%s with %v: %s, want %s", c.args, env, got, c.want)
		}
	}
}
