package faults

import (
	"bytes"
	"database/sql"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// private is a server of a test's own, with a database in it.
func (tg target) private(t *testing.T, database string) (dsn string) {
	t.Helper()
	start := testdb.StartPostgreSQL
	if tg.system == "mysql" {
		start = testdb.StartMariaDB
	}
	s, err := start()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	if tg.system == "mysql" {
		return s.DSN() + database + "?multiStatements=true&parseTime=true"
	}
	return strings.Replace(s.DSN(), "/postgres?", "/"+database+"?", 1)
}

// restart ends the server as its operator would, with whatever it is doing, and
// starts it again on its data and port.
func (tg target) restart(t *testing.T, admin *sql.DB) {
	t.Helper()
	var file string
	signal := syscall.SIGTERM
	if tg.system == "mysql" {
		must(t, admin.QueryRow("SELECT @@pid_file").Scan(&file))
	} else {
		signal = syscall.SIGINT // "fast shutdown"; SIGTERM waits for its clients
		must(t, admin.QueryRow("SHOW data_directory").Scan(&file))
		file = filepath.Join(file, "postmaster.pid")
	}
	text, err := os.ReadFile(file)
	must(t, err)
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	must(t, err)
	args, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		t.Skip("without /proc nobody knows how the server was started")
	}
	info, err := os.Stat(file)
	must(t, err)
	must(t, syscall.Kill(pid, signal))
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if _, err := os.Stat(file); os.IsNotExist(err) {
			break
		}
		<-again.C
	}
	argv := strings.Split(string(bytes.TrimRight(args, "\x00")), "\x00")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = "/"
	owner := info.Sys().(*syscall.Stat_t)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
	}
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		if tg.system == "mysql" {
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait()
	})
	for admin.PingContext(t.Context()) != nil {
		<-again.C
	}
}

// TestRestart: the server restarts in the middle of a migration. The tool gets the
// error that it gets without the witness, somebody is told, and the trail is true.
func TestRestart(t *testing.T) {
	for _, tg := range servers {
		t.Run(tg.name, func(t *testing.T) {
			admin := tg.private(t, "")
			var kinds [2]string
			for i, database := range []string{"bare", "watched"} {
				plain := tg.plain(t, admin)
				_, err := plain.Exec("CREATE DATABASE " + database)
				must(t, err)
				dsn := strings.Replace(admin, ")/?", ")/"+database+"?", 1)
				if tg.system != "mysql" {
					dsn = strings.Replace(admin, "/?", "/"+database+"?", 1)
				}
				kinds[i] = tg.restarted(t, dsn, plain, i == 1)
				must(t, plain.Close())
			}
			if kinds[0] != kinds[1] {
				t.Errorf("bare %s, with the witness %s", kinds[0], kinds[1])
			}
		})
	}
}

func (tg target) restarted(t *testing.T, dsn string, admin *sql.DB, watched bool) (kind string) {
	t.Helper()
	files := maps.Clone(migrations)
	files["00002_orders.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE orders (id INT PRIMARY KEY, usr INT);\n" + tg.long + ";\n")}
	spool := t.TempDir() + "/spool.jsonl"
	s := &seen{}
	before := goleak.IgnoreCurrent()
	w, log := witness(t, sqlwitness.Config{Audit: audit.Config{Spool: spool}}, s)
	open := sql.Open
	if watched {
		open = w.Open
	}
	db, err := open(tg.driver, dsn)
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- tg.migrate(t.Context(), db, files) }()
	tg.until(t, dsn, tg.busy, func(n int) bool { return n == 1 })
	tg.restart(t, admin)
	kind = kindOf(<-ended)
	must(t, db.Close())
	must(t, w.Close(t.Context()))
	_ = admin.Close() // its goroutines with it
	goleak.VerifyNone(t, before, goleak.IgnoreTopFunction("os/exec.(*Cmd).watchCtx"))
	tg.quiet(t, dsn)
	if !watched {
		return kind
	}
	if !s.fired(alert.MigrationFailed, alert.MigrationInterrupted) {
		t.Errorf("alerts %q: nobody was told", s.alerts)
	}
	if err := tg.finish(t, dsn, spool); err != nil {
		t.Fatalf("the next run: %v", err)
	}
	tg.truth(t, dsn, spool)
	if t.Failed() {
		t.Log(log)
	}
	return kind
}
