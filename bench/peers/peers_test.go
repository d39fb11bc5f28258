package peers

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"testing"
	"time"

	vm "github.com/VictoriaMetrics/metrics"
	xsam "github.com/XSAM/otelsql"
	"github.com/luna-duclos/instrumentedsql"
	"github.com/ngrok/sqlmw"
	sqldblogger "github.com/simukti/sqldb-logger"
	uptrace "github.com/uptrace/opentelemetry-go-extra/otelsql"
	nhat "go.nhat.io/otelsql"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/bench"
)

// peer is a wrapper around the driver that does nothing.
type peer struct {
	name string
	wrap func(testing.TB) driver.Connector
}

var peers = []peer{
	{"raw", func(testing.TB) driver.Connector { return bench.Raw{} }},
	{"witness", func(tb testing.TB) driver.Connector {
		w, err := sqlwitness.New(sqlwitness.Config{LogOutput: io.Discard, System: "postgresql", Database: "bench"})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = w.Close(context.Background()) })
		return w.Wrap(bench.Raw{})
	}},
	// Hooks that do nothing.
	{"sqlmw", func(testing.TB) driver.Connector {
		return opener{sqlmw.Driver(bench.Raw{}, sqlmw.NullInterceptor{})}
	}},
	// Hooks with one histogram and one counter.
	{"sqlmw-timed", func(testing.TB) driver.Connector {
		set := vm.NewSet()
		return opener{sqlmw.Driver(bench.Raw{}, &timed{
			latency: set.NewPrometheusHistogram("latency_seconds"), calls: set.NewCounter("calls_total")})}
	}},
	// No-op providers.
	{"otelsql", func(testing.TB) driver.Connector {
		return opener{xsam.WrapDriver(bench.Raw{}, xsam.WithTracerProvider(tracenoop.NewTracerProvider()),
			xsam.WithMeterProvider(metricnoop.NewMeterProvider()))}
	}},
	// The OpenTelemetry SDK, metrics read by hand, spans dropped.
	{"otelsql-sdk", func(tb testing.TB) driver.Connector {
		meters := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
		tracers := trace.NewTracerProvider(trace.WithSampler(trace.NeverSample()))
		tb.Cleanup(func() { _ = meters.Shutdown(context.Background()); _ = tracers.Shutdown(context.Background()) })
		return opener{xsam.WrapDriver(bench.Raw{}, xsam.WithTracerProvider(tracers), xsam.WithMeterProvider(meters))}
	}},
	{"uptrace", func(tb testing.TB) driver.Connector {
		return pooled(tb, uptrace.OpenDB(bench.Raw{}, uptrace.WithTracerProvider(tracenoop.NewTracerProvider()),
			uptrace.WithMeterProvider(metricnoop.NewMeterProvider())))
	}},
	{"nhat", func(testing.TB) driver.Connector {
		return opener{nhat.Wrap(bench.Raw{}, nhat.WithTracerProvider(tracenoop.NewTracerProvider()),
			nhat.WithMeterProvider(metricnoop.NewMeterProvider()), nhat.TraceAll())}
	}},
	// No tracer, no logger.
	{"instrumentedsql", func(testing.TB) driver.Connector {
		return opener{instrumentedsql.WrapDriver(bench.Raw{})}
	}},
	{"sqldb-logger", func(tb testing.TB) driver.Connector {
		return pooled(tb, sqldblogger.OpenDriver("", bench.Raw{}, discard{}))
	}},
}

// opener makes a connector of a driver.
type opener struct{ driver driver.Driver }

func (o opener) Connect(context.Context) (driver.Conn, error) { return o.driver.Open("") }
func (o opener) Driver() driver.Driver                        { return o.driver }

// pooled makes a connector of a pool, for wrappers that show nothing else.
func pooled(tb testing.TB, db *sql.DB) driver.Connector {
	tb.Cleanup(func() { _ = db.Close() })
	return pool{db}
}

type pool struct{ db *sql.DB }

func (p pool) Driver() driver.Driver { return p.db.Driver() }

func (p pool) Connect(ctx context.Context) (c driver.Conn, err error) {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	err = conn.Raw(func(raw any) error { c = raw.(driver.Conn); return nil })
	return c, err
}

// timed is what a team writes with sqlmw to have a latency and a count.
type timed struct {
	sqlmw.NullInterceptor
	latency *vm.PrometheusHistogram
	calls   *vm.Counter
}

func (t *timed) observe(start time.Time) {
	t.latency.UpdateDuration(start)
	t.calls.Inc()
}

func (t *timed) ConnExecContext(ctx context.Context, c driver.ExecerContext, query string, args []driver.NamedValue) (driver.Result, error) {
	defer t.observe(time.Now())
	return c.ExecContext(ctx, query, args)
}

func (t *timed) ConnQueryContext(ctx context.Context, c driver.QueryerContext, query string, args []driver.NamedValue) (context.Context, driver.Rows, error) {
	defer t.observe(time.Now())
	rows, err := c.QueryContext(ctx, query, args)
	return ctx, rows, err
}

func (t *timed) StmtExecContext(ctx context.Context, s driver.StmtExecContext, _ string, args []driver.NamedValue) (driver.Result, error) {
	defer t.observe(time.Now())
	return s.ExecContext(ctx, args)
}

type discard struct{}

func (discard) Log(context.Context, sqldblogger.Level, string, map[string]any) {}

func run(b *testing.B, name string) {
	for _, c := range bench.Cases() {
		if c.Name != name {
			continue
		}
		for _, p := range peers {
			b.Run(p.name, func(b *testing.B) { c.Run(b, p.wrap(b)) })
		}
	}
}

func BenchmarkDriverExec(b *testing.B)         { run(b, "DriverExec") }
func BenchmarkDriverQuery(b *testing.B)        { run(b, "DriverQuery") }
func BenchmarkDriverPreparedExec(b *testing.B) { run(b, "DriverPreparedExec") }
func BenchmarkSQLExec(b *testing.B)            { run(b, "SQLExec") }
func BenchmarkSQLQuery10(b *testing.B)         { run(b, "SQLQuery10") }
func BenchmarkSQLPreparedExec(b *testing.B)    { run(b, "SQLPreparedExec") }
func BenchmarkSQLTx(b *testing.B)              { run(b, "SQLTx") }
