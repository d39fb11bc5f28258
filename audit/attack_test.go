package audit

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sqlwitness/sqlwitness/audit/anchor"
)

// Who finds an attack.
const (
	byTables  = "tables"  // the tables contradict themselves, or their signatures
	byAnchors = "anchors" // only what left the database contradicts them
	byNobody  = "nobody"
)

// attack is something that someone who may do anything to the database does to
// the record. docs/audit-format.md has this table.
type attack struct {
	name   string
	by     string
	reason string // why nobody finds it
	do     func(t testing.TB, v *victim, c *contents)
}

// victim is what an attacker has beside the tables.
type victim struct {
	key     Key       // stolen
	other   Key       // his own
	earlier *contents // a backup
	stray   *contents // the tables of another database, signed with the same key
	unknown bool      // the anchors do not have the end yet
}

const last = 3 // entries from the end, which attacks on the end take

func attacks() []attack {
	list := []attack{
		{"an entry is deleted", byTables, "", func(_ testing.TB, _ *victim, c *contents) {
			id := c.at(4).id
			c.entries = slices.DeleteFunc(c.entries, func(e entryRow) bool { return e.id == id })
		}},
		{"an entry and its place are deleted", byTables, "", func(_ testing.TB, _ *victim, c *contents) { c.drop(4) }},
		{"an entry is deleted, the tree made anew", byTables, "", func(_ testing.TB, _ *victim, c *contents) { c.drop(4); c.reseal() }},
		{"an entry is deleted, the tree made anew and signed with the stolen key", byAnchors, "", func(t testing.TB, v *victim, c *contents) {
			c.drop(4)
			c.reseal()
			c.resign(t, v.key)
		}},
		{"two entries change places", byTables, "", func(_ testing.TB, _ *victim, c *contents) {
			c.seals[3].entry, c.seals[4].entry = c.seals[4].entry, c.seals[3].entry
		}},
		{"two entries change places, the tree made anew", byTables, "", func(_ testing.TB, _ *victim, c *contents) {
			c.seals[3], c.seals[4] = c.seals[4], c.seals[3]
			c.reseal()
		}},
		{"an entry is rewritten, the tree made anew", byTables, "", func(_ testing.TB, _ *victim, c *contents) { rewrite(c); c.reseal() }},
		{"an entry is rewritten, the tree made anew and signed with another key", byTables, "", func(t testing.TB, v *victim, c *contents) {
			rewrite(c)
			c.reseal()
			c.resign(t, v.other)
		}},
		{"an entry is rewritten, the tree made anew and signed with the stolen key", byAnchors, "", func(t testing.TB, v *victim, c *contents) {
			rewrite(c)
			c.reseal()
			c.resign(t, v.key)
		}},
		{"the last entry is rewritten and signed: a fork of the last checkpoint", byAnchors, "", func(t testing.TB, v *victim, c *contents) {
			e := c.at(len(c.seals) - 1)
			e.leaf = bytes.Replace(e.leaf, []byte(`"applied"`), []byte(`"forced!"`), 1)
			c.reseal()
			c.resign(t, v.key)
		}},
		{"the end is cut off", byTables, "", func(_ testing.TB, _ *victim, c *contents) { c.cut(len(c.seals) - last) }},
		{"the end is cut off, with its checkpoints", byAnchors, "", func(t testing.TB, v *victim, c *contents) {
			c.cut(len(c.seals) - last)
			c.resign(t, v.key) // drops those that are too large
		}},
		{"a backup is restored", byAnchors, "", func(_ testing.TB, v *victim, c *contents) { *c = *v.earlier.clone() }},
		{"all tables are replaced by those of another log with the same key", byAnchors, "", func(_ testing.TB, v *victim, c *contents) { *c = *v.stray.clone() }},
		{"all checkpoints are deleted", byAnchors, "", func(_ testing.TB, _ *victim, c *contents) { c.checkpoints = nil }},
		{"a checkpoint is deleted", byAnchors, "", func(_ testing.TB, _ *victim, c *contents) { c.checkpoints = c.checkpoints[1:] }},
		{"an entry that no anchor covers yet is cut off, with its checkpoint", byNobody, "what has not left the database is known nowhere else; the anchor lag says how long that is", func(t testing.TB, v *victim, c *contents) {
			v.unknown = true
			c.cut(len(c.seals) - last)
			c.resign(t, v.key)
		}},
		{"an old entry is put in again under another id, sealed and signed", byTables, "", func(t testing.TB, v *victim, c *contents) {
			e := *c.at(2)
			e.id = uuid.Must(uuid.NewV7())
			c.put(e)
			c.reseal()
			c.resign(t, v.key)
		}},
		{"an entry of another log is put in, sealed", byTables, "", func(t testing.TB, v *victim, c *contents) {
			c.put(*v.stray.at(v.strayLate()))
			c.reseal()
		}},
		{"a text that is no entry is put in, sealed", byTables, "", func(_ testing.TB, _ *victim, c *contents) {
			e := *c.at(2)
			e.id, e.leaf = uuid.Must(uuid.NewV7()), []byte(`{"note": "nothing happened"}`)
			c.put(e)
			c.reseal()
		}},
		{"an entry with a time in the past is put in, sealed", byTables, "", func(t testing.TB, v *victim, c *contents) {
			e := forged(t, c)
			e.dbTime = "2020-01-01T00:00:00.000000Z"
			c.put(e)
			c.reseal()
		}},
		{"an entry without a flaw is put in, sealed", byNobody, "whoever may add entries may add any; fields that are claimed are no more than that", func(t testing.TB, v *victim, c *contents) {
			c.put(forged(t, c))
			c.reseal()
		}},
		{"a place in the tree is added that has no entry", byTables, "", func(_ testing.TB, _ *victim, c *contents) {
			c.seals = append(c.seals, sealRow{idx: int64(len(c.seals)), entry: uuid.Must(uuid.NewV7()), leaf: []byte("{}"), hash: bytes.Repeat([]byte{1}, 32)})
		}},
		{"a node is added", byTables, "", func(_ testing.TB, _ *victim, c *contents) {
			c.nodes[int64(len(c.nodes))+5] = bytes.Repeat([]byte{1}, 32)
		}},
		{"a node is deleted", byTables, "", func(_ testing.TB, _ *victim, c *contents) { delete(c.nodes, 2) }},
		{"a leaf of the tree, its hash and the nodes are rewritten, not its entry", byTables, "", func(_ testing.TB, _ *victim, c *contents) {
			rewrite(c)
			entries := c.clone().entries
			c.reseal()
			c.entries = entries
			rewriteBack(c)
		}},
		{"a checkpoint of the attacker's own is added", byTables, "", func(t testing.TB, v *victim, c *contents) {
			n := *c
			n.checkpoints = []checkpointRow{{size: 1, origin: c.checkpoints[0].origin}}
			n.resign(t, v.other)
			c.checkpoints = append(c.checkpoints, n.checkpoints...)
		}},
		{"a checkpoint is filed under another size", byTables, "", func(_ testing.TB, _ *victim, c *contents) { c.checkpoints[0].size = 1000 }},
		{"a section is deleted, and no entry says so", byTables, "", func(_ testing.TB, _ *victim, c *contents) { c.sections = slices.Delete(c.sections, 3, 4) }},
		{"all sections are deleted, and no entry says so", byTables, "", func(_ testing.TB, _ *victim, c *contents) { c.sections = nil }},
		{"a section is rewritten with its salt", byTables, "", func(_ testing.TB, _ *victim, c *contents) {
			c.sections[2].body, c.sections[2].salt = []byte(`{"db_user":{"trust":"verified","value":"someone else"}}`), bytes.Repeat([]byte{7}, 32)
		}},
		{"a section is put in that the entry does not know", byTables, "", func(_ testing.TB, _ *victim, c *contents) {
			c.sections = append(c.sections, sectionRow{c.at(0).id, "why", bytes.Repeat([]byte{7}, 32), []byte(`{"reason":"approved"}`)})
		}},
		{"two sections change places", byTables, "", func(_ testing.TB, _ *victim, c *contents) {
			a, b := &c.sections[0], &c.sections[len(c.sections)-1]
			a.salt, a.body, b.salt, b.body = b.salt, b.body, a.salt, a.body
		}},
	}
	return append(list, flips()...)
}

// flips change one bit of each column.
func flips() []attack {
	flip := func(b []byte) { b[len(b)/2] ^= 1 }
	column := func(name string, do func(c *contents)) attack {
		return attack{"a bit is changed in " + name, byTables, "", func(_ testing.TB, _ *victim, c *contents) { do(c) }}
	}
	return []attack{
		column("entry.id", func(c *contents) { flip(c.at(4).id[:]) }),
		column("entry.attempt", func(c *contents) { flip(c.at(4).attempt[:]) }),
		column("entry.kind", func(c *contents) { c.at(4).kind = "intens" }),
		column("entry.stage", func(c *contents) { c.at(4).stage = "starx" }),
		column("entry.leaf", func(c *contents) { flip(c.at(4).leaf) }),
		column("entry.db_time", func(c *contents) { e := c.at(4); e.dbTime = e.dbTime[:3] + string(e.dbTime[3]^1) + e.dbTime[4:] }),
		column("entry.xid", func(c *contents) { c.at(4).xid_ += "1" }),
		column("payload.entry", func(c *contents) { flip(c.sections[4].entry[:]) }),
		column("payload.section", func(c *contents) { c.sections[4].name = "actos" }),
		column("payload.salt", func(c *contents) { flip(c.sections[4].salt) }),
		column("payload.body", func(c *contents) { flip(c.sections[4].body) }),
		column("seal.idx", func(c *contents) { c.seals[len(c.seals)-1].idx += 2 }),
		column("seal.entry", func(c *contents) { flip(c.seals[4].entry[:]) }),
		column("seal.leaf", func(c *contents) { flip(c.seals[4].leaf) }),
		column("seal.leaf_hash", func(c *contents) { flip(c.seals[4].hash) }),
		column("node.ix", func(c *contents) { c.nodes[1000] = c.nodes[2]; delete(c.nodes, 2) }),
		column("node.h", func(c *contents) { flip(c.nodes[2]) }),
		column("checkpoint.size", func(c *contents) { c.checkpoints[1].size |= 1 << 20 }),
		column("checkpoint.origin", func(c *contents) { c.checkpoints[1].origin += "x" }),
		column("checkpoint.note", func(c *contents) { flip(c.checkpoints[1].note) }),
	}
}

func rewrite(c *contents) {
	e := c.at(4)
	e.leaf = bytes.Replace(e.leaf, []byte(`"goose"`), []byte(`"xoose"`), 1)
}

func rewriteBack(c *contents) {
	e := c.at(4)
	e.leaf = bytes.Replace(e.leaf, []byte(`"xoose"`), []byte(`"goose"`), 1)
}

// forged is an entry that fits in: a copy of another under a new id.
func forged(t testing.TB, c *contents) entryRow {
	e := *c.at(len(c.seals) - 1)
	id := uuid.Must(uuid.NewV7())
	e.leaf = bytes.ReplaceAll(e.leaf, []byte(e.id.String()), []byte(id.String()))
	h, err := readHeader(e.leaf)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range h.sections { // it has none
		e.leaf = bytes.Replace(e.leaf, fmt.Appendf(nil, "%q:%q", s.name, base64.StdEncoding.EncodeToString(s.mac[:])), nil, 1)
	}
	e.leaf = bytes.Replace(e.leaf, []byte(`"c":{,}`), []byte(`"c":{}`), 1)
	e.leaf = bytes.Replace(e.leaf, []byte(`"c":{,,}`), []byte(`"c":{}`), 1)
	e.id = id
	return e
}

// strayLate is an entry of the other log that says which log it is of.
func (v *victim) strayLate() int { return len(v.stray.seals) - 1 }

// delivered are the notes up to a size.
func delivered(t testing.TB, text []byte, size int64) (kept []byte) {
	t.Helper()
	err := Notes(bytes.NewReader(text), func(note []byte) error {
		if c, _, err := (*keyring)(nil).open(note); err == nil && c.Size <= size {
			kept = append(kept, anchor.Line(note)...)
		}
		return nil
	})
	if err != nil || len(kept) == 0 {
		t.Fatalf("no note of %d entries (%v)", size, err)
	}
	return kept
}

// Each attack is found where the table says, and by nobody else: an attack that
// is found too early is a table that says too little.
func TestAttacks(t *testing.T) {
	for _, k := range []kit{kitPQ, kitMySQL, kitSQLite} {
		t.Run(k.name, func(t *testing.T) {
			key, public := testKey(t, "shop")
			other, _ := testKey(t, "evil")
			v := &victim{key: key, other: other}
			verify := func(b *bench, notes []byte) string {
				cfg := VerifyConfig{Keys: []string{public}}
				if notes != nil {
					cfg.Anchors = []io.Reader{bytes.NewReader(notes)}
				}
				r := b.verify(cfg)
				var list []string
				for _, f := range r.Findings { // less what is so in tests, and what an attacker can forge (the facts of Moved)
					if f.Code != GuardOff && f.Code != GuardWeak && f.Code != Moved && f.Code != Unsigned && f.Code != IntentOpen && !slices.Contains(list, string(f.Code)) {
						list = append(list, string(f.Code))
					}
				}
				list = append(list, r.Unchecked...)
				return strings.Join(list, " ")
			}

			stray := newBench(t, k, Config{Key: key})
			stray.migrate(2)
			stray.migrate(2)
			v.stray = stray.read()

			anchors := &memory{}
			b := newBench(t, k, Config{Key: key, Anchors: anchors.list()})
			b.migrate(2)
			v.earlier = b.read()
			b.migrate(1)
			b.migrate(2)
			b.must(b.store.Close(t.Context()))
			b.unguard()
			clean := b.read()
			var notes []byte
			for _, n := range anchors.notes {
				notes = append(notes, anchor.Line(n)...)
			}
			if found := verify(b, notes); found != "" {
				t.Fatalf("the record as it is: %s", found)
			}

			found := map[string]int{}
			for _, a := range attacks() {
				if a.name == "a bit is changed in entry.xid" && k.system != "postgresql" {
					continue
				}
				c := clean.clone()
				v.unknown = false
				a.do(t, v, c)
				b.replace(c)
				notes := notes
				if v.unknown {
					notes = delivered(t, notes, int64(len(c.seals)))
				}
				by, what := byNobody, verify(b, nil)
				if what != "" {
					by = byTables
				} else if what = verify(b, notes); what != "" {
					by = byAnchors
				}
				found[by]++
				t.Logf("%-8s %s: %s%s", by, a.name, what, a.reason)
				if by != a.by {
					t.Errorf("%s: found by %s (%s), the table says %s", a.name, by, what, a.by)
				}
			}
			b.replace(clean)
			if found := verify(b, notes); found != "" {
				t.Errorf("the record as it was: %s", found)
			}
			n, m := found[byTables]+found[byAnchors], found[byTables]+found[byAnchors]+found[byNobody]
			t.Logf("%d of %d attacks found on %s: %d by the tables alone, %d more by the anchors", n, m, k.system, found[byTables], found[byAnchors])
		})
	}
}
