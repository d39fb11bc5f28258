package audit

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// DDL of any client is told and recorded; that of migrations, that was rolled
// back, and that of objects for the moment is not.
func TestEventTrigger(t *testing.T) {
	each(t, []kit{kitPQ, kitPGX}, func(t *testing.T, b *bench) {
		for range 2 { // it may be repeated
			if _, err := b.store.SetUp(t.Context(), Roles{EventTrigger: true}); err != nil {
				t.Fatal(err)
			}
		}
		if off := b.triggersOff(); len(off) > 0 {
			t.Fatalf("off at once: %q", off)
		}
		b.run("1", "CREATE TABLE users (a int)")
		by := newBenchAt(t, b.kit, testdb.PostgreSQLRole(t, b.dsn, "CREATE, USAGE ON SCHEMA public"), Config{Mode: Off})
		exec1(t, by.conn, "SET application_name = 'psql'", "CREATE TEMP TABLE passing (a int)", "BEGIN", "CREATE TABLE undone (a int)", "ROLLBACK",
			"BEGIN", "CREATE TABLE by_hand (a int)") // stays open

		var told []event.Finding
		next := newBenchAt(t, b.kit, b.dsn, Config{})
		next.store.deps.Finding = func(f event.Finding) { told = append(told, f) }
		look := func() {
			t.Helper()
			told = nil
			next.store.RunStarted(t.Context(), &event.Run{}, nil)
			next.expectTroubles()
		}
		look()
		if len(told) > 0 {
			t.Errorf("told too early: %+v", told)
		}
		exec1(t, by.conn, "COMMIT", "DROP TABLE by_hand")
		b.inboxSettled()
		look()
		if len(told) != 1 || told[0].Kind != "ddl_out_of_band" || told[0].Object != "public.by_hand" || !strings.Contains(told[0].Message, "CREATE TABLE public.by_hand, DROP TABLE public.by_hand") {
			t.Errorf("told %+v", told)
		}
		for _, r := range next.rows() {
			if r.kind != KindForeign {
				continue
			}
			if did := r.leaf["facts"].(map[string]any)["did"]; !reflect.DeepEqual(did, []any{"CREATE TABLE public.by_hand", "DROP TABLE public.by_hand"}) {
				t.Errorf("the entry says %v", did)
			}
			leaf, _ := json.Marshal(r.leaf)
			who := r.sections[sectionInbox]["seen"].([]any)[0].(map[string]any)
			if who["app"] != "psql" || !strings.HasPrefix(who["who"].(string), "test_") || strings.Contains(string(leaf), who["who"].(string)) {
				t.Errorf("who: %v; the leaf: %s", who, leaf)
			}
			done, err := next.store.Erase(context.Background(), EraseOptions{Person: who["who"].(string), Reason: "asked for"})
			next.must(err)
			if !reflect.DeepEqual(done.Sections, map[string]int{sectionInbox: 1}) {
				t.Errorf("erased %+v", done)
			}
		}
		look()
		if len(told) > 0 {
			t.Errorf("told again: %+v", told)
		}
		exec1(t, b.db, "ALTER EVENT TRIGGER sqlwitness_ddl DISABLE")
		if off := b.triggersOff(); len(off) != 1 || off[0] != "event trigger sqlwitness_ddl off" {
			t.Errorf("off: %q", off)
		}
	})
}

// inboxSettled waits until every transaction is over that was open when the last
// note was written: notes are not read before. The server has those of other tests,
// too.
func (b *bench) inboxSettled() {
	b.t.Helper()
	for end, settled := time.Now().Add(time.Minute), false; !settled && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		b.must(b.db.QueryRow("SELECT max(xid::text::bigint) < pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM sqlwitness.inbox").Scan(&settled))
	}
}

// A trigger whose table is broken keeps nobody's DDL from running.
func TestEventTriggerFails(t *testing.T) {
	b := newBench(t, kitPQ, Config{})
	_, err := b.store.SetUp(t.Context(), Roles{EventTrigger: true})
	b.must(err)
	exec1(t, b.db, "ALTER TABLE sqlwitness.inbox DROP COLUMN app", "CREATE TABLE all_the_same (a int)", "DROP TABLE all_the_same")
}

// The configuration is recorded when it changes, without its secrets.
func TestConfigured(t *testing.T) {
	each(t, []kit{kitPQ, kitMySQL, kitSQLite}, func(t *testing.T, b *bench) {
		settings := map[string]string{"audit.mode": "strict", "alert.slack_url": "https://hooks/canary-7f3a", "slow.read": "50ms"}
		var told [][]SettingChange
		set := func() {
			next := newBenchWith(t, b.kit, b.dsn, Config{}, Deps{Configured: func(r Reconfiguration) { told = append(told, r.Changed) }})
			next.store.Configured(t.Context(), settings)
			next.expectTroubles()
		}
		set()
		set()
		settings["audit.mode"] = "off"
		delete(settings, "slow.read")
		set()
		var changes []any
		for _, r := range b.rows() {
			if leaf, _ := json.Marshal(r.leaf); strings.Contains(string(leaf), "canary") {
				t.Errorf("a secret is in %s", leaf)
			}
			if r.kind == KindConfig {
				changes = append(changes, r.leaf["facts"].(map[string]any)["changed"])
			}
		}
		want := []any{nil, map[string]any{"audit.mode": map[string]any{"from": "strict", "to": "off"}, "slow.read": map[string]any{"from": "50ms", "to": ""}}}
		if !reflect.DeepEqual(changes, want) {
			t.Errorf("recorded %v, want %v", changes, want)
		}
		if want := [][]SettingChange{{{"audit.mode", "strict", "off"}, {"slow.read", "50ms", ""}}}; !reflect.DeepEqual(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}
