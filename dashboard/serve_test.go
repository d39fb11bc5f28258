package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

func TestWhoMayLook(t *testing.T) {
	const local, remote, local6 = "127.0.0.1:5000", "192.0.2.1:5000", "[::1]:5000"
	type headers map[string]string
	for _, c := range []struct {
		name       string
		cfg        Config
		path, host string
		from       string
		headers    headers
		want       int
	}{
		{"local", Config{}, "/api/state", "localhost:9464", local, nil, 200},
		{"local, IPv6", Config{}, "/api/state", "[::1]:9464", local6, nil, 200},
		{"remote", Config{}, "/api/state", "10.0.0.7:9464", remote, nil, 403},
		{"remote, the page", Config{}, "/", "10.0.0.7:9464", remote, nil, 200},
		{"remote through a local proxy", Config{}, "/api/state", "localhost", local, headers{"X-Forwarded-For": "192.0.2.1"}, 403},
		{"remote, public", Config{Public: true}, "/api/state", "10.0.0.7:9464", remote, nil, 200},
		{"no address", Config{}, "/api/state", "localhost", "@", nil, 403},
		{"rebinding", Config{}, "/api/state", "evil.example:9464", local, nil, 421},
		{"rebinding, the page", Config{Public: true}, "/", "evil.example", local, nil, 421},
		{"rebinding with a token", Config{Token: "t"}, "/api/state", "evil.example", local, headers{"Authorization": "Bearer t"}, 421},
		{"lookalike", Config{}, "/api/state", "localhost.evil.example", local, nil, 421},
		{"no host", Config{}, "/api/state", "", local, nil, 421},
		{"configured name", Config{Hosts: []string{"Ops.example"}}, "/api/state", "ops.example.:443", local, nil, 200},
		{"token", Config{Token: "t"}, "/api/state", "10.0.0.7", remote, headers{"Authorization": "bearer t"}, 200},
		{"no token", Config{Token: "t"}, "/api/state", "localhost", local, nil, 401},
		{"no token, public", Config{Token: "t", Public: true}, "/api/events", "localhost", remote, nil, 401},
		{"wrong token", Config{Token: "t"}, "/api/runs/r", "localhost", local, headers{"Authorization": "Bearer tt"}, 401},
		{"token as password", Config{Token: "t"}, "/api/state", "localhost", local, headers{"Authorization": "Basic t"}, 401},
		{"token, an asset", Config{Token: "t"}, "/assets/app.js", "localhost", remote, nil, 200},
		{"folder", Config{}, "/assets/", "localhost", local, nil, 404},
		{"beyond the assets", Config{}, "/assets/..%2fdashboard.go", "localhost", local, nil, 404},
		{"unknown run", Config{}, "/api/runs/r", "localhost", local, nil, 404},
		{"no audit", Config{}, "/api/audit", "localhost", local, nil, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", c.path, nil)
			r.Host, r.RemoteAddr = c.host, c.from
			for k, v := range c.headers {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			New(c.cfg, Deps{}).Handler().ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("status %d, want %d: %s", w.Code, c.want, w.Body)
			}
			if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'self';") {
				t.Errorf("policy %q", csp)
			}
		})
	}
}

// TestReadOnly: nothing but GET, and a POST that changes nothing.
func TestReadOnly(t *testing.T) {
	h := New(Config{}, Deps{}).Handler()
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		for _, path := range []string{"/", "/api/state", "/api/events", "/api/runs/r", "/api/audit", "/assets/app.js"} {
			r := httptest.NewRequest(method, path, nil)
			r.Host, r.RemoteAddr = "localhost", "127.0.0.1:5000"
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: status %d", method, path, w.Code)
			}
		}
	}
}

// TestAssets: the page brings everything with it, and its policy lets nothing
// else in. A value from the server never becomes markup.
func TestAssets(t *testing.T) {
	outside := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9-]+\.[a-z]`)
	for _, forbidden := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser", " style=", " onclick=", "javascript:", "<style"} {
		own(t, func(name, text string) {
			if strings.Contains(text, forbidden) {
				t.Errorf("%s has %q", name, forbidden)
			}
		})
	}
	n := 0
	own(t, func(name, text string) {
		n++
		if found := outside.FindString(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")); found != "" {
			t.Errorf("%s leads outside: %s", name, found)
		}
		if strings.Contains(strings.ReplaceAll(text, "</script>", ""), "<script>") {
			t.Errorf("%s has a script in its text", name)
		}
	})
	if n < 10 {
		t.Errorf("%d files were looked at", n)
	}
}

func own(t *testing.T, look func(name, text string)) {
	t.Helper()
	err := fs.WalkDir(assets, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(name, "/uplot/") {
			return err
		}
		text, err := assets.ReadFile(name)
		look(name, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// client is the end of a stream. It takes a message when the test asks for one.
type client struct {
	header   http.Header
	messages chan string
}

func (c *client) Header() http.Header                { return c.header }
func (c *client) WriteHeader(int)                    {}
func (c *client) Flush()                             {}
func (c *client) SetWriteDeadline(_ time.Time) error { return nil }
func (c *client) Write(p []byte) (int, error)        { c.messages <- string(p); return len(p), nil }

func connect(t *testing.T, d *Dashboard, query string) (*client, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &client{header: http.Header{}, messages: make(chan string)}
	go func() {
		d.stream(c, httptest.NewRequest("GET", "/api/events"+query, nil).WithContext(ctx))
		close(c.messages)
	}()
	return c, cancel
}

func (c *client) next(t *testing.T) (s state) {
	t.Helper()
	m := <-c.messages
	if err := json.Unmarshal([]byte(strings.TrimPrefix(m, "data: ")), &s); err != nil {
		t.Fatalf("%v: %q", err, m)
	}
	return s
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{}, Deps{})
		ran(d, "a", 1)
		c, leave := connect(t, d, "")
		if s := c.next(t); len(s.Runs) != 1 {
			t.Fatalf("at first there is %+v", s)
		}
		began := time.Now()
		for range 100 {
			ran(d, "b", 1)
		}
		if s := c.next(t); len(s.Runs) != 1 || s.Runs[0].ID != "b" || time.Since(began) != streamPause {
			t.Errorf("%s after a hundred changes there is %+v", time.Since(began), s.Runs)
		}
		if m := <-c.messages; m != ": still here\n\n" || time.Since(began) < heartbeat {
			t.Errorf("%q after %s of silence", m, time.Since(began))
		}
		leave()
		if _, more := <-c.messages; more || len(d.clients) != 0 {
			t.Error("a client that has left is still there")
		}
	})
}

// TestComingBack: a client that was cut off is sent what it has missed, and all of
// it if the process is another one.
func TestComingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{}, Deps{Now: fixed})
		ran(d, "a", 1)
		known := d.since(0)
		ran(d, "b", 1)
		for query, want := range map[string]int{
			"?epoch=1795513500000&since=" + jsonOf(known.Seq): 1,
			"?epoch=1&since=" + jsonOf(known.Seq):             2,
			"?epoch=1795513500000&since=x":                    2,
		} {
			c, leave := connect(t, d, query)
			if s := c.next(t); len(s.Runs) != want {
				t.Errorf("%s: %d runs, want %d", query, len(s.Runs), want)
			}
			leave()
		}
		synctest.Wait()
	})
}

func jsonOf(v any) string { b, _ := json.Marshal(v); return string(b) }

// TestSlowClient: a client that reads nothing holds up neither a sink nor another
// client. Were a sink to wait, the test would be a deadlock.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{}, Deps{})
		stuck, leave := connect(t, d, "")
		synctest.Wait() // it is writing its first message
		for range 1000 {
			ran(d, "a", 1)
		}
		other, leaveToo := connect(t, d, "")
		if s := other.next(t); len(s.Runs) != 1 {
			t.Errorf("another client has %d runs", len(s.Runs))
		}
		leave()
		leaveToo()
		for range stuck.messages {
		}
		for range other.messages {
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{}, Deps{})
		c, leave := connect(t, d, "")
		defer leave()
		c.next(t)
		d.Close()
		d.Close()
		if _, more := <-c.messages; more {
			t.Error("the stream goes on")
		}
		d.Run(&event.Run{Trace: event.Trace{RunID: "r"}})
	})
}

func TestTooManyClients(t *testing.T) {
	d := New(Config{}, Deps{})
	for range maxClients {
		d.enter(make(chan struct{}, 1))
	}
	w := httptest.NewRecorder()
	if d.stream(w, httptest.NewRequest("GET", "/api/events", nil)); w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
}

func TestAudit(t *testing.T) {
	verdict, failure := Intact, error(nil)
	running, release := make(chan struct{}), make(chan struct{})
	d := New(Config{}, Deps{
		Now:   fixed,
		Audit: func(context.Context) (Status, error) { return Status{Mode: "strict", Entries: 3}, nil },
		Verify: func(context.Context) (Status, error) {
			running <- struct{}{}
			<-release
			return Status{Mode: "strict", Entries: 3, Verdict: verdict}, failure
		},
	})
	h := d.Handler()
	ask := func(method, path, site string) (int, auditStatus) {
		r := httptest.NewRequest(method, path, nil)
		r.Host, r.RemoteAddr = "localhost", "127.0.0.1:5000"
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var s auditStatus
		_ = json.Unmarshal(w.Body.Bytes(), &s)
		return w.Code, s
	}
	verify := func() auditStatus {
		done := make(chan auditStatus)
		go func() { _, s := ask("POST", "/api/audit/verify", "same-origin"); done <- s }()
		<-running
		if code, _ := ask("POST", "/api/audit/verify", "same-origin"); code != http.StatusConflict {
			t.Errorf("a second verification at the same time: status %d", code)
		}
		release <- struct{}{}
		return <-done
	}
	if _, s := ask("GET", "/api/audit", "same-origin"); s.Entries != 3 || s.Verdict != "" || s.VerifiedAt != 0 {
		t.Errorf("before it was verified: %+v", s)
	}
	if code, _ := ask("POST", "/api/audit/verify", "cross-site"); code != http.StatusForbidden {
		t.Errorf("a page of somebody else verifies: status %d", code)
	}
	if s := verify(); s.Verdict != Intact || s.VerifiedAt != start.UnixMilli() {
		t.Errorf("verified: %+v", s)
	}
	if _, s := ask("GET", "/api/audit", "same-origin"); s.Verdict != Intact {
		t.Errorf("the verdict is forgotten: %+v", s)
	}
	verdict, failure = "", errors.New("the database is not there")
	if s := verify(); s.Verdict != Unknown || s.Error != failure.Error() {
		t.Errorf("it could not be verified: %+v", s)
	}
}

// TestVerificationCutOff: a page that is closed while it verifies has not found
// out anything, and what was found before stands.
func TestVerificationCutOff(t *testing.T) {
	ctx, closeTab := context.WithCancel(t.Context())
	verdict := Status{Verdict: Broken, Findings: []string{"entry 3 was altered"}}
	d := New(Config{}, Deps{
		Audit:  func(context.Context) (Status, error) { return Status{}, nil },
		Verify: func(ctx context.Context) (Status, error) { return verdict, ctx.Err() },
	})
	ask := func(method, path string) (s auditStatus) {
		r := httptest.NewRequestWithContext(ctx, method, "http://localhost"+path, nil)
		r.RemoteAddr = "127.0.0.1:5000"
		w := httptest.NewRecorder()
		d.Handler().ServeHTTP(w, r)
		_ = json.Unmarshal(w.Body.Bytes(), &s)
		return s
	}
	ask("POST", "/api/audit/verify")
	closeTab()
	verdict = Status{Verdict: Unknown, Note: "the trail could not be checked: cancelled"}
	ask("POST", "/api/audit/verify")
	if s := ask("GET", "/api/audit"); s.Verdict != Broken || len(s.Findings) != 1 {
		t.Errorf("the verdict is %+v", s)
	}
}

// TestContrast: text is readable in both colour schemes, by WCAG's measure for
// small text.
func TestContrast(t *testing.T) {
	css, err := assets.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`--([a-z0-9-]+): (#[0-9a-f]{6});`)
	schemes := strings.SplitN(string(css), "@media (prefers-color-scheme: dark)", 2)
	for i, scheme := range []string{"light", "dark"} {
		colours := map[string]string{}
		for _, m := range variable.FindAllStringSubmatch(schemes[i], -1) {
			colours[m[1]] = m[2]
		}
		for _, pair := range [][2]string{
			{"text", "page"}, {"text", "panel"}, {"text", "raised"}, {"text", "accent-soft"}, {"text", "bad-soft"}, {"muted", "page"}, {"muted", "panel"}, {"muted", "raised"},
			{"muted", "accent-soft"}, {"muted", "bad-soft"}, {"accent", "panel"}, {"accent", "accent-soft"}, {"ok", "panel"}, {"ok", "ok-soft"},
			{"warn", "panel"}, {"warn", "warn-soft"}, {"bad", "panel"}, {"bad", "bad-soft"},
		} {
			if c := contrast(t, colours[pair[0]], colours[pair[1]]); c < 4.5 {
				t.Errorf("%s: %s on %s has a contrast of %.1f", scheme, pair[0], pair[1], c)
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	var rgb [3]uint8
	if n, err := fmt.Sscanf(colour, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); n != 3 {
		t.Fatalf("%q is no colour: %v", colour, err)
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := float64(rgb[i]) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}
