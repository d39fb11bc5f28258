package bench

import (
	"context"
	"database/sql/driver"
	"io"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness"
)

// witnessed wraps the raw driver with everything on.
func witnessed(tb testing.TB) driver.Connector {
	tb.Helper()
	w, err := sqlwitness.New(sqlwitness.Config{LogOutput: io.Discard, System: "postgresql", Database: "bench"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = w.Close(context.Background()) })
	return w.Wrap(Raw{})
}

// both runs a case on the raw driver and on the witnessed one.
func both(b *testing.B, run func(*testing.B, driver.Connector)) {
	b.Run("raw", func(b *testing.B) { run(b, Raw{}) })
	b.Run("witness", func(b *testing.B) { run(b, witnessed(b)) })
}

var elapsed time.Duration

// BenchmarkClock is the floor of any timing: two looks at the clock.
func BenchmarkClock(b *testing.B) {
	base := time.Now()
	for b.Loop() {
		start := time.Since(base)
		elapsed = time.Since(base) - start
	}
}

func BenchmarkDriverExec(b *testing.B)         { both(b, DriverExec) }
func BenchmarkDriverExecParallel(b *testing.B) { both(b, DriverExecParallel) }
func BenchmarkDriverExecTwenty(b *testing.B)   { both(b, DriverExecTwenty) }
func BenchmarkDriverQuery(b *testing.B)        { both(b, DriverQuery) }
func BenchmarkDriverPreparedExec(b *testing.B) { both(b, DriverPreparedExec) }
func BenchmarkSQLExec(b *testing.B)            { both(b, SQLExec) }
func BenchmarkSQLExecParallel(b *testing.B)    { both(b, SQLExecParallel) }
func BenchmarkSQLQuery10(b *testing.B)         { both(b, SQLQuery10) }
func BenchmarkSQLPreparedExec(b *testing.B)    { both(b, SQLPreparedExec) }
func BenchmarkSQLTx(b *testing.B)              { both(b, SQLTx) }
