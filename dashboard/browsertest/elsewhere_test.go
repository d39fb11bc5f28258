package browsertest

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/event"
)

// TestElsewhere: a migration of another process is at the top of the
// application's page while it goes on, and among the runs when it is over.
func TestElsewhere(t *testing.T) {
	s := newScene(t, dashboard.Config{})
	start := s.now().Add(-20 * time.Second)
	i := event.Impact{Database: shop, Tool: "goose", Evidence: event.ByLock, Start: start, Duration: 20 * time.Second,
		Before:  event.Latency{Count: 90_000, P50: time.Millisecond, P99: 20 * time.Millisecond, Rate: 1000},
		During:  event.Latency{Count: 6_800, Failed: 3, P50: time.Millisecond, P99: 60 * time.Millisecond, Rate: 340},
		Queue:   12,
		Worst:   &event.BodyStatement{Text: "ALTER TABLE orders ADD paid boolean"},
		Blocker: &event.Session{PID: 815, App: "nightly report", State: "idle in transaction", StateAge: time.Minute}, Unanswered: 11}
	tab := openTab(t, s.server)
	has := func(selector string, wants ...string) {
		t.Helper()
		tab.until(wants[0], `document.querySelector("`+selector+`").innerText.includes("`+wants[0]+`")`)
		text := shortly(tab.text(selector))
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in %q", want, text)
			}
		}
	}
	s.mu.Lock()
	s.foreign = []dashboard.Impact{{Impact: i, Running: true}}
	s.mu.Unlock()
	tab.open(s.server, 1280, 1000, "light")
	has("#cause", "A migration of another process waits for session 815, and 12 sessions wait for it", "goose on shop", "known by its lock", "ALTER TABLE orders ADD paid boolean",
		"nightly report", "idle in transaction", "×3.0", "340 calls per second −66 %", "up to 11 calls unanswered for a second", "before, 20 ms and 1,000")
	has("#now-body", "A migration of another process runs", "goose", "known by its lock", "12 sessions blocked", "6,800")
	has("#tiles", "migrating")
	tab.shot("full-elsewhere.png", 1280, 0)

	s.mu.Lock()
	s.foreign = nil
	s.mu.Unlock()
	i.After = event.Latency{Count: 30_000, P50: time.Millisecond, P99: 20 * time.Millisecond, Rate: 990}
	s.Impact(&i)
	has("#runs-body", "elsewhere", "goose", "20")
	has("#timeline-body", "Another process ran it", "−66 %", "990", "session 815")
	tab.until("the top of the page is quiet", `document.querySelector("#cause").hidden`)
}
