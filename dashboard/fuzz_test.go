package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// FuzzHandler: whatever is asked, nobody without the token sees data, and no
// answer is a failure of the server's.
func FuzzHandler(f *testing.F) {
	const token, secret = "t0ken-of-the-page", "seen_by_the_page"
	f.Add("GET", "/api/state", "localhost", "")
	f.Add("GET", "/api/state", "localhost", "Bearer "+token)
	f.Add("GET", "/api/runs/"+secret, "127.0.0.1:9464", "bearer x")
	f.Add("POST", "/api/audit/verify", "[::1]", "Bearer "+token)
	f.Add("GET", "/api/events?since=-1", "example.com", "Bearer "+token)
	f.Add("GET", "/assets/..%2f..%2fguard.go", "localhost", "")
	d := New(Config{Token: token}, Deps{
		Audit:  func(context.Context) (Status, error) { return Status{}, errors.New(secret) },
		Verify: func(context.Context) (Status, error) { return Status{Note: secret}, nil },
	})
	f.Cleanup(d.Close)
	d.Run(&event.Run{Trace: event.Trace{RunID: secret}, Tool: "goose", Start: time.Unix(1_800_000_000, 0)})
	h := d.Handler()
	gone, cancel := context.WithCancel(context.Background())
	cancel() // so that a stream ends at once
	f.Fuzz(func(t *testing.T, method, target, host, authorization string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		r := (&http.Request{Method: method, URL: u, RequestURI: target, Host: host, RemoteAddr: "127.0.0.1:40000", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Authorization": {authorization}}, Body: http.NoBody}).WithContext(gone)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %q: %d", method, target, w.Code)
		}
		got := w.Body.String()
		if _, given, _ := strings.Cut(authorization, " "); given != token && strings.Contains(got, secret) && !strings.Contains(target+host, secret) {
			t.Errorf("%s %q shows data without the token: %s", method, target, got)
		}
		if strings.Contains(got, token) && !strings.Contains(target+host, token) {
			t.Errorf("%s %q shows the token", method, target)
		}
	})
}
