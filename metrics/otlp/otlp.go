// Package otlp pushes the metrics of a witness by OTLP, for those who run
// OpenTelemetry. Families, labels and buckets are those of docs/metrics.md.
//
//	w, err := sqlwitness.Default()
//	// ...
//	shutdown, err := otlp.New(ctx, w, otlp.Config{})
//	// ... and at the end, after w.Close(ctx):
//	err = shutdown(ctx)
//
// The variables OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE and so on,
// OTEL_METRIC_EXPORT_INTERVAL (60 s unless it is set), OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES apply as OpenTelemetry defines them. Counters and
// histograms are cumulative from the start of the process, whatever temporality
// is preferred.
//
// It is a module of its own, so that OpenTelemetry's SDK is required only by
// programs that import it.
package otlp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
)

// Source writes metrics in the Prometheus text format, as a
// *sqlwitness.Witness does. It must be safe for concurrent use.
type Source interface{ WritePrometheus(io.Writer) }

// Config of the push. The zero value is ready for use.
type Config struct {
	// Exporter to push with; nil means OTLP over HTTP as the environment says.
	// Give one for OTLP over gRPC. It is shut down with the rest.
	Exporter metric.Exporter
}

// New pushes the metrics of w at each interval until shutdown is called, which
// pushes what has been counted since and waits for the answer until its ctx is
// done. What is lost where the process dies without it: what was counted since
// the last interval.
//
// A push that fails between is an affair of OpenTelemetry's error handler (see
// otel.SetErrorHandler) and harms no statement; the next one carries all that the
// failed one did. An error of New is one of the configuration: nothing is reached
// out for here.
func New(ctx context.Context, w Source, cfg Config) (shutdown func(context.Context) error, err error) {
	if w == nil {
		return nil, errors.New("sqlwitness: otlp: the witness is nil (make one with sqlwitness.New)")
	}
	from := gatherer{w}
	if _, err := from.Gather(); err != nil { // here rather than at the first push
		return nil, err
	}
	exporter := cfg.Exporter
	if exporter == nil {
		if exporter, err = overHTTP(ctx); err != nil {
			return nil, err
		}
	}
	reader := metric.NewPeriodicReader(exporter, metric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(from))))
	return metric.NewMeterProvider(metric.WithReader(reader)).Shutdown, nil
}

// gatherer hands the metrics of a witness to OpenTelemetry's bridge.
type gatherer struct{ witness Source }

// Gather reads what a scrape would.
func (g gatherer) Gather() ([]*dto.MetricFamily, error) {
	var text bytes.Buffer
	g.witness.WritePrometheus(&text)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(&text)
	if err != nil {
		return nil, fmt.Errorf("sqlwitness: otlp: %w", err)
	}
	return slices.SortedFunc(maps.Values(families), func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) }), nil
}
