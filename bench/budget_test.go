package bench

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"runtime"
	"testing"
)

// TestBudget: with everything on, an operation allocates what it allocates on
// the raw driver, and not once more. The operations are those of the benchmarks
// of the same names. It counts allocations alone: times are the machine's.
func TestBudget(t *testing.T) {
	ctx := context.Background()
	dest := make([]driver.Value, 1)
	for _, o := range []struct {
		name string
		raw  float64 // what the raw driver allocates, mostly in database/sql
		run  func(*testing.T, driver.Connector) func()
	}{
		{"DriverExec", 0, func(t *testing.T, c driver.Connector) func() {
			exec := connect(t, c).(driver.ExecerContext)
			return func() {
				_, err := exec.ExecContext(ctx, ExecText, nil)
				must(t, err)
			}
		}},
		{"DriverQuery", 0, func(t *testing.T, c driver.Connector) func() {
			query := connect(t, c).(driver.QueryerContext)
			return func() {
				rows, err := query.QueryContext(ctx, QueryText, nil)
				must(t, err)
				for rows.Next(dest) == nil {
				}
				must(t, rows.Close())
			}
		}},
		{"DriverPreparedExec", 0, func(t *testing.T, c driver.Connector) func() {
			stmt, err := connect(t, c).Prepare(ExecText)
			must(t, err)
			exec := stmt.(driver.StmtExecContext)
			return func() {
				_, err := exec.ExecContext(ctx, nil)
				must(t, err)
			}
		}},
		{"SQLExec", 1, func(t *testing.T, c driver.Connector) func() {
			db := pool(t, c)
			return func() {
				_, err := db.ExecContext(ctx, ExecText)
				must(t, err)
			}
		}},
		{"SQLQuery10", 6, func(t *testing.T, c driver.Connector) func() {
			db := pool(t, c)
			return func() {
				rows, err := db.QueryContext(ctx, QueryText)
				must(t, err)
				var id int64
				for rows.Next() {
					must(t, rows.Scan(&id))
				}
				must(t, rows.Err())
				must(t, rows.Close())
			}
		}},
		{"SQLPreparedExec", 2, func(t *testing.T, c driver.Connector) func() {
			stmt, err := pool(t, c).PrepareContext(ctx, ExecText)
			must(t, err)
			return func() {
				_, err := stmt.ExecContext(ctx)
				must(t, err)
			}
		}},
		{"SQLTx", 8, func(t *testing.T, c driver.Connector) func() {
			db := pool(t, c)
			return func() {
				tx, err := db.BeginTx(ctx, nil)
				must(t, err)
				_, err = tx.ExecContext(ctx, ExecText)
				must(t, err)
				must(t, tx.Commit())
				runtime.Gosched() // database/sql's goroutine ends, so that the next one allocates no new
			}
		}},
	} {
		t.Run(o.name, func(t *testing.T) {
			raw, seen := testing.AllocsPerRun(1000, o.run(t, Raw{})), testing.AllocsPerRun(1000, o.run(t, witnessed(t)))
			if raw != o.raw {
				t.Errorf("the raw driver allocates %v times, not %v: database/sql has changed", raw, o.raw)
			}
			if seen != raw {
				t.Errorf("%v allocations through the witness, %v without it", seen, raw)
			}
		})
	}
}

func must(t *testing.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

func pool(t *testing.T, c driver.Connector) *sql.DB {
	t.Helper()
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}
