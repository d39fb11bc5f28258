package audit

import (
	"bytes"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"
)

// contents are the tables of an audit trail in memory, where an attacker can do
// anything to them that he could with all the privileges there are.
type contents struct {
	entries     []entryRow
	sections    []sectionRow
	seals       []sealRow
	nodes       map[int64][]byte
	checkpoints []checkpointRow
}

type entryRow struct {
	id, attempt  uuid.UUID
	kind, stage  string
	leaf         []byte
	dbTime, xid_ string
}

type sectionRow struct {
	entry      uuid.UUID
	name       string
	salt, body []byte
}

type sealRow struct {
	idx        int64
	entry      uuid.UUID
	leaf, hash []byte
}

type checkpointRow struct {
	size   int64
	origin string
	note   []byte
}

func (c *contents) clone() *contents {
	n := &contents{nodes: maps.Clone(c.nodes), entries: slices.Clone(c.entries), sections: slices.Clone(c.sections), seals: slices.Clone(c.seals), checkpoints: slices.Clone(c.checkpoints)}
	for i := range n.entries {
		n.entries[i].leaf = bytes.Clone(n.entries[i].leaf)
	}
	for i := range n.sections {
		n.sections[i].salt, n.sections[i].body = bytes.Clone(n.sections[i].salt), bytes.Clone(n.sections[i].body)
	}
	for i := range n.seals {
		n.seals[i].leaf, n.seals[i].hash = bytes.Clone(n.seals[i].leaf), bytes.Clone(n.seals[i].hash)
	}
	for ix, h := range n.nodes {
		n.nodes[ix] = bytes.Clone(h)
	}
	for i := range n.checkpoints {
		n.checkpoints[i].note = bytes.Clone(n.checkpoints[i].note)
	}
	return n
}

// read takes the tables out of a database.
func (b *bench) read() *contents {
	b.t.Helper()
	d := b.store.dialect
	c := &contents{nodes: map[int64][]byte{}}
	each := func(query string, scan func(*sql.Rows) error) {
		rows, err := b.db.Query(query)
		if err != nil {
			b.t.Fatalf("%s: %v", query, err)
		}
		defer rows.Close()
		for rows.Next() {
			b.must(scan(rows))
		}
		b.must(rows.Err())
	}
	id := func(text []byte) uuid.UUID {
		u, err := readID(text)
		b.must(err)
		return u
	}
	each("SELECT "+d.lit.read("e.id")+", "+d.lit.read("e.attempt")+", kind, stage, leaf, "+d.dbTime+", "+d.xid+" FROM "+d.prefix+"entry e ORDER BY e.id", func(r *sql.Rows) error {
		var e entryRow
		var i, a []byte
		err := r.Scan(&i, &a, &e.kind, &e.stage, &e.leaf, &e.dbTime, &e.xid_)
		e.id, e.attempt = id(i), id(a)
		c.entries = append(c.entries, e)
		return err
	})
	each("SELECT "+d.lit.read("entry")+", section, salt, body FROM "+d.prefix+"payload ORDER BY entry, section", func(r *sql.Rows) error {
		var s sectionRow
		var e []byte
		err := r.Scan(&e, &s.name, &s.salt, &s.body)
		s.entry = id(e)
		c.sections = append(c.sections, s)
		return err
	})
	each("SELECT idx, "+d.lit.read("entry")+", leaf, leaf_hash FROM "+d.prefix+"seal ORDER BY idx", func(r *sql.Rows) error {
		var s sealRow
		var e []byte
		err := r.Scan(&s.idx, &e, &s.leaf, &s.hash)
		s.entry = id(e)
		c.seals = append(c.seals, s)
		return err
	})
	each("SELECT ix, h FROM "+d.prefix+"node", func(r *sql.Rows) error {
		var ix int64
		var h []byte
		err := r.Scan(&ix, &h)
		c.nodes[ix] = h
		return err
	})
	each("SELECT size, origin, note FROM "+d.prefix+"checkpoint ORDER BY size", func(r *sql.Rows) error {
		var p checkpointRow
		err := r.Scan(&p.size, &p.origin, &p.note)
		c.checkpoints = append(c.checkpoints, p)
		return err
	})
	return c
}

// unguard takes the triggers away, as whoever owns the tables can.
func (b *bench) unguard() {
	b.t.Helper()
	if b.kit.system == "postgresql" {
		for _, t := range tables {
			exec1(b.t, b.db, "ALTER TABLE sqlwitness."+t+" DISABLE TRIGGER ALL")
		}
		return
	}
	for _, g := range b.store.dialect.guards {
		exec1(b.t, b.db, "DROP TRIGGER main."+g.name)
	}
}

// replace puts other contents into the tables.
func (b *bench) replace(c *contents) {
	b.t.Helper()
	d := b.store.dialect
	time := func(s string) string {
		switch b.kit.system {
		case "postgresql":
			return d.lit.text(s) + "::timestamptz"
		case "sqlite":
			return d.lit.text(s)
		}
		return "STR_TO_DATE(" + d.lit.text(s) + ", '%Y-%m-%dT%H:%i:%s.%fZ')"
	}
	texts := make([]string, 0, len(tables))
	for _, t := range tables {
		texts = append(texts, "DELETE FROM "+d.prefix+t)
	}
	insert := func(table, columns string, n int, row func(i int) []string) {
		const most = 500
		for start := 0; start < n; start += most {
			var list []string
			for i := start; i < min(n, start+most); i++ {
				list = append(list, "("+strings.Join(row(i), ", ")+")")
			}
			texts = append(texts, "INSERT INTO "+d.prefix+table+" ("+columns+") VALUES "+strings.Join(list, ", "))
		}
	}
	columns := "id, attempt, kind, stage, leaf, db_time"
	if b.kit.system == "postgresql" {
		columns += ", xid"
	}
	insert("entry", columns, len(c.entries), func(i int) []string {
		e := c.entries[i]
		row := []string{d.lit.id(e.id), d.lit.id(e.attempt), d.lit.text(e.kind), d.lit.text(e.stage), d.lit.bytes(e.leaf), time(e.dbTime)}
		if b.kit.system == "postgresql" {
			row = append(row, "'"+e.xid_+"'")
		}
		return row
	})
	insert("payload", "entry, section, salt, body", len(c.sections), func(i int) []string {
		s := c.sections[i]
		return []string{d.lit.id(s.entry), d.lit.text(s.name), d.lit.bytes(s.salt), d.lit.bytes(s.body)}
	})
	insert("seal", "idx, entry, leaf, leaf_hash", len(c.seals), func(i int) []string {
		s := c.seals[i]
		return []string{fmt.Sprint(s.idx), d.lit.id(s.entry), d.lit.bytes(s.leaf), d.lit.bytes(s.hash)}
	})
	ixs := slices.Sorted(maps.Keys(c.nodes))
	insert("node", "ix, h", len(ixs), func(i int) []string {
		return []string{fmt.Sprint(ixs[i]), d.lit.bytes(c.nodes[ixs[i]])}
	})
	insert("checkpoint", "size, origin, note", len(c.checkpoints), func(i int) []string {
		p := c.checkpoints[i]
		return []string{fmt.Sprint(p.size), d.lit.text(p.origin), d.lit.bytes(p.note)}
	})
	conn, err := b.db.Conn(b.t.Context())
	b.must(err)
	defer conn.Close()
	for _, text := range d.whole(texts) {
		if _, err := conn.ExecContext(b.t.Context(), text); err != nil {
			b.t.Fatalf("%.200s: %v", text, err)
		}
	}
}

// reseal makes the tree anew from the entries, in the order of the seals.
func (c *contents) reseal() {
	var t tree
	c.nodes = map[int64][]byte{}
	for i := range c.seals {
		s := &c.seals[i]
		e := c.entry(s.entry)
		s.idx = int64(i)
		s.leaf = sealLeaf(e.id, e.leaf, facts{dbTime: e.dbTime, xid: e.xid_})
		h := tlog.RecordHash(s.leaf)
		s.hash = h[:]
		for k, n := range t.add(h) {
			c.nodes[firstNode(s.idx)+int64(k)] = bytes.Clone(n[:])
		}
	}
}

// resign makes the checkpoints anew, with the key.
func (c *contents) resign(t testing.TB, key Key) {
	t.Helper()
	signer, err := key.signer()
	if err != nil {
		t.Fatal(err)
	}
	roots := map[int64]tlog.Hash{}
	var tr tree
	for _, s := range c.seals {
		tr.add(tlog.RecordHash(s.leaf))
		roots[tr.size] = tr.root()
	}
	c.checkpoints = slices.DeleteFunc(c.checkpoints, func(p checkpointRow) bool { return p.size > tr.size })
	for i := range c.checkpoints {
		p := &c.checkpoints[i]
		if p.note, err = (Checkpoint{Origin: p.origin, Size: p.size, Root: roots[p.size]}).sign(signer); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *contents) entry(id uuid.UUID) *entryRow {
	for i := range c.entries {
		if c.entries[i].id == id {
			return &c.entries[i]
		}
	}
	return &entryRow{id: id}
}

// at is the entry at a place of the tree.
func (c *contents) at(idx int) *entryRow { return c.entry(c.seals[idx].entry) }

// cut keeps the first n places of the tree and what belongs to them.
func (c *contents) cut(n int) {
	gone := map[uuid.UUID]bool{}
	for _, s := range c.seals[n:] {
		gone[s.entry] = true
	}
	c.seals = c.seals[:n]
	c.entries = slices.DeleteFunc(c.entries, func(e entryRow) bool { return gone[e.id] })
	c.sections = slices.DeleteFunc(c.sections, func(s sectionRow) bool { return gone[s.entry] })
	for ix := range c.nodes {
		if ix >= tlog.StoredHashCount(int64(n)) {
			delete(c.nodes, ix)
		}
	}
}

// drop takes one place out of the tree, and its entry.
func (c *contents) drop(idx int) {
	id := c.seals[idx].entry
	c.seals = slices.Delete(c.seals, idx, idx+1)
	c.entries = slices.DeleteFunc(c.entries, func(e entryRow) bool { return e.id == id })
	c.sections = slices.DeleteFunc(c.sections, func(s sectionRow) bool { return s.entry == id })
}

// put appends an entry with a place in the tree.
func (c *contents) put(e entryRow) {
	c.entries = append(c.entries, e)
	c.seals = append(c.seals, sealRow{entry: e.id})
}
