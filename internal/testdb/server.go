package testdb

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// ErrNotInstalled is the error of a start on a machine without the server's
// programs.
var ErrNotInstalled = errors.New("not installed")

// startTimeout is long because a machine that runs tests may be busy.
const startTimeout = time.Minute

// kind is what differs between the servers.
type kind struct {
	name     string
	accounts []string // whom root starts it as: both servers refuse to run as root
	signal   string   // ends it at once; its data are thrown away
	create   func(dir string) []string
	serve    func(dir string, port int) []string
	dsn      func(port int) string
	open     func(dsn string) (*sql.DB, error)
	where    string // asks the server for its data folder
}

// Server is a private server. It ends at Stop, or with the process that started
// it, by whatever signal that dies, and takes its data with it.
type Server struct {
	dsn     string
	guard   *exec.Cmd
	sweeper *exec.Cmd
	life    *os.File // the guard waits for the end of this pipe
	ended   <-chan struct{}
}

// DSN is the administrator's.
func (s *Server) DSN() string { return s.dsn }

// Stop ends the server and removes its data.
func (s *Server) Stop() error {
	if err := s.life.Close(); err != nil {
		return err
	}
	return errors.Join(s.guard.Wait(), s.sweeper.Wait())
}

// guard is the server's parent. A pipe from the process that wants the server
// keeps it waiting; the kernel closes that pipe when the process dies, even by
// SIGKILL. Descriptor 3 is open for as long as the server runs, which tells of
// a server that dies early, and so does descriptor 4, which the sweeper waits
// for. $1 is the data folder, $2 the signal, the rest the server's command.
const guard = `
dir=$1 signal=$2
shift 2
"$@" </dev/null >"$dir/log" 2>&1 &
exec 3>&-
cat >/dev/null
kill -s "$signal" $! 2>/dev/null
wait
`

// sweeper removes the data folder once guard and server are gone. It runs as
// whoever made the folder: the server's account may empty it, but not take it out
// of a temporary folder that is not its own.
const sweeper = `cat >/dev/null; rm -rf "$1"`

// errPortTaken: another process took the free port before the server did.
var errPortTaken = errors.New("its port is taken")

// start creates a server's data and starts it.
func start(find func() (kind, error)) (s *Server, err error) {
	k, err := find()
	if err != nil {
		return nil, err
	}
	as, err := accountFor(k.accounts)
	for tries := 0; err == nil && tries < 3; tries++ {
		if s, err = startOnce(k, as); err == nil {
			return s, nil
		}
		if errors.Is(err, errPortTaken) {
			err = nil
		}
	}
	if err == nil {
		err = errPortTaken
	}
	return nil, fmt.Errorf("start %s: %w", k.name, err)
}

func startOnce(k kind, as account) (*Server, error) {
	dir, err := os.MkdirTemp("", "sqlwitness-test-")
	if err != nil {
		return nil, err
	}
	s, err := startIn(dir, k, as)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func startIn(dir string, k kind, as account) (*Server, error) {
	if err := as.own(dir); err != nil {
		return nil, err
	}
	if out, err := command(k.create(dir), dir, as).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("create its data: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s, err := serve(dir, k, as, port)
	if err != nil {
		return nil, err
	}
	if err := s.ready(k, filepath.Join(dir, "data")); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		_ = s.Stop()
		if bytes.Contains(log, []byte("already in use")) {
			return nil, errPortTaken
		}
		return nil, fmt.Errorf("%w\n%s", err, log)
	}
	return s, nil
}

func serve(dir string, k kind, as account, port int) (*Server, error) {
	hold, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer hold.Close()
	running, runs, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, life.Close())
	}
	defer runs.Close()

	over, holds, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, life.Close(), running.Close())
	}
	defer over.Close()
	defer holds.Close()

	sweep := command([]string{"sh", "-c", sweeper, "sweeper", dir}, dir, account{})
	sweep.Stdin = over
	if err := sweep.Start(); err != nil {
		return nil, errors.Join(err, life.Close(), running.Close())
	}
	args := append([]string{"sh", "-c", guard, "guard", dir, k.signal}, k.serve(dir, port)...)
	cmd := command(args, dir, as)
	cmd.Stdin = hold
	cmd.ExtraFiles = []*os.File{runs, holds}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, life.Close(), running.Close())
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer running.Close()
		_, _ = running.Read(make([]byte, 1)) // nothing is written: this waits for the end
	}()
	return &Server{dsn: k.dsn(port), guard: cmd, sweeper: sweep, life: life, ended: ended}, nil
}

// ready waits until the server answers, and makes sure that it is this one and
// not another that has taken its port.
func (s *Server) ready(k kind, data string) error {
	db, err := k.open(s.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		var at string
		err := db.QueryRowContext(ctx, k.where).Scan(&at)
		switch {
		case err == nil && filepath.Clean(at) == data:
			return nil
		case err == nil:
			return errPortTaken
		}
		select {
		case <-s.ended:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v: %w", startTimeout, err)
		case <-again.C:
		}
	}
}

// command runs a program of the server's apart from the test: with its own
// session, so that a terminal's Ctrl-C does not reach it, and none of the
// test's environment, which may configure another server. Its output goes to no
// descriptor of the test's, because go test waits for all who hold those.
func command(args []string, dir string, as account) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = as.process()
	return cmd
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
