package alert

import (
	"encoding/json"
	"fmt"
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

// posts are the requests that channels have made, and when.
type posts struct {
	mu     sync.Mutex
	begin  time.Time
	list   []string // "2m0s …"
	show   func(body []byte) string
	answer func() int
}

func (p *posts) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, fmt.Sprint(time.Since(p.begin).Round(time.Second), " ", p.show(body)))
	status := 200
	if p.answer != nil {
		status = p.answer()
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func (p *posts) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.list, ", ")
}

func (p *posts) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.list)
}

// showAlertmanager tells which migrations are open, for how long, and which are
// resolved.
func showAlertmanager(body []byte) string {
	var list []postableAlert
	if err := json.Unmarshal(body, &list); err != nil {
		return err.Error()
	}
	var text []string
	for _, a := range list {
		if left := time.Until(a.EndsAt); left > 0 {
			text = append(text, fmt.Sprint(a.Labels["migration"], " for ", left.Round(time.Minute)))
		} else {
			text = append(text, a.Labels["migration"]+" resolved")
		}
	}
	return strings.Join(slices.Sorted(slices.Values(text)), " and ")
}

func repeating(t *testing.T, p *posts, outbox string) *Engine {
	t.Helper()
	e, err := New(Config{Channels: []Channel{{Name: "am", Kind: "alertmanager", URL: NewSecret("http://am.test/")}}, Outbox: outbox, Rules: map[string]Rule{MigrationFailed: {For: -1}}},
		Deps{HTTP: &http.Client{Transport: p}, Rand: func() float64 { return 1 }})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func applied(version string) *event.Migration {
	m := failure(version)
	m.Outcome = event.Applied
	return m
}

// TestWhatIsOpenIsSaidAgain follows what Alertmanager is told of two alerts of
// which one is resolved.
func TestWhatIsOpenIsSaidAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &posts{begin: time.Now(), show: showAlertmanager}
		e := repeating(t, p, filepath.Join(t.TempDir(), "outbox"))
		e.Migration(failure("1"))
		synctest.Wait()
		e.Migration(failure("2"))
		time.Sleep(90 * time.Second)
		e.Migration(applied("1"))
		time.Sleep(7 * time.Minute)
		e.Migration(applied("2"))
		time.Sleep(time.Hour)
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		want := "0s 1 for 24h0m0s, 0s 2 for 24h0m0s, 1m0s 1 for 24h0m0s and 2 for 24h0m0s, 1m30s 1 resolved, "
		for m := 2; m <= 8; m++ {
			said := "2 for 24h0m0s"
			if m <= 6 {
				said = "1 resolved and " + said
			}
			want += fmt.Sprintf("%dm0s %s, ", m, said)
		}
		want += "8m30s 2 resolved, 9m0s 2 resolved, 10m0s 2 resolved, 11m0s 2 resolved, 12m0s 2 resolved, 13m0s 2 resolved"
		if got := p.String(); got != want {
			t.Errorf("it was told\n%s\nand not\n%s", got, want)
		}
	})
}

// TestAnotherProcessResolvesIt: the one that has told it does not bring it back.
func TestAnotherProcessResolvesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &posts{begin: time.Now(), show: showAlertmanager}
		outbox := filepath.Join(t.TempDir(), "outbox")
		one := repeating(t, p, outbox)
		one.Migration(failure("1"))
		synctest.Wait()
		other := repeating(t, p, outbox)
		time.Sleep(90 * time.Second)
		other.Migration(applied("1"))
		synctest.Wait()
		if got, want := p.String(), "0s 1 for 24h0m0s, 1m0s 1 for 24h0m0s, 1m0s 1 for 24h0m0s, 1m30s 1 resolved"; got != want {
			t.Errorf("it was told %s: want %s", got, want)
		}
		time.Sleep(time.Hour)
		if got := p.String(); strings.Count(got, "for 24h") != 3 {
			t.Errorf("it was brought back: %s", got)
		}
		for _, e := range []*Engine{one, other} {
			if err := e.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestWithoutAnOutboxAnAlertEndsADayAfterItWasSeen: nobody would tell this
// process that another one has repaired it.
func TestWithoutAnOutboxAnAlertEndsADayAfterItWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &posts{begin: time.Now(), show: showAlertmanager}
		e := repeating(t, p, "")
		e.Migration(failure("1"))
		time.Sleep(12*time.Hour + time.Second)
		if got := p.String(); !strings.HasSuffix(got, "12h0m0s 1 for 12h0m0s") {
			t.Errorf("in the middle it says %s", got[len(got)-30:])
		}
		time.Sleep(24 * time.Hour)
		if n := p.count(); n != 1+24*60 {
			t.Errorf("it was told %d times: want each minute of a day", n)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestADeafChannelIsNotToldMoreAndMore: what is said again does not queue.
func TestADeafChannelIsNotToldMoreAndMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &posts{begin: time.Now(), show: showAlertmanager, answer: func() int { return 503 }}
		e := repeating(t, p, "")
		e.Migration(failure("1"))
		time.Sleep(9 * time.Minute)
		w := e.workers["am"]
		w.mu.Lock()
		if len(w.queue) != 0 {
			t.Errorf("%d wait behind the one that is tried again", len(w.queue))
		}
		w.mu.Unlock()
		p.mu.Lock()
		p.answer = nil
		p.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestManyAtOnceAreFewMessages lets forty migrations fail in one moment, while a
// message takes a tenth of a second.
func TestManyAtOnceAreFewMessages(t *testing.T) {
	for kind, test := range map[string]struct{ messages, seconds int }{
		"alertmanager": {3, 1}, // the first, what came until the second began, the rest
		"slack":        {6, 6},
		"webhook":      {40, 4},
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				alerts := 0
				p := &posts{begin: time.Now(), answer: func() int { time.Sleep(100 * time.Millisecond); return 200 }, show: func(b []byte) string {
					alerts += strings.Count(string(b), "/migration_failed.md")
					if len(b) > 14_000 && kind == "slack" {
						t.Errorf("a message has %d bytes", len(b))
					}
					return ""
				}}
				e, err := New(Config{Channels: []Channel{{Name: "c", Kind: kind, URL: NewSecret("http://c.test/")}}, Rules: map[string]Rule{MigrationFailed: {For: -1}}},
					Deps{HTTP: &http.Client{Transport: p}})
				if err != nil {
					t.Fatal(err)
				}
				for i := range 40 {
					m := failure(fmt.Sprint(i))
					m.Failing.Text = strings.Repeat("`<", 300)
					e.Migration(m)
				}
				time.Sleep(time.Duration(test.seconds) * time.Second)
				if n := p.count(); n > test.messages || alerts != 40 {
					t.Errorf("after %d s %d alerts were in %d messages: want 40 in %d or fewer", test.seconds, alerts, n, test.messages)
				}
				if seconds := slices.Compact(slices.Clone(p.list)); kind == "slack" && len(seconds) != len(p.list) {
					t.Errorf("two messages came within a second: %s", p)
				}
				if err := e.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if s := e.Stats(); s.Sent["c"] != 40 || len(s.Dropped) != 0 {
					t.Errorf("sent %v, dropped %v: want each of the 40 alerts counted", s.Sent, s.Dropped)
				}
			})
		})
	}
}

// TestOneBadAlertDoesNotTakeOthersAlong: a message that is refused is sent again
// alert by alert.
func TestOneBadAlertDoesNotTakeOthersAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var body string
		p := &posts{begin: time.Now(), show: func(b []byte) string { body = string(b); return fmt.Sprint(strings.Count(body, `"alertname"`)) }}
		p.answer = func() int {
			if strings.Contains(body, `"migration":"13"`) {
				return 400
			}
			return 200
		}
		e := repeating(t, p, "")
		for i := range 20 {
			e.bus <- *failure(fmt.Sprint(i))
		}
		synctest.Wait()
		if err := e.Close(t.Context()); err == nil {
			t.Error("one could not be sent, and Close does not say so")
		}
		if s := e.Stats(); s.Sent["am"] != 19 || s.Dropped[Drop{"am", "rejected"}] != 1 {
			t.Errorf("sent %v, dropped %v: want 19 and 1: %s", s.Sent, s.Dropped, p)
		}
	})
}
