package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/sqlwitness/sqlwitness/event"
)

// failure is a migration that fails for good as soon as the engine is closed.
func failure(version string) *event.Migration {
	return &event.Migration{Trace: event.Trace{RunID: "run-1", MigrationID: "m-" + version}, Database: event.Database{System: "postgresql", Name: "app"},
		Tool: "goose", Version: &version, Outcome: event.Failed, Atomic: true, ErrorClass: event.ClassSyntax, SQLState: "42601",
		Failing: &event.FailingStatement{Index: 1, Operation: "CREATE TABLE", Text: "CREATE TABLE t (a integr DEFAULT ?)"}}
}

// inbox is a server that keeps what it is sent and answers from a list.
type inbox struct {
	*httptest.Server
	mu      sync.Mutex
	bodies  []string
	paths   []string
	answers []func(http.ResponseWriter, *http.Request)
}

func newInbox(t *testing.T, answers ...func(http.ResponseWriter, *http.Request)) *inbox {
	b := &inbox{answers: answers}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	b.bodies, b.paths = append(b.bodies, string(body)), append(b.paths, r.URL.Path)
	var answer func(http.ResponseWriter, *http.Request)
	if len(b.answers) > 0 {
		answer, b.answers = b.answers[0], b.answers[1:]
	}
	b.mu.Unlock()
	if answer != nil {
		answer(w, r)
	}
}

func status(code int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, "no: %s\x1b[31m %s", r.URL, strings.Repeat("x", 5000))
	}
}

func hang(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(30 * time.Second):
	}
}

// deliver sends one failure through a channel and returns what was said of it.
func deliver(t *testing.T, ch Channel) (Stats, string, error) {
	t.Helper()
	var mu sync.Mutex
	var said strings.Builder
	hear := func(v any) {
		mu.Lock()
		defer mu.Unlock()
		b, _ := json.Marshal(v)
		_, _ = fmt.Fprintf(&said, "%s\n%+v\n%#v\n", b, v, v)
	}
	hear(ch)
	c := Config{Service: "orders", Channels: []Channel{ch}}
	hear(c)
	e, err := New(c, Deps{Rand: func() float64 { return 0 }, HTTP: &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 100 * time.Millisecond}},
		Notify: func(a *event.Alert) { hear(*a) }, Trouble: func(tr *event.Trouble) { hear(*tr) }, Getenv: func(string) string { return "" }})
	if err != nil {
		hear(err.Error())
		return Stats{}, said.String(), err
	}
	e.Migration(failure("0042"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = e.Close(ctx)
	if err != nil {
		hear(err.Error())
	}
	mu.Lock()
	defer mu.Unlock()
	return e.Stats(), said.String(), err
}

func TestAChannelIsTriedAgainWhereThatMakesSense(t *testing.T) {
	type answers = []func(http.ResponseWriter, *http.Request)
	for name, test := range map[string]struct {
		answers answers
		tries   int
		dropped string
	}{
		"200":                  {nil, 1, ""},
		"202":                  {answers{status(202)}, 1, ""},
		"500 twice":            {answers{status(500), status(503)}, 3, ""},
		"429":                  {answers{status(429)}, 2, ""},
		"429 with Retry-After": {answers{status(429, "Retry-After", "0")}, 2, ""},
		"503 with a date":      {answers{status(503, "Retry-After", "Sat, 01 Jan 2000 00:00:00 GMT")}, 2, ""},
		"it hangs once":        {answers{hang}, 2, ""},
		"400":                  {answers{status(400)}, 1, "rejected"},
		"404":                  {answers{status(404)}, 1, "rejected"},
		"a redirect":           {answers{status(307, "Location", "http://127.0.0.1:1/")}, 1, "rejected"},
		"Retry-After of a day": {answers{status(429, "Retry-After", "86400")}, 1, "unreachable"},
	} {
		for _, kind := range []string{"alertmanager", "pagerduty", "slack", "webhook"} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				in := newInbox(t, test.answers...)
				stats, _, _ := deliver(t, Channel{Name: "c", Kind: kind, URL: NewSecret(in.URL), Key: NewSecret("k")})
				if len(in.bodies) != test.tries {
					t.Errorf("it was tried %d times: want %d", len(in.bodies), test.tries)
				}
				expectDelivery(t, stats, test.dropped)
			})
		}
	}
}

// expectDelivery wants one message to be sent, or to be dropped for a reason.
func expectDelivery(t *testing.T, stats Stats, dropped string) {
	t.Helper()
	sent, drops := map[string]uint64{"c": 1}, map[Drop]uint64{}
	if dropped != "" {
		sent, drops = map[string]uint64{}, map[Drop]uint64{{"c", dropped}: 1}
	}
	if !maps.Equal(stats.Sent, sent) || !maps.Equal(stats.Dropped, drops) {
		t.Errorf("sent %v, dropped %v: want dropped %q", stats.Sent, stats.Dropped, dropped)
	}
}

// TestADeadChannelIsGivenUp: what is down or fails for ten minutes, and what is
// while the process ends, is counted. (Alertmanager is told again what is open:
// TestAlertmanager/down and /exit.)
func TestADeadChannelIsGivenUp(t *testing.T) {
	for _, kind := range []string{"pagerduty", "slack", "webhook"} {
		for name, test := range map[string]struct {
			closeAfter time.Duration
			dropped    string
		}{"at length": {time.Hour, "unreachable"}, "at the end": {30 * time.Second, "closed"}} {
			t.Run(kind+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := &posts{begin: time.Now(), show: func([]byte) string { return "" }, answer: func() int { return 503 }}
					ch := Channel{Name: "c", Kind: kind, URL: NewSecret("http://c.test/"), Key: NewSecret("k")}
					e, err := New(Config{Channels: []Channel{ch}, Rules: map[string]Rule{MigrationFailed: {For: -1}, DeliveryFailing: {Off: true}}},
						Deps{HTTP: &http.Client{Transport: p}, Rand: func() float64 { return 1 }})
					if err != nil {
						t.Fatal(err)
					}
					e.Migration(failure("1"))
					time.Sleep(test.closeAfter)
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if err := e.Close(ctx); err == nil {
						t.Error("Close does not say that one could not be sent")
					}
					expectDelivery(t, e.Stats(), test.dropped)
				})
			})
		}
	}
}

// TestNoSecretIsTold looks for a secret in all that is said while channels fail
// in every way.
func TestNoSecretIsTold(t *testing.T) {
	const canary = "CANARY0secret"
	answers := map[string]func(http.ResponseWriter, *http.Request){
		"echo 500": status(500), "echo 404": status(404), "hang": hang,
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/"+canary, http.StatusTemporaryRedirect)
		},
		"echo body": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, strings.Repeat("y", 230)+canary+" Bearer "+canary)
		},
		"cut": func(w http.ResponseWriter, r *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = c.Close()
			}
		},
	}
	for _, kind := range []string{"alertmanager", "pagerduty", "slack", "webhook"} {
		for name, answer := range answers {
			t.Run(kind+" "+name, func(t *testing.T) {
				list := make([]func(http.ResponseWriter, *http.Request), 50)
				for i := range list {
					list[i] = answer
				}
				in := newInbox(t, list[:3]...)
				address := strings.Replace(in.URL, "http://", "http://user:"+canary+"@", 1) + "/services/" + canary + "?token=" + canary
				_, said, _ := deliver(t, Channel{Name: "c", Kind: kind, URL: NewSecret(address), Key: NewSecret(canary)})
				if strings.Contains(said, "CANARY0") {
					t.Errorf("it tells the secret: %s", said)
				}
				if len(in.bodies) == 0 {
					t.Error("nothing was sent")
				}
			})
		}
	}
	for name, ch := range map[string]Channel{
		"no such host": {Name: "c", Kind: "webhook", URL: NewSecret("http://" + canary + ".invalid/" + canary)},
		"no URL":       {Name: "c", Kind: "webhook", URL: NewSecret("::" + canary)},
		"no scheme":    {Name: "c", Kind: "slack", URL: NewSecret("ftp://x/" + canary)},
		"no program":   {Name: "c", Kind: "exec", Command: []string{"/nowhere/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			said, closed := deliverInVain(t, ch)
			if strings.Contains(said, "CANARY0") {
				t.Errorf("it tells the secret: %s", said)
			}
			if closed == nil {
				t.Error("it cannot have worked")
			}
		})
	}
}

// deliverInVain is deliver for a channel that never works. It waits until the
// engine has said so.
func deliverInVain(t *testing.T, ch Channel) (string, error) {
	var mu sync.Mutex
	var said strings.Builder
	tried := make(chan struct{}, 1)
	e, err := New(Config{Channels: []Channel{ch}, Rules: map[string]Rule{DeliveryFailing: {For: -1}}}, Deps{Rand: func() float64 { return 0 },
		Notify: func(a *event.Alert) {
			mu.Lock()
			defer mu.Unlock()
			_, _ = fmt.Fprintf(&said, "%+v\n", *a)
			if a.Rule == DeliveryFailing {
				select {
				case tried <- struct{}{}:
				default:
				}
			}
		}})
	if err != nil {
		return err.Error(), err
	}
	e.Migration(failure("1"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-tried; cancel() }()
	err = e.Close(ctx)
	mu.Lock()
	defer mu.Unlock()
	return said.String() + err.Error(), err
}

func TestWhatEachChannelIsSent(t *testing.T) {
	for _, test := range []struct {
		ch    func(url string) Channel
		path  string
		wants []string
	}{
		{func(u string) Channel { return Channel{Name: "c", Kind: "alertmanager", URL: NewSecret(u + "/am/")} }, "/am/api/v2/alerts",
			[]string{`"alertname":"migration_failed"`, `"severity":"critical"`, `"db":"app"`, `"migration":"0042"`, `"endsAt"`, `"runbook_url":"https://github.com/sqlwitness/sqlwitness/blob/main/docs/runbooks/migration_failed.md"`}},
		{func(u string) Channel {
			return Channel{Name: "c", Kind: "pagerduty", URL: NewSecret(u), Key: NewSecret("R0")}
		}, "/",
			[]string{`"routing_key":"R0"`, `"event_action":"trigger"`, `"dedup_key":"sqlwitness:`, `:1"`, `"severity":"critical"`, `"class":"migration_failed"`, `"summary":"[CRITICAL] app: 0042 failed: syntax (42601) in statement 1"`}},
		{func(u string) Channel { return Channel{Name: "c", Kind: "slack", URL: NewSecret(u)} }, "/",
			[]string{`"text":"[CRITICAL] app: 0042 failed`, `"type":"section"`, `"mrkdwn"`, `|Runbook`}},
		{func(u string) Channel { return Channel{Name: "c", Kind: "webhook", URL: NewSecret(u)} }, "/",
			[]string{`"rule":"migration_failed"`, `"state":"firing"`, `"episode":1`, `"version":"0042"`, `"service":"orders"`, `"suppress_with":"sqlwitness alerts suppress -match 'rule=\"migration_failed\",migration=\"0042\",db=\"app\"'`}},
	} {
		in := newInbox(t)
		ch := test.ch(in.URL)
		t.Run(ch.Kind, func(t *testing.T) {
			if _, _, err := deliver(t, ch); err != nil {
				t.Fatal(err)
			}
			if len(in.bodies) != 1 || in.paths[0] != test.path {
				t.Fatalf("sent %d times to %v", len(in.bodies), in.paths)
			}
			// JSON in Go writes <, > and & of a text as escapes.
			body := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(in.bodies[0])
			for _, want := range test.wants {
				if !strings.Contains(body, want) {
					t.Errorf("it lacks %s: %s", want, body)
				}
			}
		})
	}
}

func TestACommandIsGivenTheAlert(t *testing.T) {
	out := filepath.Join(t.TempDir(), "alert.json")
	stats, _, err := deliver(t, Channel{Name: "c", Kind: "exec", Command: []string{"/bin/sh", "-c", "cat > " + out}})
	if err != nil || stats.Sent["c"] != 1 {
		t.Fatal(err, stats)
	}
	text, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(text), `"rule":"migration_failed"`) {
		t.Error(err, string(text))
	}
}

func TestACommandThatFailsIsRunAgain(t *testing.T) {
	dir := t.TempDir()
	stats, said, err := deliver(t, Channel{Name: "c", Kind: "exec", Command: []string{"/bin/sh", "-c", "echo CANA''RY >&2; echo x >> " + dir + "/tries; test $(wc -l < " + dir + "/tries) = 3"}})
	if err != nil {
		t.Error(err)
	}
	expectDelivery(t, stats, "")
	if tries, err := os.ReadFile(filepath.Join(dir, "tries")); err != nil || string(tries) != "x\nx\nx\n" {
		t.Errorf("it was run %q, %v: want three times", tries, err)
	}
	if strings.Contains(said, "CANARY") {
		t.Error("what it prints is told")
	}
}

// TestAFullQueueKeepsWhatMatters fills a queue that nobody empties.
func TestAFullQueueKeepsWhatMatters(t *testing.T) {
	w := &worker{channel: Channel{Name: "c"}, engine: &Engine{}, wake: make(chan struct{}, 1)}
	put := func(n int, s event.Severity) {
		for i := range n {
			w.put(event.Alert{Severity: s, Episode: i})
		}
	}
	has := func(s event.Severity) (n int) {
		for _, a := range w.queue {
			if a.Severity == s {
				n++
			}
		}
		return n
	}
	put(10, event.Info)
	put(queueLength, event.Warning)
	if len(w.queue) != queueLength-queueReserve || has(event.Info) != 0 {
		t.Errorf("%d are queued, %d of them info: the reserve is for critical ones, and info gives way first", len(w.queue), has(event.Info))
	}
	if first := w.queue[0].Episode; first != queueReserve {
		t.Errorf("the oldest is number %d: the oldest give way", first)
	}
	put(queueReserve, event.Critical)
	if len(w.queue) != queueLength || has(event.Critical) != queueReserve {
		t.Errorf("%d are queued, %d of them critical", len(w.queue), has(event.Critical))
	}
	put(1, event.Critical)
	if len(w.queue) != queueLength || has(event.Critical) != queueReserve+1 {
		t.Error("a critical one takes the place of a warning")
	}
	if dropped := w.engine.Stats().Dropped[Drop{"c", "queue_full"}]; dropped != 10+queueReserve+1 {
		t.Errorf("%d drops were counted", dropped)
	}
}

func TestASinkNeverBlocks(t *testing.T) {
	block := make(chan struct{})
	e, err := New(Config{Rules: map[string]Rule{MigrationFailed: {For: -1}}}, Deps{Notify: func(*event.Alert) { <-block }})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * busLength {
		e.Migration(failure("1"))
	}
	if lost := e.Stats().Lost; lost < busLength {
		t.Errorf("%d were lost: want the rest of %d", lost, 3*busLength)
	}
	close(block)
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	e.Migration(failure("1")) // after Close is no panic
}

func TestASecretIsPrintedNowhere(t *testing.T) {
	s := NewSecret("CANARY")
	j, _ := json.Marshal(map[string]any{"s": s})
	y, err := yaml.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %q %x %d", s, s, s, s, s, s), fmt.Sprintf("%+v", Channel{URL: s}), string(j), string(y), s.LogValue().String()} {
		if strings.Contains(text, "CANARY") || strings.Contains(text, "43414e415259") || !strings.Contains(text, "redacted") {
			t.Error(text)
		}
	}
}

func TestWhereASecretComesFrom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string { return map[string]string{"KEY": "from a variable"}[name] }
	for text, want := range map[string]string{"as it is": "as it is", "env:KEY": "from a variable", "file:" + path: "from a file"} {
		if got, err := NewSecret(text).reveal(env); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"env:NONE", "file:/nowhere", "file:" + empty} {
		if _, err := NewSecret(text).reveal(env); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

// TestReplicasClaim lets three engines tell the same, and one be heard.
func TestReplicasClaim(t *testing.T) {
	in := newInbox(t)
	claims := NewLocalClaims()
	for range 3 {
		e, err := New(Config{Channels: []Channel{{Name: "c", Kind: "webhook", URL: NewSecret(in.URL)}}}, Deps{Claims: claims})
		if err != nil {
			t.Fatal(err)
		}
		e.Migration(failure("1"))
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(in.bodies) != 1 {
		t.Errorf("it was sent %d times", len(in.bodies))
	}
}

// TestAlertmanagerForgetsTheOldSeverity: a severity is a label, so that the more
// severe alert is another one for Alertmanager.
func TestAlertmanagerForgetsTheOldSeverity(t *testing.T) {
	in := newInbox(t)
	e, err := New(Config{Channels: []Channel{{Name: "am", Kind: "alertmanager", URL: NewSecret(in.URL)}}, Rules: map[string]Rule{MigrationFailed: {For: -1}},
		Routes: []Route{{Channels: []string{"am"}}}}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	cancelled, failed, applied := failure("1"), failure("1"), failure("1")
	cancelled.ErrorClass, applied.Outcome = event.ClassCancelled, event.Applied
	for _, m := range []*event.Migration{cancelled, failed, applied} {
		e.Migration(m)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range in.bodies {
		var list []postableAlert
		if err := json.Unmarshal([]byte(b), &list); err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			got = append(got, a.Labels["severity"]+fmt.Sprint(" open ", a.EndsAt.Sub(a.StartsAt) > time.Hour))
		}
	}
	if want := "info open true, critical open true, info open false, critical open false, info open false"; strings.Join(got, ", ") != want {
		t.Errorf("%v: want %s", got, want)
	}
}

// A flush says at once what would have waited for a retry, and waits for a channel
// no longer than it may; the channel has the message in the end all the same.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, status := time.Now(), 200
		p := &posts{begin: began, show: showAlertmanager, answer: func() int { return status }}
		e, err := New(Config{Channels: []Channel{{Name: "am", Kind: "alertmanager", URL: NewSecret("http://am.test/")}}},
			Deps{HTTP: &http.Client{Transport: p}, Rand: func() float64 { return 1 }})
		if err != nil {
			t.Fatal(err)
		}
		e.Migration(failure("1"))
		e.Flush(t.Context())
		if p.String() != "0s 1 for 24h0m0s" {
			t.Errorf("sent are %s, want 1 at once", p)
		}
		status = 503
		e.Migration(failure("2"))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		e.Flush(ctx)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("a channel that is down is waited for %v, want 2s", took)
		}
		p.mu.Lock()
		status, p.list = 200, nil
		p.mu.Unlock()
		if err := e.Close(t.Context()); err != nil || !strings.Contains(p.String(), "2 for 24h0m0s") {
			t.Errorf("sent are %s, error %v", p, err)
		}
		e.Flush(t.Context()) // an engine that has ended has nothing to do
	})
}

// TestRetryAfterIsNoReasonToHurry: a service that says "at once", or a time so long
// that it overflows, is not sent the same alert as fast as the network allows.
func TestRetryAfterIsNoReasonToHurry(t *testing.T) {
	for after, most := range map[string]int{
		"0":                             60,
		"Sat, 01 Jan 2000 00:00:00 GMT": 60,
		"10000000000":                   1, // seconds, more than a time.Duration has
		"1764028800000":                 1, // a time in milliseconds
	} {
		t.Run(after, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				say := roundTripper(func(r *http.Request) (*http.Response, error) {
					if tries++; tries > 1000 {
						t.Error("it is tried again and again")
						return nil, errors.New("enough")
					}
					return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {after}}, Body: http.NoBody, Request: r}, nil
				})
				e, err := New(Config{Channels: []Channel{{Name: "c", Kind: "webhook", URL: NewSecret("http://c.test/")}}, Rules: map[string]Rule{MigrationFailed: {For: -1}}},
					Deps{HTTP: &http.Client{Transport: say}, Rand: func() float64 { return 1 }})
				if err != nil {
					t.Fatal(err)
				}
				e.Migration(failure("1"))
				time.Sleep(time.Hour)
				if err := e.Close(t.Context()); err == nil || tries > most {
					t.Errorf("%v after %d tries, want at most %d", err, tries, most)
				}
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAlertmanagersAddressIsKept: a prefix is passed on as it was written.
func TestAlertmanagersAddressIsKept(t *testing.T) {
	for address, want := range map[string]string{
		"http://am.test":             "http://am.test/api/v2/alerts",
		"http://am.test/":            "http://am.test/api/v2/alerts",
		"http://am.test/am/":         "http://am.test/am/api/v2/alerts",
		"http://am.test/team%2Fa":    "http://am.test/team%2Fa/api/v2/alerts",
		"http://am.test/am?tenant=a": "http://am.test/am/api/v2/alerts?tenant=a",
	} {
		to, err := newPoster(nil, address)
		if err != nil {
			t.Fatal(err)
		}
		if got := newAlertmanager(to).to.url.String(); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

// brittleOutbox panics when it is asked for what is open, after the first time.
type brittleOutbox struct {
	Outbox
	asked int
}

func (o *brittleOutbox) Open(context.Context) ([]Entry, error) {
	if o.asked++; o.asked > 1 {
		panic("out of order")
	}
	return nil, nil
}
func (o *brittleOutbox) Put(context.Context, Entry) error          { return nil }
func (o *brittleOutbox) Remove(context.Context, string, int) error { return nil }

// TestAnOutboxThatPanicsIsAskedOnceAMinute and not without a pause.
func TestAnOutboxThatPanicsIsAskedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &posts{show: func([]byte) string { return "" }}
		troubles := 0
		e, err := New(Config{Channels: []Channel{{Name: "am", Kind: "alertmanager", URL: NewSecret("http://am.test/")}}, Rules: map[string]Rule{MigrationFailed: {For: -1}}},
			Deps{HTTP: &http.Client{Transport: p}, Outbox: &brittleOutbox{}, Trouble: func(*event.Trouble) {
				if troubles++; troubles > 100 {
					time.Sleep(time.Hour) // ends the test, where the clock stands still
				}
			}})
		if err != nil {
			t.Fatal(err)
		}
		e.Migration(failure("1"))
		time.Sleep(10*time.Minute + time.Second)
		if err := e.Close(t.Context()); err != nil || e.Stats().Panics != 10 {
			t.Errorf("%v, it panicked %d times", err, e.Stats().Panics)
		}
	})
}

// TestReason: why a channel was not reached is said without its address.
func TestReason(t *testing.T) {
	const host = "hooks.secret.example"
	dial := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://" + host + "/T0/B0", Err: &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 443}, Err: err}}
	}
	for want, err := range map[string]error{
		"it cannot be reached: connection refused": dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)),
		"it cannot be reached: no such host":       dial(&net.DNSError{Err: "no such host", Name: host, Server: "10.0.0.53:53", IsNotFound: true}),
		"it cannot be reached: *net.DNSError":      dial(&net.DNSError{Err: "read udp 10.0.0.53:53", Name: host}),
		"it has not answered by the end":           dial(context.Canceled),
		"it does not answer in time":               dial(context.DeadlineExceeded),
		"it cannot be reached":                     errors.New(host),
	} {
		if got := withoutURL(err).Error(); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
