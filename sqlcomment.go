package sqlwitness

import (
	"context"
	"database/sql/driver"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// sent is the text as it goes to the parent: with a comment that carries the
// caller's ids into the server's own logs and views, where Config.SQLComment
// asks for it and it does no harm.
//
// It stands right behind the last token (google.github.io/sqlcommenter: at the
// end), so that no position in an error shifts, a trailing semicolon stays last
// and a trailing line comment does not swallow it. A text with arguments goes
// without: drivers prepare those and keep them by their text, and one that is new
// each time would fill their cache. So does one that is empty, or that could not
// be read with certainty.
func (c *conn) sent(ctx context.Context, t *text, query string, args []driver.NamedValue) string {
	if !c.connector.w.cfg.SQLComment || len(args) > 0 || !t.Certain || len(t.Statements) == 0 || t.Count > len(t.Statements) {
		return query
	}
	tags := commentTags(ctx)
	if tags == "" {
		return query
	}
	end := t.Statements[len(t.Statements)-1].End
	return query[:end] + " /*" + tags + "*/" + query[end:]
}

// commentTags are key='value' pairs in the order of their keys, values
// percent-encoded, as sqlcommenter has them.
func commentTags(ctx context.Context) string {
	var tags []string
	if id := correlationID(ctx); id != "" {
		tags = append(tags, "correlation_id='"+escapeTag(id)+"'")
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		tags = append(tags, "traceparent='00-"+span.TraceID().String()+"-"+span.SpanID().String()+"-"+span.TraceFlags().String()+"'")
	}
	return strings.Join(tags, ",")
}

// escapeTag leaves nothing that could end the value, the comment or the text.
func escapeTag(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
