package sqlwitness

import (
	"context"

	"go.opentelemetry.io/otel/trace"
)

type correlationKey struct{}

// WithCorrelationID returns a context whose statements carry id in every log
// line, alert and audit row that concerns them. Without it the W3C trace id of
// an OpenTelemetry span in the context is used, and without that the id of the
// migration tool's run.
func WithCorrelationID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, correlationKey{}, id)
}

// correlationID of a context; "" if it has none.
func correlationID(ctx context.Context) string {
	if ctx == nil {
		return ""
	}
	if id, ok := ctx.Value(correlationKey{}).(string); ok {
		return id
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		return span.TraceID().String()
	}
	return ""
}
