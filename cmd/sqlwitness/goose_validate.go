package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/pressly/goose/v3"
)

// gooseValidate reads the files as goose reads them when it runs them: each is
// run, up and down, on a database that takes every statement and does nothing.
// Migrations written in Go are not read; the compiler does that.
func gooseValidate(ctx context.Context, dir string, verbose bool, out io.Writer) error {
	goose.SetLogger(goose.NopLogger()) // it would say that it ran them
	goose.SetVerbose(false)
	list, err := goose.CollectMigrations(dir, 0, math.MaxInt64)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.TabIndent)
	fmt.Fprint(table, "Type\tTxn\tUp\tDown\tName\t\n────\t───\t──\t────\t────\t\n")
	for _, m := range list {
		if filepath.Ext(m.Source) != ".sql" {
			continue
		}
		up, down := &nowhere{}, &nowhere{}
		if err := m.UpContext(ctx, sql.OpenDB(up)); err != nil {
			return err
		}
		if err := m.DownContext(ctx, sql.OpenDB(down)); err != nil {
			return err
		}
		tx := "✘"
		if up.transactions > 0 {
			tx = "✔"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t\n", strings.TrimPrefix(filepath.Ext(m.Source), "."), tx, up.bodies(), down.bodies(), filepath.Base(m.Source))
	}
	if !verbose {
		return nil
	}
	return table.Flush()
}

// nowhere is a database that takes every statement, does nothing, and counts.
// One goroutine uses it.
type nowhere struct{ statements, transactions int }

var (
	_ driver.Connector     = (*nowhere)(nil)
	_ driver.ExecerContext = (*nowhere)(nil)
)

// bodies is the number of the migration's own statements: the last one is goose's.
func (n *nowhere) bodies() int { return max(0, n.statements-1) }

func (n *nowhere) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	n.statements++
	return driver.RowsAffected(0), nil
}

func (n *nowhere) Begin() (driver.Tx, error) { n.transactions++; return n, nil }

func (n *nowhere) Connect(context.Context) (driver.Conn, error) { return n, nil }
func (n *nowhere) Driver() driver.Driver                        { return n }
func (n *nowhere) Open(string) (driver.Conn, error)             { return n, nil }
func (n *nowhere) Prepare(string) (driver.Stmt, error)          { return nil, driver.ErrSkip }
func (n *nowhere) Close() error                                 { return nil }
func (n *nowhere) Commit() error                                { return nil }
func (n *nowhere) Rollback() error                              { return nil }
