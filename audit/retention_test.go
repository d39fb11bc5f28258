package audit

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

func TestParsePolicy(t *testing.T) {
	for text, want := range map[string]Policy{
		"sql=90d,actor=400d":    {"sql": 90 * day, "actor": 400 * day},
		" error=36h":            {"error": 36 * time.Hour},
		"why=forever,sql=1d":    {"sql": day},
		Presets["pci"].String(): Presets["pci"],
	} {
		got, err := ParsePolicy(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
			continue
		}
		if again, err := ParsePolicy(got.String()); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s does not read as itself: %v, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "sql", "sql=", "sql=d", "sql=90", "sql=-1d", "sql=0d", "leaf=90d", "sql=90dh", "sql=1d;actor=1d", "sql=9999999999d"} {
		if p, err := ParsePolicy(text); err == nil {
			t.Errorf("%q is taken for %v", text, p)
		}
	}
}

// Lengthening counts for what is there, shortening for what is yet to come.
func TestKeep(t *testing.T) {
	at := func(d int) time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(d) * day) }
	set := func(d int, sql time.Duration) inForce {
		p := Policy{}
		if sql > 0 {
			p["sql"] = sql
		}
		return inForce{p, at(d)}
	}
	for _, c := range []struct {
		name     string
		policies []inForce
		made     int
		want     time.Duration // 0 for ever
	}{
		{"no policy", nil, 0, 0},
		{"made before the first", []inForce{set(10, 5*day)}, 0, 5 * day},
		{"lengthened since", []inForce{set(0, 5*day), set(10, 9*day)}, 1, 9 * day},
		{"shortened since", []inForce{set(0, 9*day), set(10, 5*day)}, 1, 9 * day},
		{"shortened before", []inForce{set(0, 9*day), set(10, 5*day)}, 11, 5 * day},
		{"for ever since", []inForce{set(0, 9*day), set(10, 0)}, 1, 0},
		{"for ever when made", []inForce{set(0, 0), set(10, 5*day)}, 1, 0},
		{"shortened and lengthened", []inForce{set(0, 9*day), set(10, 5*day), set(20, 7*day)}, 11, 7 * day},
	} {
		got, ok := keep(c.policies, "sql", at(c.made))
		if got != c.want || ok != (c.want > 0) {
			t.Errorf("%s: kept for %v (%v), want %v", c.name, got, ok, c.want)
		}
	}
}

// there are the sections in the database, by the attempt's version.
func (b *bench) there() map[string][]string {
	b.t.Helper()
	var list []kept
	c, err := b.db.Conn(context.Background())
	b.must(err)
	defer c.Close()
	list, err = b.store.sections(context.Background(), c, false, " AND e.kind = 'intent'")
	b.must(err)
	attempts := map[string]string{}
	for _, r := range b.leaves() {
		if r["kind"] == kindIntent {
			attempts[r["attempt"].(string)] = r["version"].(string)
		}
	}
	found := map[string][]string{}
	for _, k := range list {
		found[attempts[k.attempt]] = append(found[attempts[k.attempt]], k.section)
	}
	return found
}

// leaves are the leaves, whatever sections are left.
func (b *bench) leaves() (list []map[string]any) {
	b.t.Helper()
	rs, err := b.db.Query("SELECT leaf FROM " + b.kit.table + "entry ORDER BY id")
	b.must(err)
	defer rs.Close()
	for rs.Next() {
		var text []byte
		b.must(rs.Scan(&text))
		list = append(list, canonicalObject(b.t, text))
	}
	b.must(rs.Err())
	return list
}

// attemptOf is the attempt at a version.
func (b *bench) attemptOf(version string) string {
	b.t.Helper()
	for _, l := range b.leaves() {
		if l["version"] == version {
			return l["attempt"].(string)
		}
	}
	b.t.Fatalf("no entry of version %s", version)
	return ""
}

// covered compares what entries of a kind say with what is missing.
func (b *bench) covered(kind string) {
	b.t.Helper()
	said := map[string]bool{}
	for _, l := range b.leaves() {
		if l["kind"] != kind {
			continue
		}
		for section, ids := range Covered(l["facts"].(map[string]any)) {
			for _, id := range ids {
				said[section+" "+id] = true
			}
		}
	}
	c, err := b.db.Conn(context.Background())
	b.must(err)
	defer c.Close()
	list, err := b.store.sections(context.Background(), c, false, "")
	b.must(err)
	have := map[string]bool{}
	for _, k := range list {
		have[k.section+" "+k.entry] = true
	}
	for _, l := range b.leaves() {
		for section := range l["c"].(map[string]any) {
			key := section + " " + strings.ReplaceAll(l["id"].(string), "-", "")
			if have[key] == said[key] {
				b.t.Errorf("%s of a %s: there %v, said to be deleted %v", section, l["kind"], have[key], said[key])
			}
		}
	}
}

func TestPrune(t *testing.T) {
	for _, k := range []kit{kitPGX, kitMySQL, kitSQLite} {
		t.Run(k.name, func(t *testing.T) {
			b := newBench(t, k, Config{Ticket: "OPS-1", Actor: "alice"})
			for _, v := range []string{"1", "2"} {
				m := migration(v)
				m.Body = ended(migration(v), event.Applied).Body
				b.must(b.store.Intent(t.Context(), m, false))
			}
			held := b.attemptOf("2")
			b.must(b.store.Hold(t.Context(), "case 7", held, "a lawyer asks"))
			all := []string{"actor", "sql", "why"}
			policy := Policy{"sql": 90 * day, "actor": 400 * day}

			// Nothing is due yet; the policy is set.
			done, err := b.store.Prune(t.Context(), PruneOptions{Policy: policy})
			b.must(err)
			if len(done.Sections) > 0 || done.Policy.String() != policy.String() {
				t.Errorf("deleted %+v", done)
			}
			later := func(d time.Duration) {
				b.store.sealer.pass.Lock() // what was sealed in the background reads the clock
				defer b.store.sealer.pass.Unlock()
				b.store.deps.Now = func() time.Time { return time.Now().Add(d) }
			}
			later(100 * day)
			dry, err := b.store.Prune(t.Context(), PruneOptions{DryRun: true})
			b.must(err)
			if got := b.there(); !reflect.DeepEqual(got, map[string][]string{"1": all, "2": all}) {
				t.Errorf("a dry run has left %v", got)
			}
			done, err = b.store.Prune(t.Context(), PruneOptions{Archive: "s3://bucket/2026"})
			b.must(err)
			if got := b.there(); !reflect.DeepEqual(got, map[string][]string{"1": {"actor", "why"}, "2": all}) {
				t.Errorf("left %v", got)
			}
			if !reflect.DeepEqual(done.Sections, map[string]int{"sql": 1}) || done.Held != 1 || len(done.Entries) != 1 || !reflect.DeepEqual(dry.Sections, done.Sections) {
				t.Errorf("it says %+v, the dry run %+v", done, dry)
			}

			// Shorter for what comes, not for what is there.
			_, err = b.store.Prune(t.Context(), PruneOptions{Policy: Policy{"sql": day, "actor": day, "why": day}})
			b.must(err)
			b.must(b.store.Release(t.Context(), "case 7", "settled"))
			_, err = b.store.Prune(t.Context(), PruneOptions{})
			b.must(err)
			if got := b.there(); !reflect.DeepEqual(got, map[string][]string{"1": {"actor", "why"}, "2": {"actor", "why"}}) {
				t.Errorf("after the hold's end left %v", got)
			}
			b.covered(KindPrune)

			var kinds []string
			var policies []any
			for _, l := range b.leaves() {
				if k := l["kind"].(string); strings.HasPrefix(k, "retention.") {
					kinds = append(kinds, k)
					if k == KindPolicy {
						policies = append(policies, l["facts"].(map[string]any)["shortened"])
					}
				}
			}
			slices.Sort(kinds)
			if want := []string{KindHold, KindPolicy, KindPolicy, KindPrune, KindPrune, KindRelease}; !slices.Equal(kinds, want) {
				t.Errorf("recorded %q, want %q", kinds, want)
			}
			if !reflect.DeepEqual(policies, []any{false, true}) {
				t.Errorf("shortened: %v", policies)
			}
			b.expectTroubles()
		})
	}
}

// One person's name goes, and is not in the record of its going.
func TestErase(t *testing.T) {
	for _, k := range []kit{kitPGX, kitMySQL, kitSQLite} {
		t.Run(k.name, func(t *testing.T) {
			const person = "alice-7f3a"
			b := newBench(t, k, Config{Actor: person})
			b.must(b.store.Intent(t.Context(), migration("1"), false))
			b.store.scribe.actor["actor"] = "bob"
			b.must(b.store.Intent(t.Context(), migration("2"), false))
			attempt := b.attemptOf("1")

			erase := EraseOptions{Person: person, Reason: "asked for"}
			b.must(b.store.Hold(t.Context(), "all", "", "a lawyer asks"))
			if _, err := b.store.Erase(t.Context(), erase); !errors.Is(err, errHold) {
				t.Errorf("error %v in spite of the hold", err)
			}
			b.must(b.store.Release(t.Context(), "all", "settled"))
			done, err := b.store.Erase(t.Context(), erase)
			b.must(err)
			if !reflect.DeepEqual(done.Sections, map[string]int{"actor": 1}) {
				t.Errorf("erased %+v", done)
			}
			if got := b.there(); !reflect.DeepEqual(got, map[string][]string{"2": {"actor"}}) {
				t.Errorf("left %v", got)
			}
			b.covered(KindErase)
			everything, err := json.Marshal(b.leaves())
			b.must(err)
			var bodies int
			b.must(b.db.QueryRow("SELECT count(*) FROM " + k.table + "payload WHERE " + b.store.dialect.recovery.containsIn("body", person)).Scan(&bodies))
			if strings.Contains(string(everything), person) || bodies > 0 {
				t.Errorf("the name is still there: in %d sections, or in %s", bodies, everything)
			}
			if done, err := b.store.Erase(t.Context(), EraseOptions{Attempt: attempt, Reason: "again"}); err != nil || len(done.Sections) > 0 {
				t.Errorf("what is gone goes again: %+v, %v", done, err)
			}
		})
	}
}

func TestEraseRefused(t *testing.T) {
	b := newBench(t, kitSQLite, Config{})
	for want, o := range map[string]EraseOptions{
		"name an entry":    {Reason: "x"},
		"takes a reason":   {Person: "alice"},
		"names the person": {Person: "alice", Reason: "alice asked"},
		"no section":       {Attempt: "x", Section: "leaf", Reason: "x"},
		"is no id":         {Attempt: "x", Reason: "x"},
	} {
		if _, err := b.store.Erase(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", o, err, want)
		}
	}
	if _, err := b.store.Prune(t.Context(), PruneOptions{Policy: Policy{"leaf": day}}); err == nil {
		t.Error("a policy for leaves is taken")
	}
	if _, err := b.store.Prune(t.Context(), PruneOptions{}); err == nil || !strings.Contains(err.Error(), "no policy") {
		t.Errorf("without a policy: %v", err)
	}
	if _, err := b.store.Prune(t.Context(), PruneOptions{Archive: "s3://key:secret@bucket/"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("an archive with a secret: %v", err)
	}
}

// Who may not delete sections deletes none, and records no deletion.
func TestPruneForbidden(t *testing.T) {
	b := newBench(t, kitPGX, Config{})
	m := migration("1")
	b.must(b.store.Intent(t.Context(), m, false))
	exec1(t, b.db, "CREATE TRIGGER no_delete BEFORE DELETE ON sqlwitness.payload FOR EACH ROW EXECUTE FUNCTION sqlwitness.refuse()")
	if _, err := b.store.Erase(t.Context(), EraseOptions{Attempt: m.MigrationID, Reason: "x"}); err == nil {
		t.Error("it was allowed")
	}
	b.expectKinds("intent/start")
}
