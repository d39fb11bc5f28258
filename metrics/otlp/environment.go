package otlp

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/metric"
)

// overHTTP makes the exporter that the environment asks for.
func overHTTP(ctx context.Context) (metric.Exporter, error) {
	if err := checkProtocol(); err != nil {
		return nil, err
	}
	if err := checkSecrets(); err != nil {
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
	for _, name := range variables("PROTOCOL") {
		switch p := os.Getenv(name); p {
		case "":
			continue
		case ours:
			return nil
		default:
			return fmt.Errorf("sqlwitness: otlp: %s is %q, and only %s is spoken here (set OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=%[3]s and an endpoint for it, or give Config.Exporter)", name, p, ours)
		}
	}
	return nil
}

// checkSecrets refuses a URL and headers that do not hold: the exporter would log
// them, with what is secret in them, and push to localhost or without the key. It
// reads the variables of all signals even where those of the metrics are set.
func checkSecrets() error {
	for _, name := range variables("ENDPOINT") {
		endpoint := os.Getenv(name)
		if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("sqlwitness: otlp: %s is no URL of a collector (use one such as https://collector.example:4318)", name)
		}
	}
	for _, name := range variables("HEADERS") {
		for header := range strings.SplitSeq(os.Getenv(name), ",") {
			if strings.TrimSpace(header) != "" && !isHeader(header) {
				return fmt.Errorf("sqlwitness: otlp: %s is no list of headers (use one such as Authorization=Bearer%%20key,X-Scope=shop)", name)
			}
		}
	}
	return nil
}

// isHeader reports whether a text is a header's name, "=", and a value whose
// percent signs are escapes.
func isHeader(text string) bool {
	name, value, found := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	_, err := url.PathUnescape(value)
	return found && err == nil && name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// variables are that of the metrics and that of all signals, in the order in which
// they count.
func variables(what string) [2]string {
	return [2]string{"OTEL_EXPORTER_OTLP_METRICS_" + what, "OTEL_EXPORTER_OTLP_" + what}
}
