package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// freshKey is another key of the same name each time.
func freshKey(t testing.TB) (Key, string) {
	t.Helper()
	key, public, err := NewKey(rand.Reader, "shop")
	if err != nil {
		t.Fatal(err)
	}
	return key, public
}

// rotate replaces the key of a bench's log.
func (b *bench) rotate(to Key, r Rotation) error {
	b.t.Helper()
	s := newBenchAt(b.t, b.kit, b.dsn, Config{Key: to}).store
	if err := s.Rotate(b.t.Context(), r); err != nil {
		return err
	}
	return s.Close(b.t.Context())
}

// over closes the tool's connection and the store of a bench.
func (b *bench) over() {
	b.t.Helper()
	b.must(b.conn.Close())
	b.must(b.store.Close(b.t.Context()))
}

// After a rotation either key's public half is enough to check all that both have
// signed, and the old key signs no more.
func TestRotate(t *testing.T) {
	for _, k := range allKits {
		t.Run(k.name, func(t *testing.T) {
			oldKey, oldPublic := freshKey(t)
			newKey, newPublic := freshKey(t)
			thirdKey, thirdPublic := freshKey(t)
			anchors := &memory{}
			b := newBench(t, k, Config{Key: oldKey, Anchors: anchors.list()})
			b.migrate(2)
			if k.system == "sqlite" {
				b.over()
			}
			b.must(b.rotate(newKey, Rotation{Old: oldKey, Reason: "a year is over"}))
			if k.system != "sqlite" { // a process that was not restarted
				_ = b.commit(b.begin(nil), ended(migration("9"), "applied"))
				b.over()
				b.mu.Lock()
				if len(b.troubles) != 1 || b.troubles[0].Class != "key_retired" {
					t.Errorf("the old process reports %+v", b.troubles)
				}
				b.mu.Unlock()
			}
			next := newBenchAt(t, k, b.dsn, Config{Key: newKey, Anchors: anchors.list()})
			next.migrate(2)
			next.over()
			b.must(b.rotate(thirdKey, Rotation{Old: newKey}))
			last := newBenchAt(t, k, b.dsn, Config{Key: thirdKey, Anchors: anchors.list()})
			last.migrate(1)
			last.over()
			last.expectTroubles()
			var export bytes.Buffer
			b.must(Export(t.Context(), b.db, k.system, JSONL, &export, nil))
			for name, public := range map[string]string{"old": oldPublic, "new": newPublic, "third": thirdPublic} {
				r := b.verify(VerifyConfig{Keys: []string{public, public}, Anchors: anchors.texts()})
				if codes(r) != "" || len(r.Unchecked) > 0 || r.Anchored != r.Size || r.Notes < 3 {
					t.Errorf("with the %s key: %s %v, %d of %d anchored, %d notes", name, codes(r), r.Unchecked, r.Anchored, r.Size, r.Notes)
				}
				if r, err := VerifyExport(bytes.NewReader(export.Bytes()), VerifyConfig{Keys: []string{public}}); err != nil || codes(r) != "" || len(r.Unchecked) > 0 {
					t.Errorf("the export with the %s key: %+v, error %v", name, r, err)
				}
				if got := inPython(t, public, export.Bytes()); !strings.HasPrefix(got, "ok ") {
					t.Errorf("the export with the %s key: Python says %q", name, got)
				}
			}
			_, stranger := freshKey(t)
			if r := b.verify(VerifyConfig{Keys: []string{stranger}}); !strings.Contains(codes(r), "checkpoint_forged") {
				t.Errorf("with a key of nobody's: %s", codes(r))
			}
			if got := inPython(t, stranger, export.Bytes()); strings.HasPrefix(got, "ok ") {
				t.Errorf("with a key of nobody's Python says %q", got)
			}
		})
	}
}

// What a stolen old key can do after the rotation is found.
func TestRotatedKeyIsStolen(t *testing.T) {
	oldKey, oldPublic := freshKey(t)
	newKey, newPublic := freshKey(t)
	b := newBench(t, kitSQLite, Config{Key: oldKey})
	b.migrate(1)
	b.over()
	b.must(b.rotate(newKey, Rotation{Old: oldKey}))
	next := newBenchAt(t, kitSQLite, b.dsn, Config{Key: newKey})
	next.migrate(2)
	next.over()
	b.unguard()
	clean := b.read()
	for name, do := range map[string]func(c *contents){
		"the end rewritten and signed": func(c *contents) {
			c.at(len(c.seals) - 1).leaf = bytes.Replace(c.at(len(c.seals)-1).leaf, []byte(`"goose"`), []byte(`"xoose"`), 1)
			c.reseal()
			c.resign(t, oldKey)
		},
		"a rotation to a key of the thief's": func(c *contents) {
			evil, _ := freshKey(t)
			c.reseal()
			c.resign(t, evil)
		},
	} {
		c := clean.clone()
		do(c)
		b.replace(c)
		for _, public := range []string{oldPublic, newPublic} {
			if r := b.verify(VerifyConfig{Keys: []string{public}}); !r.Altered() {
				t.Errorf("%s: not found: %s", name, codes(r))
			}
		}
	}
}

// A key that is simply replaced, and one that was lost, are told of.
func TestKeyChangedWithoutAWord(t *testing.T) {
	for name, c := range map[string]struct {
		rotation *Rotation
		key      func(old, fresh string) []string
		want     string
	}{
		"no entry, both keys":     {nil, func(o, f string) []string { return []string{o, f} }, "key_changed"},
		"no entry, the new":       {nil, func(_, f string) []string { return []string{f} }, "checkpoint_forged"},
		"key lost, both keys":     {&Rotation{}, func(o, f string) []string { return []string{o, f} }, "key_changed"},
		"key lost, the new":       {&Rotation{}, func(_, f string) []string { return []string{f} }, "key_changed"},
		"key lost, the old":       {&Rotation{}, func(o, _ string) []string { return []string{o} }, "checkpoint_forged"},
		"with the old one's word": {&Rotation{Old: "given"}, func(o, f string) []string { return []string{o, f} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			oldKey, oldPublic := freshKey(t)
			newKey, newPublic := freshKey(t)
			b := newBench(t, kitSQLite, Config{Key: oldKey})
			b.migrate(1)
			b.over()
			signs := oldKey
			if r := c.rotation; r != nil {
				if r.Old != "" {
					r.Old = oldKey
				} else {
					r.OldPublic = oldPublic
				}
				b.must(b.rotate(newKey, *r))
				signs = newKey
			}
			next := newBenchAt(t, kitSQLite, b.dsn, Config{Key: signs})
			next.migrate(1)
			next.over()
			if c.rotation == nil { // which no process of ours does, see TestStrangersKey
				b.unguard()
				as := b.read()
				by := as.clone()
				by.resign(t, newKey)
				as.checkpoints[len(as.checkpoints)-1] = by.checkpoints[len(by.checkpoints)-1]
				b.replace(as)
			}
			got := b.verify(VerifyConfig{Keys: c.key(oldPublic, newPublic)})
			if first, _, _ := strings.Cut(codes(got), " "); first != c.want {
				t.Errorf("found %q, want %q", codes(got), c.want)
			}
		})
	}
}

func TestRotateRefuses(t *testing.T) {
	oldKey, oldPublic := freshKey(t)
	newKey, _ := freshKey(t)
	stranger, _ := freshKey(t)
	other, _ := testKey(t, "other")
	empty := newBench(t, kitSQLite, Config{})
	b := newBench(t, kitSQLite, Config{Key: oldKey})
	b.migrate(1)
	b.over()
	for name, c := range map[string]struct {
		b    *bench
		to   Key
		r    Rotation
		want string
	}{
		"no new key":       {b, "", Rotation{Old: oldKey}, "no new key"},
		"no old key":       {b, newKey, Rotation{}, "neither given"},
		"another name":     {b, other, Rotation{Old: oldKey}, "one name"},
		"the same key":     {b, oldKey, Rotation{OldPublic: oldPublic}, "are the same"},
		"not the last key": {b, newKey, Rotation{Old: stranger}, "is not signed by"},
		"an empty log":     {empty, newKey, Rotation{Old: oldKey}, "nothing is sealed"},
	} {
		before := b.read()
		if err := c.b.rotate(c.to, c.r); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
		if len(b.read().entries) != len(before.entries) {
			t.Errorf("%s: there are entries more", name)
		}
	}
}

// A key that was replaced answers for no loss of what its successor has signed:
// neither itself nor by another one that it vouches for, and neither after the
// rotation nor in a history that is made anew before it.
func TestReplacedKeyAnswersForNothing(t *testing.T) {
	oldKey, oldPublic := freshKey(t)
	newKey, newPublic := freshKey(t)
	evilKey, evilPublic := freshKey(t)
	anchors := &memory{}
	b := newBench(t, kitSQLite, Config{Key: oldKey, Anchors: anchors.list()})
	b.migrate(1)
	b.unguard()
	before := b.read()
	b.over()
	b.must(b.rotate(newKey, Rotation{Old: oldKey}))
	migrate := func() {
		next := newBenchAt(t, kitSQLite, b.dsn, Config{Key: newKey, Anchors: anchors.list()})
		next.migrate(2)
		next.over()
		b.unguard()
	}
	migrate()
	after := b.read()
	migrate()
	var rotation string
	for _, e := range after.entries {
		if e.kind == KindRotated {
			rotation = statementOf(e.leaf)
		}
	}
	verify := func(keys ...string) *Report {
		return b.verify(VerifyConfig{Keys: keys, Anchors: anchors.texts()})
	}
	b.replace(before)
	loss := verify(oldPublic, newPublic)
	statement := func(head string, lines []string, signers ...Key) string {
		var list []note.Signer
		for _, k := range signers {
			s, err := k.signer()
			b.must(err)
			list = append(list, s)
		}
		text, err := makeStatement(head, loss.Lost[0].Origin, lines, list...)
		b.must(err)
		return text
	}
	var lost []string
	for _, cp := range loss.Lost {
		lost = append(lost, fmt.Sprintf("%d %s", cp.Size, cp.Root))
	}
	byOld, byEvil, byNew := statement(headRecovered, lost, oldKey), statement(headRecovered, lost, evilKey), statement(headRecovered, lost, newKey)
	oldToEvil := statement(headRotated, []string{oldPublic, evilPublic}, oldKey, evilKey)
	newToEvil := statement(headRotated, []string{newPublic, evilPublic}, oldKey, evilKey)
	for _, c := range []struct {
		name   string
		from   *contents
		states []string
		counts bool
	}{
		{"the old key, after", after, []string{byOld}, false},
		{"the old key's, after", after, []string{oldToEvil, byEvil}, false},
		{"the old key, before", before, []string{byOld, rotation}, false},
		{"the old key's, before", before, []string{oldToEvil, byEvil, rotation}, false},
		{"the old key's, as if the new one's", before, []string{newToEvil, byEvil, rotation}, false},
		{"the new key, after", after, []string{byNew}, true},
		{"the new key, after one that counts for nothing", after, []string{byOld, byNew}, true},
		{"the new key, before", before, []string{byNew, rotation}, true},
	} {
		b.replace(c.from)
		for _, text := range c.states {
			b.state(text)
		}
		b.unguard() // which a store restores
		if r := verify(newPublic); r.Altered() == c.counts {
			t.Errorf("%s: %s", c.name, codes(r))
		}
	}
}

// state adds an entry with a statement, sealed and not signed.
func (b *bench) state(text string) {
	b.t.Helper()
	kind := KindGivenUp
	if strings.HasPrefix(text, headRotated) {
		kind = KindRotated
	}
	s := newBenchAt(b.t, b.kit, b.dsn, Config{}).store
	b.must(s.administer(b.t.Context(), func(ctx context.Context, c *sql.Conn) error {
		return s.noteOn(ctx, c, kind, object{"statement": text}, noted{})
	}))
	b.must(s.Close(b.t.Context()))
}

// A process that has another key than the one that signs, by mistake, signs nothing,
// since no verification could ever take it, and says so.
func TestStrangersKey(t *testing.T) {
	for _, k := range allKits {
		t.Run(k.name, func(t *testing.T) {
			key, public := freshKey(t)
			sameName, _ := freshKey(t)
			otherName, _ := testKey(t, "laptop")
			b := newBench(t, k, Config{Key: key})
			b.migrate(2)
			b.over()
			for _, wrong := range []Key{sameName, otherName} {
				laptop := newBenchAt(t, k, b.dsn, Config{Key: wrong})
				_ = laptop.commit(laptop.begin(nil), ended(migration("9"), "applied"))
				laptop.over()
				laptop.expectTroubles(TroubleSeal)
				for _, told := range laptop.troubles {
					if told.Class != "key_unknown" {
						t.Errorf("the trouble is of class %s", told.Class)
					}
				}
			}
			r := b.verify(VerifyConfig{Keys: []string{public}})
			if codes(r) != "unsigned" || r.Altered() || r.Unsealed != 0 {
				t.Errorf("verification finds %s, %d entries are not sealed, altered: %v", codes(r), r.Unsealed, r.Altered())
			}
			again := newBenchAt(t, k, b.dsn, Config{Key: key})
			again.migrate(1)
			again.over()
			again.expectTroubles()
			if r := b.verify(VerifyConfig{Keys: []string{public}}); codes(r) != "" {
				t.Errorf("with the right key again: %s", codes(r))
			}
		})
	}
}
