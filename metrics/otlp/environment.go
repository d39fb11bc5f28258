package otlp

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/metric"
)

// overHTTP makes the exporter that the environment asks for.
func overHTTP(ctx context.Context) (metric.Exporter, error) {
	if err := checkProtocol(); err != nil {
		return nil, err
	}
	if err := checkEndpoint(); err != nil {
		return nil, err
	}
	exporter, err := otlpmetrichttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqlwitness: otlp: %w", err)
	}
	return exporter, nil
}

// checkProtocol refuses what the endpoint would not understand.
func checkProtocol() error {
	const ours = "http/protobuf"
	if name, p := variable("PROTOCOL"); p != "" && p != ours {
		return fmt.Errorf("sqlwitness: otlp: %s is %q, and only %s is spoken here (set OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=%[3]s and an endpoint for it, or give Config.Exporter)", name, p, ours)
	}
	return nil
}

// checkEndpoint refuses a URL that does not hold: the exporter would log it, with
// what is secret in it, and push to localhost.
func checkEndpoint() error {
	name, endpoint := variable("ENDPOINT")
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("sqlwitness: otlp: %s is no URL of a collector (use one such as https://collector.example:4318)", name)
	}
	return nil
}

// variable is that of the metrics, else that of all signals.
func variable(what string) (name, value string) {
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_METRICS_", "OTEL_EXPORTER_OTLP_"} {
		name = prefix + what
		if value = os.Getenv(name); value != "" {
			break
		}
	}
	return name, value
}
