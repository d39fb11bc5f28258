package browsertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/dashboard"
)

// TestGarbled: a stream that the page cannot read is closed before another one is
// asked for: a browser has six connections for a server, and the server 64 streams.
func TestGarbled(t *testing.T) {
	d := dashboard.New(dashboard.Config{}, dashboard.Deps{})
	closed := make(chan struct{}, 64)
	mux := http.NewServeMux()
	mux.Handle("/", d.Handler())
	mux.HandleFunc("/api/events", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: {\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		closed <- struct{}{}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer server.CloseClientConnections()
	tab := openTab(t, server)
	tab.open(server, 1280, 900, "light")
	select {
	case <-closed:
	case <-time.After(20 * time.Second): // it does not come
		t.Error("the stream is still open")
	}
}
