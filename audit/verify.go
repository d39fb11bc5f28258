package audit

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sqlwitness/sqlwitness/event"
)

// verifyBatch is how many records are read at a time. Their sections are read
// after them, so that one connection is enough.
const verifyBatch = 4096

// VerifyConfig says what a verification has to go by. The zero value checks the
// tables against themselves, which finds damage and clumsiness, and nobody who
// can rewrite all of them.
type VerifyConfig struct {
	// Keys are the public keys of those who signed, as sqlwitness audit keygen
	// printed them. Without one no signature is checked.
	Keys []string
	// Anchors are texts with checkpoints that were kept outside the database: an
	// anchor's file, exported logs. Whatever else is in them is passed over.
	Anchors []io.Reader
	// Since checks what came after the newest checkpoint of the anchors, which
	// vouches for all before it, and leaves that unread.
	Since bool
	// Progress is told now and then how many of how many entries are checked. May
	// be nil.
	Progress func(done, total int64)
}

// Report is what a verification has found.
type Report struct {
	Keys        []string     // that it went by: name and hash of each
	Log         string       // id of the log; "" where none is open
	Size        int64        // entries in the tree
	Root        tlog.Hash    // of the tree
	From        int64        // the first entry that was checked
	Checked     int64        // entries
	Sections    int64        // that are as they were written
	Erased      int64        // sections that are gone
	Unsealed    int64        // entries that wait to be sealed
	Checkpoints int64        // in the tables
	Notes       int64        // checkpoints of this log that the anchors have
	Anchored    int64        // size of the largest checkpoint of the anchors that the tree agrees with
	Lost        []Checkpoint // of the anchors, that the tree does not have and nobody answers for
	Findings    []Finding    // at most 20 of a code
	Counts      map[Code]int
	// Unchecked says what could not be checked. What could not be checked is not
	// well.
	Unchecked []string

	opened *logOpen
}

// Altered reports whether the record was altered.
func (r *Report) Altered() bool {
	for code := range r.Counts {
		if !code.Warning() {
			return true
		}
	}
	return false
}

func (r *Report) add(f Finding) {
	if r.Counts == nil {
		r.Counts = map[Code]int{}
	}
	r.Counts[f.Code]++
	if r.Counts[f.Code] <= maxFindings {
		r.Findings = append(r.Findings, f)
	}
}

func (r *Report) unchecked(s string) {
	if !slices.Contains(r.Unchecked, s) {
		r.Unchecked = append(r.Unchecked, s)
	}
}

// Verify checks the record in a database. It reads in batches, which are short
// transactions at READ COMMITTED on PostgreSQL: no snapshot outlives a query, and
// who writes does not wait for it. Memory is a batch, the edge of the tree, 200
// bytes for each checkpoint of the anchors and 100 for each section that is gone.
// The error says that the check could not be made; what it found is in the
// report.
func Verify(ctx context.Context, db *sql.DB, system string, cfg VerifyConfig) (*Report, error) {
	v, err := newVerifier(cfg)
	if err != nil {
		return nil, err
	}
	if v.d = dialectOf(system); v.d == nil {
		return nil, errUnsupported
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := v.database(ctx, c); err != nil {
		return nil, err
	}
	return v.report, nil
}

// noTables says in plain words that there is nothing to read.
func noTables(err error) error {
	if class, _ := event.Classify(err); class == event.ClassMissingObject {
		return errors.New("audit: there are no audit tables in this database: no migration has run through the witness here, or they were dropped")
	}
	return err
}

// verifier takes a checker through a database or an export.
type verifier struct {
	checker
	cfg  VerifyConfig
	d    *dialect
	kept []Checkpoint // of the tables, at the sizes of the batch

	// The memory of a batch, which the next one uses again.
	places []place
	nodes  []tlog.Hash
}

// place is what is kept of a record until its sections have been read.
type place struct {
	id     uuid.UUID
	read   bool // there is a row for it
	header header
}

// record is the place as findings name it.
func (p *place) record(idx int64) *record { return &record{idx: idx, sealed: p.id, id: p.id} }

func newVerifier(cfg VerifyConfig) (*verifier, error) {
	keys, err := newKeyring(cfg.Keys)
	if err != nil {
		return nil, err
	}
	v := &verifier{cfg: cfg, checker: newChecker()}
	v.report.Keys = keyNames(cfg.Keys)
	v.keys, v.anchors = keys, len(cfg.Anchors)
	return v, nil
}

// readAnchors takes in the checkpoints of the anchors that a key has signed which
// is known by then.
func (v *verifier) readAnchors() error {
	var notes []want
	for _, a := range v.cfg.Anchors {
		err := Notes(a, func(msg []byte) error {
			if cp, by, err := v.keys.open(msg); err == nil && (len(by) > 0 || v.keys == nil) {
				notes = append(notes, want{cp, true, by})
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("audit: read the anchors: %w", err)
		}
	}
	slices.SortStableFunc(notes, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.Origin, b.Origin), slices.Compare(a.Root[:], b.Root[:]))
	})
	for _, w := range notes {
		if last := len(v.wanted) - 1; last >= 0 && v.wanted[last].Checkpoint == w.Checkpoint {
			v.wanted[last].by = append(v.wanted[last].by, w.by...)
			continue
		}
		v.wanted = append(v.wanted, w)
	}
	return nil
}

// statements takes in what the holders of the keys have stated. A key may be
// vouched for by one that a later entry makes known.
func (v *verifier) statements(ctx context.Context, c *sql.Conn) error {
	for learnt := v.keys != nil; learnt; {
		learnt = false
		err := v.d.statements(ctx, c, func(idx int64, leaf []byte) { learnt = v.stated(idx, leaf) || learnt })
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) database(ctx context.Context, c *sql.Conn) error {
	var size int64
	err := v.d.reading(ctx, c, func() (err error) {
		if size, err = v.d.size(ctx, c); err != nil {
			return noTables(err)
		}
		logs, err := v.d.logs(ctx, c)
		if err != nil {
			return err
		}
		for _, o := range logs {
			v.logs = append(v.logs, o.Log)
		}
		if err := v.statements(ctx, c); err != nil {
			return err
		}
		if err := v.readAnchors(); err != nil {
			return err
		}
		return v.start(ctx, c, size)
	})
	if err != nil {
		return err
	}
	v.places = make([]place, min(verifyBatch, size))
	for v.tree.size < size {
		end := min(v.tree.size+verifyBatch, size)
		if err := v.d.reading(ctx, c, func() error { return v.batch(ctx, c, end) }); err != nil {
			return err
		}
		if v.cfg.Progress != nil {
			v.cfg.Progress(v.tree.size, size)
		}
	}
	if err := v.d.reading(ctx, c, func() error { return v.around(ctx, c, size) }); err != nil {
		return err
	}
	v.surroundings(ctx, c)
	v.end()
	return nil
}

// start begins where the anchors vouch for what is before.
func (v *verifier) start(ctx context.Context, c *sql.Conn, size int64) error {
	if !v.cfg.Since {
		return nil
	}
	i := len(v.wanted) - 1
	for i >= 0 && (v.wanted[i].Size > size || !slices.Contains(v.logs, v.wanted[i].logID()) || v.answeredFor(v.wanted[i]) != nil) {
		i--
	}
	if i < 0 {
		return nil
	}
	last := v.wanted[i]
	tree, err := v.d.edge(ctx, c, last.Size)
	if errors.Is(err, errNodes) {
		v.find(NodeMissing, nil, "nodes of the tree of the first %d entries are gone", last.Size)
		return nil // from the beginning, then
	} else if err != nil {
		return err
	}
	v.tree, v.report.From = tree, last.Size
	v.log = last.logID()
	v.report.Log = v.log
	v.reached()
	return nil
}

// batch checks the records up to a place.
func (v *verifier) batch(ctx context.Context, c *sql.Conn, end int64) error {
	start := v.tree.size
	if err := v.checkpoints(ctx, c, start, end); err != nil {
		return err
	}
	v.nodes = v.nodes[:0]
	places := v.places[:end-start]
	for i := range places {
		places[i].read = false
	}
	err := v.d.records(ctx, c, start, end, func(r *record) error {
		switch {
		case r.idx < v.tree.size:
			v.find(SealRepeated, r, "there are two rows for index %d of the tree", r.idx)
			return nil
		case r.idx > v.tree.size:
			v.nodes = append(v.nodes, make([]tlog.Hash, firstNode(r.idx)-firstNode(v.tree.size))...)
			v.gap(r.idx)
		}
		p := &places[r.idx-start]
		p.id, p.read = r.sealed, true
		v.nodes = append(v.nodes, v.add(r, &p.header)...)
		return nil
	})
	if err != nil {
		return err
	}
	if v.tree.size < end { // the size was read before, so that rows are gone
		v.nodes = append(v.nodes, make([]tlog.Hash, firstNode(end)-firstNode(v.tree.size))...)
		v.gap(end)
	}
	err = v.d.sections(ctx, c, start, end, func(idx int64, s readSection) error {
		if p := &places[idx-start]; p.read {
			v.section(p.record(idx), s, &p.header)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range places {
		if p := &places[i]; p.read {
			v.rest(p.record(start+int64(i)), &p.header)
		}
	}
	return v.nodesOf(ctx, c, start)
}

// nodesOf compares the stored nodes with those that the records make. They are
// of no use to verification, and of much to who builds on them.
func (v *verifier) nodesOf(ctx context.Context, c *sql.Conn, start int64) error {
	at := firstNode(start)
	end := at + int64(len(v.nodes))
	next := at
	missing := func(until int64) {
		for ; next < until; next++ {
			v.find(NodeMissing, nil, "node %d of the tree is gone", next)
		}
	}
	err := v.d.scan(ctx, c, scan{number: "ix", columns: []string{"h"}, from: v.d.prefix + "node"}, at, end, func(ix int64, row [][]byte) error {
		missing(ix)
		var zero tlog.Hash
		if want := v.nodes[ix-at]; want != zero && string(row[0]) != string(want[:]) {
			v.find(NodeAltered, nil, "node %d of the tree is not the hash of what is below it", ix)
		}
		next = ix + 1
		return nil
	})
	missing(end)
	return err
}

// checkpoints reads those of the tables whose size is reached by a batch.
func (v *verifier) checkpoints(ctx context.Context, c *sql.Conn, start, end int64) error {
	v.kept = v.kept[:0]
	err := v.checkpointsWhere(ctx, c, "size > "+strconv.FormatInt(start, 10)+" AND size <= "+strconv.FormatInt(end, 10))
	if err != nil {
		return err
	}
	for _, w := range v.wanted {
		if w.anchored && v.answeredFor(w) == nil && slices.Contains(v.logs, w.logID()) && w.Size > start && w.Size <= end && !slices.ContainsFunc(v.kept, func(cp Checkpoint) bool { return cp.Size == w.Size }) {
			v.find(CheckpointDeleted, nil, "an anchor has a checkpoint of %d entries that the tables do not have", w.Size)
		}
	}
	for _, cp := range v.kept {
		v.wanted = append(v.wanted, want{Checkpoint: cp})
	}
	slices.SortStableFunc(v.wanted, func(a, b want) int { return cmp.Compare(a.Size, b.Size) })
	return nil
}

func (v *verifier) checkpointsWhere(ctx context.Context, c *sql.Conn, where string) error {
	rows, err := c.QueryContext(ctx, "SELECT size, origin, note FROM "+v.d.prefix+"checkpoint WHERE "+where+" ORDER BY size")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var size int64
		var origin string
		var msg []byte
		if err := rows.Scan(&size, &origin, &msg); err != nil {
			return err
		}
		v.checkpoint(size, origin, msg)
	}
	return rows.Err()
}

// checkpoint checks one of the tables.
func (v *verifier) checkpoint(size int64, origin string, msg []byte) {
	v.report.Checkpoints++
	cp, by, err := v.keys.open(msg)
	switch {
	case err != nil || v.keys != nil && len(by) == 0:
		v.find(CheckpointForged, nil, "the checkpoint of %d entries is not signed by a key that was given", size)
		return
	case cp.Size != size || cp.Origin != origin:
		v.find(CheckpointForeign, nil, "the checkpoint that is filed under %d entries of %s is of %d entries of %s", size, origin, cp.Size, cp.Origin)
		return
	case v.keys == nil:
		v.report.unchecked("signatures: no public key was given")
	default:
		v.signer(size, by)
	}
	v.kept = append(v.kept, cp)
}

// signer looks at who has signed a checkpoint of the tables, in the order of size.
func (v *verifier) signer(size int64, names []string) {
	if i := slices.IndexFunc(names, func(name string) bool { return v.keys.retired(name, size) == nil }); i < 0 {
		v.find(KeyRetired, nil, "the checkpoint of %d entries is signed by %s, whose place another key took at index %d", size, names[0], v.keys.retired(names[0], size).idx)
	}
	before := v.signed
	v.signed = names
	if len(before) == 0 || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(before, name) }) {
		return
	}
	if !slices.ContainsFunc(v.keys.rotations, func(r rotation) bool {
		return r.vouched && slices.Contains(before, r.old) && slices.Contains(names, r.new)
	}) {
		v.find(KeyChanged, nil, "from the checkpoint of %d entries on %s signs, and %s, which did before, has not said so", size, names[0], before[0])
	}
}

// around checks what is beside the tree.
func (v *verifier) around(ctx context.Context, c *sql.Conn, size int64) error {
	d := v.d
	v.kept = v.kept[:0]
	if err := v.checkpointsWhere(ctx, c, "size > "+strconv.FormatInt(size, 10)); err != nil {
		return err
	}
	nodes, err := d.number(ctx, c, "SELECT MAX(ix) + 1 FROM "+d.prefix+"node")
	if err != nil {
		return err
	}
	// Read last: what was sealed meanwhile is not beyond the tree.
	now, err := d.size(ctx, c)
	if err != nil {
		return err
	}
	for _, cp := range v.kept {
		if cp.Size > now {
			v.wanted = append(v.wanted, want{Checkpoint: cp})
		}
	}
	if nodes > tlog.StoredHashCount(max(size, now)) {
		v.find(NodeForeign, nil, "there are nodes beyond the tree's %d entries: its end was cut off, or rows were added by hand", size)
	}
	if err := v.unsigned(ctx, c, size); err != nil {
		return err
	}
	if err := v.endedUnsealed(ctx, c); err != nil {
		return err
	}
	if v.report.From > 0 {
		return nil // the rest reads everything
	}
	twice, err := strs(ctx, c, "SELECT MIN(idx) FROM "+d.prefix+"seal GROUP BY entry HAVING COUNT(*) > 1")
	if err != nil {
		return err
	}
	for _, idx := range twice {
		v.find(EntryReplayed, nil, "the entry at index %s is in the tree again", idx)
	}
	if v.report.Unsealed, err = d.unsealed(ctx, c, ""); err != nil || v.report.Unsealed == 0 {
		return err
	}
	waiting, err := d.unsealed(ctx, c, "e.kind NOT IN ("+readKinds+") AND ")
	if waiting > 0 {
		v.find(Unsealed, nil, "%d entries are recorded and not sealed yet", waiting)
	}
	return err
}

// endedUnsealed takes the attempts for ended whose outcome is recorded and waits
// for its place in the tree, as that of a process does which exits when its
// migration fails. An outcome is younger than its attempt's id.
func (v *verifier) endedUnsealed(ctx context.Context, c *sql.Conn) error {
	if len(v.open) == 0 {
		return nil
	}
	d := v.d
	from := d.lit.id(least(slices.Collect(maps.Keys(v.open))...))
	ended, err := strs(ctx, c, "SELECT "+d.lit.read("e.attempt")+" FROM "+d.prefix+"entry e WHERE e.kind IN ('"+kindOutcome+"', '"+KindRecovered+"') AND e.id >= "+from+
		" AND NOT EXISTS (SELECT 1 FROM "+d.prefix+"seal s WHERE s.entry = e.id AND s.entry >= "+from+")")
	if err != nil {
		return err
	}
	for _, text := range ended {
		if id, err := readID([]byte(text)); err == nil {
			delete(v.open, id)
		}
	}
	return nil
}

// surroundings checks what of the database a role may not be allowed to see.
func (v *verifier) surroundings(ctx context.Context, c *sql.Conn) {
	if o := v.report.opened; o != nil && o.elsewhere(v.d.facts(ctx, c)) {
		v.find(Moved, nil, "this is not the database that the log was opened in: it is a copy, or was restored on another server")
	}
	guards, err := Guards(ctx, v.d.system, c)
	if err != nil {
		v.report.unchecked("the guards of the tables")
	}
	for _, g := range guards {
		if g.Guard == "privileges" {
			v.find(GuardWeak, nil, "%s: %s", g.Table, g.State)
			continue
		}
		v.find(GuardOff, nil, "the guard %s of table %s is %s", g.Guard, g.Table, g.State)
	}
}

// unsigned compares the size with the last checkpoint of the tables.
func (v *verifier) unsigned(ctx context.Context, c *sql.Conn, size int64) error {
	last, err := v.d.number(ctx, c, "SELECT MAX(size) FROM "+v.d.prefix+"checkpoint")
	if err == nil && last > 0 && last < size {
		v.find(Unsigned, nil, "the last %d entries have no checkpoint", size-last)
	}
	return err
}

// records reads the places of the tree from start to before end. The record
// that f is given is its own only until it returns.
func (d *dialect) records(ctx context.Context, c *sql.Conn, start, end int64, f func(*record) error) error {
	var r record
	return d.scan(ctx, c, scan{
		number: "s.idx",
		columns: []string{d.lit.read("s.entry"), "s.leaf", "s.leaf_hash", "CASE WHEN e.id IS NOT NULL THEN 'found' END",
			d.lit.read("e.attempt"), "e.kind", "e.stage", "e.leaf", d.dbTime, d.xid},
		from: d.prefix + "seal s LEFT " + d.each("entry", "id", "e"),
	}, start, end, func(idx int64, row [][]byte) error {
		r = record{idx: idx, seal: row[1], hash: row[2], found: row[3] != nil}
		// An id that is none stays zero, which is no entry's.
		r.sealed, _ = readID(row[0])
		if r.found {
			r.id = r.sealed // by which it was found
			r.attempt, _ = readID(row[4])
			r.kind, r.stage, r.leaf = word(row[5]), word(row[6]), row[7]
			r.facts = facts{dbTime: string(row[8]), xid: string(row[9])}
		}
		return f(&r)
	})
}

// sections reads the sections of the entries at places of the tree.
func (d *dialect) sections(ctx context.Context, c *sql.Conn, start, end int64, f func(idx int64, s readSection) error) error {
	return d.scan(ctx, c, scan{
		number:  "s.idx",
		columns: []string{"p.section", "p.salt", "p.body"},
		from:    d.prefix + "seal s " + d.each("payload", "entry", "p"),
	}, start, end, func(idx int64, row [][]byte) error {
		return f(idx, readSection{word(row[0]), row[1], row[2]})
	})
}

// each joins the rows of a table that belong to an entry of seal s.
func (d *dialect) each(table, column, as string) string {
	if d.fenced {
		return "JOIN LATERAL (SELECT * FROM " + d.prefix + table + " WHERE " + column + " = s.entry OFFSET 0) " + as + " ON true"
	}
	return "JOIN " + d.prefix + table + " " + as + " ON " + as + "." + column + " = s.entry"
}
