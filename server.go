package sqlwitness

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Handler serves the metrics at /metrics in the Prometheus text format, and at /
// the page with what it needs, see [dashboard.Dashboard]. The page serves clients
// on the same machine alone, unless Config.Dashboard says otherwise; the metrics
// serve all.
func (w *Witness) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.WritePrometheus(out)
	})
	mux.Handle("/", w.page.Handler())
	return mux
}

// server serves the handler for programs that have no HTTP server of their own.
type server struct{ http *http.Server }

func listen(addr string, h http.Handler) (*server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, &Error{Op: "configuration: Listen", Err: err, Hint: `use an address such as "127.0.0.1:9464"`}
	}
	s := &server{http: &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}}
	go func() { _ = s.http.Serve(l) }() // ends with close
	return s, nil
}

func (s *server) close(ctx context.Context) error {
	if s == nil {
		return nil
	}
	return s.http.Shutdown(ctx)
}
