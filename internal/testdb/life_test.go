package testdb

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// envChild makes TestChild, run in a process of its own, start servers.
const envChild = "SQLWITNESS_TESTDB_CHILD"

// TestNothingLeft: however a test process ends, its servers end with it and
// leave no file.
func TestNothingLeft(t *testing.T) {
	for _, ending := range []struct {
		name, child string
		end         func(*exec.Cmd) error
	}{
		{"it passes", "pass", (*exec.Cmd).Wait},
		{"go test kills it", "hang", func(c *exec.Cmd) error {
			err := c.Process.Kill()
			_ = c.Wait()
			return err
		}},
		{"it panics, as at a timeout", "panic", func(c *exec.Cmd) error {
			if c.Wait() == nil {
				return errors.New("the child did not panic")
			}
			return nil
		}},
	} {
		t.Run(ending.name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "testdb-life-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			if err := os.Chmod(dir, 0o755); err != nil { // root's servers have another account, which may look in
				t.Fatal(err)
			}
			child := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
			child.Env = append(os.Environ(), "TMPDIR="+dir, envChild+"="+ending.child)
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			var servers []string
			lines := bufio.NewScanner(out)
			for lines.Scan() && lines.Text() != "ready" {
				if dsn, ok := strings.CutPrefix(lines.Text(), "server "); ok {
					servers = append(servers, dsn)
				}
				if strings.Contains(lines.Text(), "SKIP") {
					t.Skip("no server to test with")
				}
			}
			if len(servers) == 0 {
				t.Fatal("the child started no server")
			}
			if err := ending.end(child); err != nil {
				t.Fatal(err)
			}
			for _, dsn := range servers {
				within(t, "a server answers", func() bool { return !answers(t, dsn) })
			}
			within(t, "files are left", func() bool {
				left, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				return len(left) == 0
			})
		})
	}
}

// within polls, because nobody is told when a process that is not one's child
// has ended.
func within(t *testing.T, trouble string, gone func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !gone() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("%s 20 s after the process ended", trouble)
		}
	}
}

func answers(t *testing.T, dsn string) bool {
	t.Helper()
	open := openMariaDB
	if strings.HasPrefix(dsn, "postgres:") {
		open = openPostgreSQL
	}
	db, err := open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return db.PingContext(t.Context()) == nil
}

// TestChild is the process that TestNothingLeft ends.
func TestChild(t *testing.T) {
	ending, ok := os.LookupEnv(envChild)
	if !ok {
		t.Skip("runs in a child process of TestNothingLeft")
	}
	var held []*Server
	for _, start := range []func() (*Server, error){StartPostgreSQL, StartMariaDB} {
		s, err := start()
		if err != nil {
			t.Log(err)
			continue
		}
		held = append(held, s)
		fmt.Println("server", s.DSN())
	}
	if len(held) == 0 {
		t.Skip("no server")
	}
	fmt.Println("ready")
	switch ending {
	case "hang":
		select {}
	case "panic":
		go panic("test timed out")
		select {}
	}
	runtime.KeepAlive(held) // as the package holds its own
}
