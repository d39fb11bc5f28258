package audit

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/sqlwitness/sqlwitness/audit/anchor"
	"github.com/sqlwitness/sqlwitness/event"
)

// history makes a log of n entries in memory, with checkpoints at some sizes.
func history(t *rapid.T, s *scribe, key Key) (*contents, []byte) {
	c := &contents{nodes: map[int64][]byte{}}
	put := func(e *entry, err error) {
		if err != nil {
			t.Fatal(err)
		}
		c.put(entryRow{id: e.id, attempt: e.attempt, kind: e.kind, stage: e.stage, leaf: e.leaf, dbTime: fmt.Sprintf("2026-11-24T17:%02d:%02d.000Z", len(c.seals)/60, len(c.seals)%60)})
		for _, sec := range e.sections {
			c.sections = append(c.sections, sectionRow{e.id, sec.name, sec.salt, sec.body})
		}
	}
	open, err := s.opening(nil, &head{})
	put(open, err)
	log := open.id.String()
	s.log.Store(&log)
	for range rapid.IntRange(1, 12).Draw(t, "migrations") {
		m := migration(rapid.StringN(0, 8, -1).Draw(t, "version"))
		attempt := uuid.MustParse(m.MigrationID)
		put(s.entry(m, draft{attempt: attempt, kind: kindIntent, stage: stageStart}))
		if rapid.Bool().Draw(t, "ends") {
			ended(m, rapid.SampledFrom([]event.Outcome{event.Applied, event.Failed}).Draw(t, "outcome"))
			put(s.entry(m, draft{attempt: attempt, kind: kindOutcome, stage: stageAfter, outcome: m.Outcome}))
		}
	}
	c.reseal()
	signer, err := key.signer()
	if err != nil {
		t.Fatal(err)
	}
	var tr tree
	var notes []byte
	for i, seal := range c.seals {
		tr.add([32]byte(seal.hash))
		if i != len(c.seals)-1 && !rapid.Bool().Draw(t, "signed") {
			continue
		}
		cp := Checkpoint{Origin: originOf(signer.Name(), log), Size: tr.size, Root: tr.root()}
		note, err := cp.sign(signer)
		if err != nil {
			t.Fatal(err)
		}
		c.checkpoints = append(c.checkpoints, checkpointRow{cp.Size, cp.Origin, note})
		notes = append(notes, anchor.Line(note)...)
	}
	return c, notes
}

// mutate changes one thing, wherever it is, and says what.
func mutate(t *rapid.T, c *contents) string {
	flip := func(b []byte) {
		b[rapid.IntRange(0, len(b)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	}
	text := func(s *string) {
		b := []byte(*s)
		b[rapid.IntRange(0, len(b)-1).Draw(t, "char")] ^= 1 // stays a character
		*s = string(b)
	}
	e := &c.entries[rapid.IntRange(0, len(c.entries)-1).Draw(t, "entry")]
	p := &c.sections[rapid.IntRange(0, len(c.sections)-1).Draw(t, "section")]
	i := rapid.IntRange(0, len(c.seals)-1).Draw(t, "seal")
	s := &c.seals[i]
	k := rapid.IntRange(0, len(c.checkpoints)-1).Draw(t, "checkpoint")
	q := &c.checkpoints[k]
	ixs := slices.Sorted(maps.Keys(c.nodes))
	ix := ixs[rapid.IntRange(0, len(ixs)-1).Draw(t, "node")]
	moves := map[string]func(){
		"entry.id":          func() { flip(e.id[:]) },
		"entry.attempt":     func() { flip(e.attempt[:]) },
		"entry.kind":        func() { text(&e.kind) },
		"entry.stage":       func() { text(&e.stage) },
		"entry.leaf":        func() { flip(e.leaf) },
		"entry.db_time":     func() { text(&e.dbTime) },
		"payload.entry":     func() { flip(p.entry[:]) },
		"payload.section":   func() { text(&p.name) },
		"payload.salt":      func() { flip(p.salt) },
		"payload.body":      func() { flip(p.body) },
		"seal.entry":        func() { flip(s.entry[:]) },
		"seal.leaf":         func() { flip(s.leaf) },
		"seal.leaf_hash":    func() { flip(s.hash) },
		"node.h":            func() { flip(c.nodes[ix]) },
		"checkpoint.size":   func() { q.size += 1 << 20 },
		"checkpoint.origin": func() { text(&q.origin) },
		"checkpoint.note":   func() { flip(q.note) },
		"entry deleted": func() {
			id := e.id
			c.entries = slices.DeleteFunc(c.entries, func(x entryRow) bool { return x.id == id })
		},
		"seal deleted":       func() { c.seals = slices.Delete(c.seals, i, i+1) },
		"place deleted":      func() { c.drop(i); c.reseal() },
		"node deleted":       func() { delete(c.nodes, ix) },
		"checkpoint deleted": func() { c.checkpoints = slices.Delete(c.checkpoints, k, k+1) },
		"section deleted": func() {
			n, e := p.name, p.entry
			c.sections = slices.DeleteFunc(c.sections, func(x sectionRow) bool { return x.name == n && x.entry == e })
		},
		"end cut": func() {
			c.cut(i)
			c.checkpoints = slices.DeleteFunc(c.checkpoints, func(x checkpointRow) bool { return x.size > int64(i) })
		},
		"swapped": func() {
			j := (i + 1) % len(c.seals)
			c.seals[i], c.seals[j] = c.seals[j], c.seals[i]
			c.reseal()
		},
	}
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(moves))).Draw(t, "mutation")
	moves[name]()
	return name
}

// Whatever the history and whatever is changed in it: verification with the
// anchors finds it, and finds nothing where nothing was changed.
func TestAnyMutationIsFound(t *testing.T) {
	key, public := testKey(t, "shop")
	b := newBench(t, kitSQLite, Config{})
	b.must(b.store.ready(t.Context()))
	b.unguard()
	found := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		s := &scribe{cfg: b.store.cfg, deps: b.store.deps, db: b.store.db, actor: actor{"host": "h"}, toolVersion: func(string) string { return "" }}
		c, notes := history(rt, s, key)
		verdict := func() string {
			r := b.verify(VerifyConfig{Keys: []string{public}, Anchors: []io.Reader{bytes.NewReader(notes)}})
			var list []string
			for _, f := range r.Findings {
				if f.Code != GuardOff && f.Code != IntentOpen {
					list = append(list, string(f.Code))
				}
			}
			return strings.Join(append(list, r.Unchecked...), " ")
		}
		b.replace(c)
		if v := verdict(); v != "" {
			rt.Fatalf("nothing was changed: %s", v)
		}
		name := mutate(rt, c)
		b.replace(c)
		if verdict() == "" {
			rt.Fatalf("%s was not found", name)
		}
		found[name]++
	})
	t.Logf("found: %v", found)
}
