//go:build unix

package faults

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ngrok/sqlmw"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
)

// Environment of the child, which is this program again.
const (
	envTarget = "SQLWITNESS_FAULTS_TARGET"
	envDSN    = "SQLWITNESS_FAULTS_DSN"
	envSpool  = "SQLWITNESS_FAULTS_SPOOL"
	envPoint  = "SQLWITNESS_FAULTS_POINT"
)

func TestMain(m *testing.M) {
	name := os.Getenv(envTarget)
	if name == "" {
		os.Exit(m.Run())
	}
	all := append(slices.Clone(servers), sqlite)
	tg := all[slices.IndexFunc(all, func(tg target) bool { return tg.name == name })]
	if err := tg.child(os.Getenv(envDSN), os.Getenv(envSpool), point(os.Getenv(envPoint))); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// point is where a migrating process is killed: at the second migration, which
// makes the table orders.
type point string

const (
	nowhere      point = ""
	beforeBody   point = "before the body"
	afterBody    point = "after the body"
	afterMark    point = "after the mark"
	beforeCommit point = "before the commit"
	afterCommit  point = "after the commit, before its answer is seen"
)

// killer kills its process with SIGKILL at a point. It runs between the witness
// and the driver, so that of a commit's answer the witness sees nothing.
type killer struct {
	sqlmw.NullInterceptor
	at     point
	second bool // the second migration has begun
	marked bool
}

func (k *killer) reached(p point) {
	if p == k.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // it is on its way
	}
}

func (k *killer) ConnExecContext(ctx context.Context, c driver.ExecerContext, query string, args []driver.NamedValue) (driver.Result, error) {
	body := strings.Contains(query, "TABLE orders")
	mark := k.second && strings.Contains(query, "goose_db_version")
	if body {
		k.second = true
		k.reached(beforeBody)
	}
	res, err := c.ExecContext(ctx, query, args)
	switch {
	case body:
		k.reached(afterBody)
	case mark && !errors.Is(err, driver.ErrSkip):
		k.marked = true
		k.reached(afterMark)
	}
	return res, err
}

func (k *killer) StmtExecContext(ctx context.Context, s driver.StmtExecContext, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := s.ExecContext(ctx, args)
	if k.second && strings.Contains(query, "goose_db_version") {
		k.marked = true
		k.reached(afterMark)
	}
	return res, err
}

func (k *killer) TxCommit(_ context.Context, tx driver.Tx) error {
	if k.marked {
		k.reached(beforeCommit)
	}
	err := tx.Commit()
	if k.marked {
		k.reached(afterCommit)
	}
	return err
}

// child is a process that migrates.
func (tg target) child(dsn, spool string, at point) error {
	w, err := sqlwitness.New(sqlwitness.Config{LogOutput: io.Discard, Audit: audit.Config{Spool: spool}, Interceptors: []sqlmw.Interceptor{&killer{at: at}}})
	if err != nil {
		return err
	}
	db, err := w.Open(tg.driver, dsn)
	if err != nil {
		return err
	}
	ctx := context.Background()
	return errors.Join(tg.migrate(ctx, db, migrations), db.Close(), w.Close(ctx))
}

var errKilled = errors.New("killed")

// inChild migrates in a process of its own, which may be killed.
func (tg target) inChild(dsn, spool string, at point) error {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envTarget+"="+tg.name, envDSN+"="+dsn, envSpool+"="+spool, envPoint+"="+string(at))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
		return errKilled
	}
	return fmt.Errorf("%w: %s", err, out)
}

// finish migrates to the end in a process of its own. Where DDL is committed by
// itself a body may be there without its mark, which only an operator can mend.
func (tg target) finish(t *testing.T, dsn, spool string) error {
	t.Helper()
	err := tg.inChild(dsn, spool, nowhere)
	if err == nil || tg.system != "mysql" {
		return err
	}
	db := tg.plain(t, dsn)
	var last sql.NullInt64
	must(t, db.QueryRow("SELECT MAX(version_id) FROM goose_db_version").Scan(&last))
	if !last.Valid { // not even the row that goose begins with
		_, err := db.Exec("DROP TABLE goose_db_version")
		must(t, err)
	}
	for i, table := range []string{"users", "orders", "prices"} {
		if int64(i) >= last.Int64 {
			_, err := db.Exec("DROP TABLE IF EXISTS " + table)
			must(t, err)
		}
	}
	return tg.inChild(dsn, spool, nowhere)
}

// TestKilled: a process that is killed at any point of a migration leaves a trail
// that the next one completes, and that says what is in the database.
func TestKilled(t *testing.T) {
	for _, tg := range append(slices.Clone(servers), sqlite) {
		for _, at := range []point{beforeBody, afterBody, afterMark, beforeCommit, afterCommit} {
			t.Run(tg.name+"/"+string(at), func(t *testing.T) {
				dsn, spool := tg.fresh(t), t.TempDir()+"/spool.jsonl"
				if err := tg.inChild(dsn, spool, at); !errors.Is(err, errKilled) {
					t.Fatalf("it was not killed: %v", err)
				}
				if tg.others != "" {
					tg.quiet(t, dsn) // its sessions outlive it by a moment
				}
				must(t, tg.finish(t, dsn, spool))
				tg.truth(t, dsn, spool)
			})
		}
	}
}
