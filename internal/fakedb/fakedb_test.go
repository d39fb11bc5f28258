package fakedb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func has[T any](v any) bool { _, ok := v.(T); return ok }

// connCan asks a connection what it can do.
func connCan(c driver.Conn) (can ConnCan) {
	for i, ok := range []bool{
		has[driver.Pinger](c), has[driver.ExecerContext](c), has[driver.QueryerContext](c), has[driver.ConnPrepareContext](c),
		has[driver.ConnBeginTx](c), has[driver.SessionResetter](c), has[driver.Validator](c), has[driver.NamedValueChecker](c),
		has[driver.Execer](c), has[driver.Queryer](c), //nolint:staticcheck // the old forms are what is asked about
	} {
		if ok {
			can |= 1 << i
		}
	}
	return can
}

func stmtCan(s driver.Stmt) (can StmtCan) {
	for i, ok := range []bool{
		has[driver.StmtExecContext](s), has[driver.StmtQueryContext](s), has[driver.NamedValueChecker](s),
		has[driver.ColumnConverter](s), //nolint:staticcheck // the old form is what is asked about
	} {
		if ok {
			can |= 1 << i
		}
	}
	return can
}

func rowsCan(r driver.Rows) (can RowsCan) {
	for i, ok := range []bool{
		has[driver.RowsNextResultSet](r), has[driver.RowsColumnTypeDatabaseTypeName](r), has[driver.RowsColumnTypeLength](r),
		has[driver.RowsColumnTypeNullable](r), has[driver.RowsColumnTypePrecisionScale](r), has[driver.RowsColumnTypeScanType](r),
		hasScanner(r),
	} {
		if ok {
			can |= 1 << i
		}
	}
	return can
}

// TestCapabilities: each type can do what its options say, no more and no less.
// A combination that is not offered panics.
func TestCapabilities(t *testing.T) {
	try := func(opts Options) (d *DB) {
		defer func() { _ = recover() }()
		return New(opts)
	}
	var conns, stmts, rowss int
	for can := range ConnAll | ConnLegacyExec | ConnLegacyQuery + 1 {
		if d := try(Options{Conn: can}); d != nil {
			conns++
			if got := connCan(d.connType(&conn{})); got != can {
				t.Errorf("connection: %#b, want %#b", got, can)
			}
		}
	}
	for can := range StmtAll | StmtConvert + 1 {
		if d := try(Options{Stmt: can}); d != nil {
			stmts++
			if got := stmtCan(d.stmtType(&stmt{})); got != can {
				t.Errorf("statement: %#b, want %#b", got, can)
			}
		}
	}
	for can := range RowsAll | RowsScanner + 1 {
		if d := try(Options{Rows: can}); d != nil {
			rowss++
			if got := rowsCan(d.rowsType(&rows{})); got != can {
				t.Errorf("rows: %#b, want %#b", got, can)
			}
		}
	}
	t.Logf("%d connection, %d statement and %d rows types", conns, stmts, rowss)
	if conns < 19 || stmts < 12 || rowss < 8 {
		t.Error("fewer than are documented")
	}
}

// answer runs a text and tells what came of it.
func answer(db *sql.DB, query string) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s += fmt.Sprint("panic ", p)
		}
	}()
	rows, err := db.Query(query)
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	for {
		n := 0
		for rows.Next() {
			n++
		}
		s += fmt.Sprintf("%d rows ", n)
		if !rows.NextResultSet() {
			break
		}
	}
	if err := rows.Err(); err != nil {
		s += err.Error()
	}
	return s
}

func TestScript(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1":             "1 rows ",
		"FAIL no such table":   "fakedb: no such table",
		"BADCONN":              "driver: bad connection",
		"BADCONN 2":            "1 rows ",
		"SKIP":                 "1 rows ",
		"PANIC out of cheese":  "panic out of cheese",
		"ROWS 5":               "5 rows ",
		"ROWS 0":               "0 rows ",
		"ROWS 5 FAIL too late": "5 rows fakedb: too late",
		"ROWS 2 PANIC in Next": "panic in Next",
		"SETS 1 0 2":           "1 rows 0 rows 2 rows ",
		"PREPARE FAIL x":       "1 rows ", // it is not prepared
	} {
		db := sql.OpenDB(New(Full()).Connector())
		if got := answer(db, query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
		if !strings.Contains(query, "PANIC") { // the connection stays out
			_ = db.Close()
		}
	}
}

func TestWaitAndCalls(t *testing.T) {
	fake := New(Full())
	db := sql.OpenDB(fake.Connector())
	defer db.Close()
	ctx, cancel := context.WithCancel(Mark(t.Context(), "mine"))
	done := make(chan error)
	go func() {
		_, err := db.ExecContext(ctx, "WAIT ?", List{"a", "b"})
		done <- err
	}()
	if err := fake.Await(t.Context(), func(c Call) bool { return c.Method == "Conn.ExecContext" }); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("error %v, want that of the context", err)
	}
	var got []string
	for _, c := range fake.Calls() {
		got = append(got, c.String())
	}
	want := []string{
		"conn 0 Connector.Connect ctx(deadline=false mark=mine)",
		`conn 1 Conn.CheckNamedValue #1=fakedb.List([a b])`,
		`conn 1 Conn.ExecContext "WAIT ?" #1=string(Conn.CheckNamedValue(a,b)) ctx(deadline=false mark=mine) -> *errors.errorString context canceled`,
		"conn 1 Conn.IsValid",
	}
	if !slices.Equal(got, want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNext(t *testing.T) {
	fake := New(Full())
	mine := &Error{"commit refused"}
	fake.Next("Tx.Commit", Fault{Err: mine})
	db := sql.OpenDB(fake.Connector())
	defer db.Close()
	for _, want := range []error{mine, nil} {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != want {
			t.Errorf("Commit: %v, want %v", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fake.Await(ctx, func(c Call) bool { return c.Method == "Tx.Rollback" }); !errors.Is(err, context.Canceled) {
		t.Errorf("Await: %v", err)
	}
	if n := fake.Open(); n != 1 {
		t.Errorf("%d connections open, want 1", n)
	}
}

// TestStaticAllocates nothing: else benchmarks would measure the driver.
func TestStaticAllocates(t *testing.T) {
	ctx := context.Background()
	c, err := Static().Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	conn := c.(*staticConn)
	stmt, err := conn.Prepare("")
	if err != nil {
		t.Fatal(err)
	}
	dest := make([]driver.Value, 2)
	for name, run := range map[string]func(){
		"exec":          func() { _, _ = conn.ExecContext(ctx, "x", nil) },
		"prepared exec": func() { _, _ = stmt.(driver.StmtExecContext).ExecContext(ctx, nil) },
		"begin, commit": func() { tx, _ := conn.BeginTx(ctx, driver.TxOptions{}); _ = tx.Commit() },
		"query": func() {
			rows, _ := conn.QueryContext(ctx, "x", nil)
			n := 0
			for rows.Next(dest) != io.EOF {
				n++
			}
			if n != StaticRows {
				t.Fatalf("%d rows", n)
			}
		},
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}
