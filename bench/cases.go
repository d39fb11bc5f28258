package bench

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"
)

// The texts that the cases send.
const (
	ExecText  = "UPDATE accounts SET balance = balance - $1, updated_at = now() WHERE id = $2"
	QueryText = "SELECT id, name, balance FROM accounts WHERE owner = $1 AND closed_at IS NULL ORDER BY id LIMIT 10"
)

// Case is one benchmark: the same calls on whatever stands before the driver.
type Case struct {
	Name string
	Run  func(*testing.B, driver.Connector)
}

// Cases are the benchmarks that the witness and its peers are measured by.
func Cases() []Case {
	return []Case{
		{"DriverExec", DriverExec},
		{"DriverQuery", DriverQuery},
		{"DriverPreparedExec", DriverPreparedExec},
		{"SQLExec", SQLExec},
		{"SQLQuery10", SQLQuery10},
		{"SQLPreparedExec", SQLPreparedExec},
		{"SQLTx", SQLTx},
	}
}

func connect(tb testing.TB, c driver.Connector) driver.Conn {
	tb.Helper()
	conn, err := c.Connect(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	return conn
}

// DriverExec is one Exec at the driver interface, the same text each time.
func DriverExec(b *testing.B, c driver.Connector) {
	ctx, exec := context.Background(), connect(b, c).(driver.ExecerContext)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := exec.ExecContext(ctx, ExecText, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// DriverExecParallel is DriverExec with one connection per goroutine, as in a
// pool.
func DriverExecParallel(b *testing.B, c driver.Connector) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx, exec := context.Background(), connect(b, c).(driver.ExecerContext)
		for pb.Next() {
			if _, err := exec.ExecContext(ctx, ExecText, nil); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// DriverExecTwenty cycles through twenty texts: the last one is never the next.
func DriverExecTwenty(b *testing.B, c driver.Connector) {
	texts := make([]string, 20)
	for i := range texts {
		texts[i] = ExecText + " AND tenant = " + string(rune('a'+i))
	}
	ctx, exec := context.Background(), connect(b, c).(driver.ExecerContext)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := exec.ExecContext(ctx, texts[i%len(texts)], nil); err != nil {
			b.Fatal(err)
		}
	}
}

// DriverQuery is one Query at the driver interface, its ten rows and its Close.
func DriverQuery(b *testing.B, c driver.Connector) {
	ctx, query := context.Background(), connect(b, c).(driver.QueryerContext)
	dest := make([]driver.Value, 1)
	b.ReportAllocs()
	for b.Loop() {
		rows, err := query.QueryContext(ctx, QueryText, nil)
		if err != nil {
			b.Fatal(err)
		}
		for rows.Next(dest) == nil {
		}
		if err := rows.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// DriverPreparedExec is one execution of a prepared statement.
func DriverPreparedExec(b *testing.B, c driver.Connector) {
	ctx := context.Background()
	stmt, err := connect(b, c).Prepare(ExecText)
	if err != nil {
		b.Fatal(err)
	}
	exec := stmt.(driver.StmtExecContext)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := exec.ExecContext(ctx, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// SQLExec is DB.Exec.
func SQLExec(b *testing.B, c driver.Connector) {
	db := sql.OpenDB(c)
	defer db.Close()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.ExecContext(ctx, ExecText); err != nil {
			b.Fatal(err)
		}
	}
}

// SQLExecParallel is DB.Exec from as many goroutines as there are processors.
func SQLExecParallel(b *testing.B, c driver.Connector) {
	db := sql.OpenDB(c)
	defer db.Close()
	db.SetMaxIdleConns(64)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			if _, err := db.ExecContext(ctx, ExecText); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// SQLQuery10 is DB.Query with ten rows scanned.
func SQLQuery10(b *testing.B, c driver.Connector) {
	db := sql.OpenDB(c)
	defer db.Close()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		rows, err := db.QueryContext(ctx, QueryText)
		if err != nil {
			b.Fatal(err)
		}
		var id int64
		for rows.Next() {
			if err := rows.Scan(&id); err != nil {
				b.Fatal(err)
			}
		}
		if err := rows.Err(); err != nil {
			b.Fatal(err)
		}
		_ = rows.Close() //nolint:sqlclosecheck // a deferred call would be measured too
	}
}

// SQLPreparedExec is Stmt.Exec.
func SQLPreparedExec(b *testing.B, c driver.Connector) {
	db := sql.OpenDB(c)
	defer db.Close()
	ctx := context.Background()
	stmt, err := db.PrepareContext(ctx, ExecText)
	if err != nil {
		b.Fatal(err)
	}
	defer stmt.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stmt.ExecContext(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// SQLTx is begin, one Exec and commit.
func SQLTx(b *testing.B, c driver.Connector) {
	db := sql.OpenDB(c)
	defer db.Close()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := tx.ExecContext(ctx, ExecText); err != nil {
			b.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}
