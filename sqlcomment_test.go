package sqlwitness

import (
	"context"
	"database/sql/driver"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/sqlwitness/sqlwitness/sqltext"
)

func TestSQLComment(t *testing.T) {
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: [16]byte{15: 1}, SpanID: [8]byte{7: 2}, TraceFlags: trace.FlagsSampled})
	traced := trace.ContextWithSpanContext(context.Background(), span)
	named := WithCorrelationID(context.Background(), "deploy 42's */ drop")
	const traceparent = "/*correlation_id='00000000000000000000000000000001',traceparent='00-00000000000000000000000000000001-0000000000000002-01'*/"
	const id = "/*correlation_id='deploy%2042%27s%20%2A%2F%20drop'*/"
	for _, c := range []struct {
		name, sql, want string
		ctx             context.Context
		args            []driver.NamedValue
	}{
		{"plain", "SELECT 1", "SELECT 1 " + id, named, nil},
		{"trace context", "SELECT 1", "SELECT 1 " + traceparent, traced, nil},
		{"trailing semicolon", "CREATE TABLE t (id int);\n", "CREATE TABLE t (id int) " + id + ";\n", named, nil},
		{"trailing comment", "SELECT 1 -- the end", "SELECT 1 " + id + " -- the end", named, nil},
		{"several statements", "SELECT 1; SELECT 2;", "SELECT 1; SELECT 2 " + id + ";", named, nil},
		{"nothing to carry", "SELECT 1", "SELECT 1", context.Background(), nil},
		{"arguments", "SELECT $1", "SELECT $1", named, make([]driver.NamedValue, 1)},
		{"empty", "", "", named, nil},
		{"only a comment", "-- x", "-- x", named, nil},
		{"uncertain", "SELECT 'a", "SELECT 'a", named, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cn := &conn{connector: &connector{w: &Witness{cfg: Config{SQLComment: true}}}}
			text := &text{Text: sqltext.Analyze(c.sql, sqltext.PostgreSQL)}
			if got := cn.sent(c.ctx, text, c.sql, c.args); got != c.want {
				t.Errorf("sent %q, want %q", got, c.want)
			}
		})
	}
}
