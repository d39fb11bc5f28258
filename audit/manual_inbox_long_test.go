package audit

import (
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
)

// An inbox that is longer than what is read at a time is told of whole, each
// note once, and what migrations did keeps nobody from seeing what follows it.
func TestLongInbox(t *testing.T) {
	each(t, []kit{kitPQ, kitPGX}, func(t *testing.T, b *bench) {
		_, err := b.store.SetUp(t.Context(), Roles{EventTrigger: true})
		b.must(err)
		b.run("1", "CREATE TABLE users (a int)")
		next := newBenchAt(t, b.kit, b.dsn, Config{})
		look := func() {
			t.Helper()
			b.inboxSettled()
			next.store.RunStarted(t.Context(), &event.Run{}, nil)
			next.expectTroubles()
		}
		told := func() (counts []any) {
			for _, r := range next.rows() {
				if r.kind == KindForeign {
					counts = append(counts, r.leaf["facts"].(map[string]any)["count"])
				}
			}
			return counts
		}
		expect := func(want ...float64) {
			t.Helper()
			got := told()
			if len(got) != len(want) {
				t.Fatalf("told of %v notes, want %v", got, want)
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("told of %v notes, want %v", got, want)
				}
			}
		}
		note := func(who, n string) { // a transaction with n notes
			exec1(t, b.db, "INSERT INTO sqlwitness.inbox (pid, who, role, app, tag, object) SELECT 0, "+who+", 'none', '', 'CREATE TABLE', 't' || i FROM generate_series(1, "+n+") i")
		}
		note("session_user", "1500") // the migration's account
		note("session_user", "900")
		note("'hand'", "7")
		look()
		expect(7)
		note("'hand'", "900")
		note("'hand'", "1300")
		note("'hand'", "1")
		look()
		expect(7, 2200)
		look()
		expect(7, 2200, 1)
		look()
		expect(7, 2200, 1)
	})
}
