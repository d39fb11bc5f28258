package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"
)

// This file is the state of the tree as the tables hold it, and the statements
// that extend it. There is no row that is updated: the size is the highest index
// and one.

// head is the tree and the log that it belongs to.
type head struct {
	tree
	log string // id of the log; "" while there is none
}

// unsealed is an entry that is committed and has no place in the tree.
type unsealed struct {
	id    uuid.UUID
	leaf  []byte
	facts facts
}

var errNodes = errors.New("nodes of the tree are missing")

// size of the tree.
func (d *dialect) size(ctx context.Context, c *sql.Conn) (int64, error) {
	return d.number(ctx, c, "SELECT MAX(idx) + 1 FROM "+d.prefix+"seal")
}

// number is the only value of a query; 0 for none.
func (d *dialect) number(ctx context.Context, c *sql.Conn, query string) (int64, error) {
	list, err := strs(ctx, c, query)
	if err != nil || len(list) == 0 || list[0] == "" {
		return 0, err
	}
	return strconv.ParseInt(list[0], 10, 64)
}

// edge reads the edge of a tree of a size.
func (d *dialect) edge(ctx context.Context, c *sql.Conn, size int64) (tree, error) {
	at := edgeOf(size)
	nodes, err := d.nodes(ctx, c, at)
	if err != nil {
		return tree{}, err
	}
	return tree{size: size, edge: nodes}, nil
}

// readID reads an id as a dialect has it: 16 bytes, or the text of a UUID.
func readID(b []byte) (uuid.UUID, error) {
	if len(b) == 16 {
		return uuid.UUID(b), nil
	}
	return uuid.ParseBytes(b)
}

// nodes reads stored nodes, in the order of ix.
func (d *dialect) nodes(ctx context.Context, c *sql.Conn, ix []int64) ([]tlog.Hash, error) {
	if len(ix) == 0 {
		return nil, nil
	}
	list := make([]string, len(ix))
	for i, n := range ix {
		list[i] = strconv.FormatInt(n, 10)
	}
	rows, err := c.QueryContext(ctx, "SELECT ix, h FROM "+d.prefix+"node WHERE ix IN ("+strings.Join(list, ", ")+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[int64]tlog.Hash, len(ix))
	for rows.Next() {
		var n int64
		var h []byte
		if err := rows.Scan(&n, &h); err != nil {
			return nil, err
		}
		if len(h) == tlog.HashSize {
			found[n] = tlog.Hash(h)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	nodes := make([]tlog.Hash, len(ix))
	for i, n := range ix {
		h, ok := found[n]
		if !ok {
			return nil, fmt.Errorf("%w: node %d", errNodes, n)
		}
		nodes[i] = h
	}
	return nodes, nil
}

// reach is which entries are looked at: those from an id on; all for the zero value.
type reach struct {
	from     uuid.UUID
	attempts bool // of attempts from there on
}

// open lists entries that are not sealed, in the order of their ids, which is
// that of time.
func (d *dialect) open(ctx context.Context, c *sql.Conn, r reach, limit int) ([]unsealed, error) {
	seals, entries := "", ""
	if r.from != uuid.Nil {
		from := d.lit.id(r.from)
		// For seal, too: a planner that merges the two would read the whole of it.
		seals, entries = " AND s.entry >= "+from, " AND e.id >= "+from
		if r.attempts {
			entries += " AND e.attempt >= " + from
		}
	}
	rows, err := c.QueryContext(ctx, "SELECT "+d.lit.read("e.id")+", e.leaf, "+d.dbTime+", "+d.xid+" FROM "+d.prefix+"entry e WHERE NOT EXISTS (SELECT 1 FROM "+
		d.prefix+"seal s WHERE s.entry = e.id"+seals+")"+entries+" ORDER BY e.id LIMIT "+strconv.Itoa(limit))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []unsealed
	for rows.Next() {
		var u unsealed
		var id []byte
		if err := rows.Scan(&id, &u.leaf, &u.facts.dbTime, &u.facts.xid); err != nil {
			return nil, err
		}
		if u.id, err = readID(id); err != nil {
			return nil, errors.New("an entry has an id that is no UUID")
		}
		list = append(list, u)
	}
	return list, rows.Err()
}

// extend is what writes sealed entries: their rows in seal and node. The primary
// key on idx lets one of several that extend the same tree through, and no other.
// h is the tree without them, and with them afterwards.
func (d *dialect) extend(h *head, list []unsealed) []string {
	var seals, nodes strings.Builder
	seals.WriteString("INSERT INTO " + d.prefix + "seal (idx, entry, leaf, leaf_hash) VALUES ")
	nodes.WriteString("INSERT INTO " + d.prefix + "node (ix, h) VALUES ")
	for i, u := range list {
		leaf := sealLeaf(u.id, u.leaf, u.facts)
		idx, hash := h.size, tlog.RecordHash(leaf)
		if i > 0 {
			seals.WriteString(", ")
			nodes.WriteString(", ")
		}
		seals.WriteString("(" + strconv.FormatInt(idx, 10) + ", " + d.lit.id(u.id) + ", " + d.lit.bytes(leaf) + ", " + d.lit.bytes(hash[:]) + ")")
		for k, n := range h.add(hash) {
			if k > 0 {
				nodes.WriteString(", ")
			}
			nodes.WriteString("(" + strconv.FormatInt(firstNode(idx)+int64(k), 10) + ", " + d.lit.bytes(n[:]) + ")")
		}
	}
	return d.whole([]string{seals.String(), nodes.String()})
}

// lastCheckpoint is the note of an origin's largest checkpoint; nil without one.
func (d *dialect) lastCheckpoint(ctx context.Context, c *sql.Conn, origin string) ([]byte, error) {
	return d.lastNote(ctx, c, "origin = "+d.lit.text(origin))
}

// lastOfLog is that of a log's largest checkpoint, whoever signs.
func (d *dialect) lastOfLog(ctx context.Context, c *sql.Conn, log string) ([]byte, error) {
	return d.lastNote(ctx, c, "origin LIKE "+d.lit.text("%/"+log))
}

func (d *dialect) lastNote(ctx context.Context, c *sql.Conn, where string) ([]byte, error) {
	notes, err := strs(ctx, c, "SELECT note FROM "+d.prefix+"checkpoint WHERE "+where+" ORDER BY size DESC LIMIT 1")
	if err != nil || len(notes) == 0 {
		return nil, err
	}
	return []byte(notes[0]), nil
}

func (d *dialect) keepCheckpoint(cp Checkpoint, note []byte) string {
	return "INSERT INTO " + d.prefix + "checkpoint (size, origin, note) VALUES (" + strconv.FormatInt(cp.Size, 10) + ", " +
		d.lit.text(cp.Origin) + ", " + d.lit.bytes(note) + ")"
}

// facts asks what makes the database another one than its copy. What a role may
// not ask is left out.
func (d *dialect) facts(ctx context.Context, c *sql.Conn) map[string]string {
	m := map[string]string{}
	for _, f := range d.identity {
		if v, err := strs(ctx, c, f.query); err == nil && len(v) == 1 {
			m[f.name] = v[0]
		}
	}
	return m
}

// opened is the newest entry that has opened the log.
func (d *dialect) opened(ctx context.Context, c *sql.Conn) (*logOpen, error) {
	list, err := d.logs(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errNoLog
	}
	return list[len(list)-1], nil
}

// logs are the entries that have opened a log, oldest first: one, unless the
// database is a copy.
func (d *dialect) logs(ctx context.Context, c *sql.Conn) ([]*logOpen, error) {
	where := "s.idx = 0"
	if len(d.identity) > 0 { // elsewhere a copy is not told from its original
		where = "e.kind = '" + kindLogOpen + "'"
	}
	rows, err := c.QueryContext(ctx, "SELECT s.idx, e.leaf FROM "+d.prefix+"seal s JOIN "+d.prefix+"entry e ON e.id = s.entry WHERE "+where+" ORDER BY s.idx")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*logOpen
	for rows.Next() {
		var idx int64
		var leaf []byte
		if err := rows.Scan(&idx, &leaf); err != nil {
			return nil, err
		}
		var o logOpen
		if err := json.Unmarshal(leaf, &o); err == nil && o.opens(idx) {
			list = append(list, &o)
		}
	}
	return list, rows.Err()
}

var errNoLog = errors.New("the entry that opens the log is missing")
