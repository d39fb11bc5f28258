package alert

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestWhoWasToldIsToldTheEnd: routes that lead elsewhere when an alert has grown
// severe, or when its error is another one, leave nobody with an alert that is
// over.
func TestWhoWasToldIsToldTheEnd(t *testing.T) {
	begin := func(class string) *event.Trouble {
		return &event.Trouble{Part: "audit", Kind: "unreachable", ErrorClass: class}
	}
	for name, test := range map[string]struct {
		routes        []Route
		first, second string // class of the error
		want          []string
	}{
		"more severe": {[]Route{{Match: "severity=warning", Channels: []string{"low"}}, {Match: "severity=critical", Channels: []string{"high"}}},
			"other", "tampered", []string{"low warning", "high critical", "high warning resolved", "low warning resolved", "low critical resolved", "high critical resolved"}},
		"another error": {[]Route{{Match: "class=other", Channels: []string{"low"}}, {Channels: []string{"high"}}},
			"other", "bad_conn", []string{"low warning", "low warning resolved"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				said := map[string]bool{}
				listen := roundTripper(func(r *http.Request) (*http.Response, error) {
					body, _ := io.ReadAll(r.Body)
					var list []postableAlert
					if err := json.Unmarshal(body, &list); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					for _, a := range list {
						text := strings.TrimSuffix(r.URL.Host, ".test") + " " + a.Labels["severity"]
						if !a.EndsAt.After(time.Now()) {
							text += " resolved"
						}
						said[text] = true
					}
					return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
				})
				c := Config{Routes: test.routes, Rules: map[string]Rule{AuditFailure: {For: -1, KeepFiring: -1}}}
				for _, n := range []string{"low", "high"} {
					c.Channels = append(c.Channels, Channel{Name: n, Kind: "alertmanager", URL: NewSecret("http://" + n + ".test/")})
				}
				e, err := New(c, Deps{HTTP: &http.Client{Transport: listen}})
				if err != nil {
					t.Fatal(err)
				}
				over := begin(test.second)
				over.Over = true
				for _, tr := range []*event.Trouble{begin(test.first), begin(test.second), over} {
					e.Trouble(tr)
					time.Sleep(10 * time.Second)
				}
				if err := e.Close(t.Context()); err != nil {
					t.Error(err)
				}
				for _, w := range test.want {
					if !said[w] {
						t.Errorf("%q is missing", w)
					}
				}
				for s := range said {
					if !slices.Contains(test.want, s) {
						t.Errorf("%q was told", s)
					}
				}
			})
		})
	}
}

// TestAStalledStatementNamesItsTables, so that routes and known issues can tell it
// from another.
func TestAStalledStatementNamesItsTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var object string
		e, err := New(Config{Rules: map[string]Rule{Stalled: {After: time.Second, For: -1}}}, Deps{Notify: func(a *event.Alert) { object = a.Object }})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		tables := []string{"orders", "items"}
		for n := range 3 {
			time.Sleep(2 * time.Second)
			e.Look(&event.Look{Phase: "migration", Class: "write", Operation: "UPDATE", Tables: tables, Start: start, Age: time.Since(start), Number: n + 1})
		}
		tables[0] = "another's by now"
		if err := e.Close(t.Context()); err != nil || object != "orders, items" {
			t.Errorf("%v, it is about %q", err, object)
		}
	})
}

// TestASeverityThatIsStillToBeToldStaysInTheOutbox: that a channel has taken the
// lesser one is not that it has taken this one.
func TestASeverityThatIsStillToBeToldStaysInTheOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "outbox")
		tries := 0
		answer := roundTripper(func(r *http.Request) (*http.Response, error) {
			status := 200
			if tries++; tries > 1 {
				status = 503
			}
			time.Sleep(time.Second)
			return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
		})
		e, err := New(Config{Outbox: path, Channels: []Channel{{Name: "c", Kind: "webhook", URL: NewSecret("http://c.test/")}}, Rules: map[string]Rule{AuditFailure: {For: -1}}},
			Deps{HTTP: &http.Client{Transport: answer}})
		if err != nil {
			t.Fatal(err)
		}
		for _, class := range []string{"other", "tampered"} {
			e.Trouble(&event.Trouble{Part: "audit", Kind: "unreachable", ErrorClass: class})
		}
		time.Sleep(5 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.Close(ctx); err == nil {
			t.Error("Close does not say that one could not be sent")
		}
		left, err := NewFileOutbox(path).Open(t.Context())
		if err != nil || len(left) != 1 || left[0].Alert.Severity != event.Critical || !slices.Equal(left[0].Waiting, []string{"c"}) {
			t.Errorf("%+v, %v", left, err)
		}
	})
}
