package sqlwitness

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
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

// listen serves Config.Listen. An address that cannot be had is told, and is no
// error: it may be a second process in the first one's environment, a migration
// beside its application, whose work does not hang on a page.
func (w *Witness) listen(addr string, h http.Handler) *server {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		w.trouble(event.Trouble{Part: "server", Kind: "listen", Message: err.Error(),
			Hint: "this process serves no page and no metrics; where another one has the address, give each its own"})
		return nil
	}
	s := &server{http: &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}}
	go func() { _ = s.http.Serve(l) }() // ends with close
	return s
}

func (s *server) close(ctx context.Context) error {
	if s == nil {
		return nil
	}
	return s.http.Shutdown(ctx)
}
