package sqlwitness_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

// TestFlushOnSignal: a run that SIGTERM cuts off has its last lines in the log,
// and the process still dies by the signal.
func TestFlushOnSignal(t *testing.T) {
	const asChild = "SQLWITNESS_TEST_CHILD"
	if os.Getenv(asChild) != "" {
		hangInMigration()
	}
	child := exec.Command(os.Args[0], "-test.run=^TestFlushOnSignal$")
	child.Env = append(os.Environ(), asChild+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "hanging" {
	}
	if err := child.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for lines.Scan() {
		log.WriteString(lines.Text() + "\n")
	}
	err = child.Wait()
	if s, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGTERM {
		t.Errorf("the child ended with %v, want by SIGTERM", err)
	}
	for _, want := range []string{`"event":"migration.finished"`, `"outcome":"interrupted"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
}

// hangInMigration is the child: in the middle of a migration it never comes back.
func hangInMigration() {
	log, out := io.Pipe()
	go func() { _, _ = io.Copy(os.Stdout, log) }()
	w, err := sqlwitness.New(sqlwitness.Config{LogOutput: out, FlushOnSignal: true})
	if err != nil {
		panic(err)
	}
	fake := fakedb.New(fakedb.Full())
	db := sql.OpenDB(w.Wrap(fake.Connector()))
	tx, err := db.Begin()
	if err != nil {
		panic(err)
	}
	if _, err := tx.Exec("CREATE TABLE t (id int)"); err != nil {
		panic(err)
	}
	fmt.Println("hanging")
	select {}
}
