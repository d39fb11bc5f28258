package bench

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"
)

// TestAllocations is the ceiling: with everything on, a statement allocates what
// it allocates on the raw driver, and nothing more.
func TestAllocations(t *testing.T) {
	ctx := context.Background()
	dest := make([]driver.Value, 1)
	for _, c := range []struct {
		name string
		most float64 // allocations of the raw driver under database/sql
		run  func(*testing.T, driver.Connector) func()
	}{
		{"driver exec", 0, func(t *testing.T, c driver.Connector) func() {
			exec := connect(t, c).(driver.ExecerContext)
			return func() { _, _ = exec.ExecContext(ctx, ExecText, nil) }
		}},
		{"driver query", 0, func(t *testing.T, c driver.Connector) func() {
			query := connect(t, c).(driver.QueryerContext)
			return func() {
				rows, _ := query.QueryContext(ctx, QueryText, nil)
				for rows.Next(dest) == nil {
				}
				_ = rows.Close()
			}
		}},
		{"driver prepared exec", 0, func(t *testing.T, c driver.Connector) func() {
			stmt, err := connect(t, c).Prepare(ExecText)
			if err != nil {
				t.Fatal(err)
			}
			exec := stmt.(driver.StmtExecContext)
			return func() { _, _ = exec.ExecContext(ctx, nil) }
		}},
		{"exec", 1, func(t *testing.T, c driver.Connector) func() {
			db := pool(t, c)
			return func() { _, _ = db.ExecContext(ctx, ExecText) }
		}},
		{"query", 6, func(t *testing.T, c driver.Connector) func() {
			db := pool(t, c)
			return func() {
				rows, _ := db.QueryContext(ctx, QueryText)
				var id int64
				for rows.Next() {
					_ = rows.Scan(&id)
				}
				_ = rows.Close()
			}
		}},
		{"prepared exec", 2, func(t *testing.T, c driver.Connector) func() {
			stmt, err := pool(t, c).PrepareContext(ctx, ExecText)
			if err != nil {
				t.Fatal(err)
			}
			return func() { _, _ = stmt.ExecContext(ctx) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if raw := testing.AllocsPerRun(1000, c.run(t, Raw{})); raw > c.most {
				t.Errorf("the raw driver itself allocates %v, not %v: database/sql has changed", raw, c.most)
			}
			if seen := testing.AllocsPerRun(1000, c.run(t, witnessed(t))); seen > c.most {
				t.Errorf("%v allocations through the witness, at most %v", seen, c.most)
			}
		})
	}
}

func pool(t *testing.T, c driver.Connector) *sql.DB {
	t.Helper()
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}
