package browsertest

import (
	"testing"

	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/event"
)

// TestBlockedOnce: a session behind two of ours, of which the one waits for the
// other, is one.
func TestBlockedOnce(t *testing.T) {
	s := newScene(t, dashboard.Config{})
	look := func(conn uint64, pid int64, queue int, blockers ...event.Session) {
		s.Look(&event.Look{Trace: event.Trace{RunID: "r"}, Database: shop, ConnID: conn, Start: s.now(), Summary: "ALTER TABLE orders",
			Picture: &event.Picture{Session: event.Session{PID: pid}, Queue: queue, Blockers: blockers}})
	}
	look(1, 11, 6)
	look(2, 12, 5, event.Session{PID: 11})
	tab := openTab(t, s.server)
	tab.open(s.server, 1280, 900, "light")
	tab.until("six in all", `document.querySelector("#tiles").innerText.replace(/\s+/g, " ").toLowerCase().includes("blocked 6 sessions") && document.title.startsWith("6 blocked")`)
}

// TestLastVersionUnknown: goose tells a migration's version with the mark that
// follows it, and of one that fails never.
func TestLastVersionUnknown(t *testing.T) {
	s := newScene(t, dashboard.Config{})
	trace := event.Trace{RunID: "r"}
	r := &event.Run{Trace: trace, Database: shop, Tool: "goose", Start: s.now()}
	s.Run(r)
	for n, version := range []*string{ref("7"), nil} {
		m := &event.Migration{Trace: event.Trace{RunID: "r", MigrationID: id(n)}, Database: shop, Tool: "goose", Start: s.now()}
		s.Migration(m)
		m.Version, m.Outcome = version, event.Applied
		if version == nil {
			m.Outcome = event.Failed
		}
		s.Migration(m)
	}
	r.Finished, r.Outcome = true, "failed"
	s.Run(r)
	tab := openTab(t, s.server)
	tab.open(s.server, 1280, 900, "light")
	tab.until("the versions", `document.querySelector("#runs-body").innerText.includes("7 … unknown version")`)
}
