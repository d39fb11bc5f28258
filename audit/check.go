package audit

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	// clockTolerance is how far the database's clock may go back unremarked.
	clockTolerance = 10 * time.Minute
	// maxFindings of one code are listed; the rest is counted.
	maxFindings = 20
)

// checker is verification itself: it is given the records in the order of the
// tree, from wherever they come, and remembers the edge of the tree, the open
// intents and what it has found.
type checker struct {
	tree   tree
	log    string // of the records from here on
	logs   []string
	latest time.Time           // of the database's clock
	open   map[uuid.UUID]int64 // attempts whose intent has no outcome yet
	// Sections that are gone, and those that some entry says were erased, less
	// those that are both: what is left of missing was deleted without a word.
	missing map[gone]int64 // and the place of the entry
	erased  map[gone]bool

	keys    *keyring                // nil: no signature is checked
	signed  []string                // who signed the last checkpoint of the tables
	unmet   []want                  // of the anchors, that the tree does not have
	givenUp map[Checkpoint][]answer // that somebody answers for

	buf    []byte // scratch
	report *Report
	wanted []want // of checkpoints, by size; what is reached is taken off
	// anchors is how many texts wanted has checkpoints from.
	anchors int
	others  []string // origins that the anchors have and this is not
}

// want is a root that the tree must have at a size.
type want struct {
	Checkpoint
	anchored bool     // it comes from outside the database
	by       []string // the keys that have signed it, where it is anchored
}

// answer is an entry that answers for a loss.
type answer struct {
	idx int64
	by  []string // the keys that have signed it
}

// gone is a section of an entry; the entry's id as 32 hexadecimal digits.
type gone struct{ entry, section string }

func newChecker() checker {
	return checker{report: &Report{}, open: map[uuid.UUID]int64{}, missing: map[gone]int64{}, erased: map[gone]bool{}, givenUp: map[Checkpoint][]answer{}}
}

func (c *checker) find(code Code, r *record, format string, args ...any) {
	f := Finding{Code: code, Index: -1, Sentence: fmt.Sprintf(format, args...), Next: code.next()}
	if r != nil {
		f.Index, f.Entry = r.idx, r.sealed.String()
	}
	c.report.add(f)
}

// add checks a record and appends it to the tree. It returns the nodes that it
// completes, which are the caller's until the next add, and reads the record's
// header into h.
func (c *checker) add(r *record, h *header) []tlog.Hash {
	hash := tlog.RecordHash(r.seal)
	if r.hash != nil && !bytes.Equal(hash[:], r.hash) {
		c.find(SealAltered, r, "the leaf at index %d of the tree does not have the hash that was stored with it", r.idx)
	}
	c.entry(r, h)
	nodes := c.tree.add(hash)
	c.report.Checked++
	c.reached()
	return nodes
}

// gap stands in for places whose rows are gone: nothing after them can be right.
func (c *checker) gap(until int64) {
	c.find(SealMissing, nil, "the tree has no rows for index %d to %d", c.tree.size, until-1)
	for c.tree.size < until {
		c.tree.add(tlog.Hash{})
		c.reached()
	}
}

// reached compares the tree with the checkpoints of its size.
func (c *checker) reached() {
	for len(c.wanted) > 0 && c.wanted[0].Size <= c.tree.size {
		w := c.wanted[0]
		c.wanted = c.wanted[1:]
		if !c.ours(w) || w.Size < c.tree.size { // it was before where the verification began
			continue
		}
		if w.Root == c.tree.root() {
			if w.anchored {
				c.report.Anchored = w.Size
			}
			continue
		}
		if w.anchored {
			c.unmet = append(c.unmet, w) // until it is known whether somebody answers for it
		} else {
			c.find(CheckpointMismatch, nil, "the first %d entries are not those that were signed at that size", w.Size)
		}
	}
}

// ours reports whether a checkpoint is of this log, or of one that it goes on
// from: an anchor may keep those of many.
func (c *checker) ours(w want) bool {
	switch {
	case !w.anchored:
		return true
	case slices.Contains(c.logs, w.logID()):
		c.report.Notes++
		return true
	case !slices.Contains(c.others, w.Origin):
		c.others = append(c.others, w.Origin)
	}
	return false
}

// entry checks what the record says.
func (c *checker) entry(r *record, h *header) {
	if !r.found {
		c.find(EntryDeleted, r, "the entry at index %d was deleted", r.idx)
		h.reset()
		return
	}
	c.buf = r.expectedSeal(c.buf)
	if !bytes.Equal(c.buf, r.seal) {
		c.find(EntryAltered, r, "the entry at index %d is not the one that was sealed: its text, its time or its transaction was changed", r.idx)
	}
	if h.read(r.leaf) != nil {
		c.find(EntryForeign, r, "the entry at index %d has a text that sqlwitness does not write", r.idx)
		h.reset()
		return
	}
	for _, x := range [...]struct {
		column string
		same   bool
	}{{"id", r.id == h.id}, {"attempt", r.attempt == h.attempt}, {"kind", r.kind == h.kind}, {"stage", r.stage == h.stage}} {
		if !x.same {
			c.find(ColumnAltered, r, "column %s of the entry at index %d does not say what the entry says", x.column, r.idx)
		}
	}
	if h.kind == kindLogOpen {
		c.opening(r)
	} else if r.idx == 0 {
		c.find(LogUnopened, r, "the first entry of the log does not say which log it is")
	}
	if h.log != "" && c.log != "" && h.log != c.log && h.kind != kindLogOpen && !slices.Contains(c.logs, h.log) {
		c.find(EntryForeign, r, "the entry at index %d is of log %s", r.idx, h.log)
	}
	c.meaning(r, h)
}

// opening is an entry that opens a log.
func (c *checker) opening(r *record) {
	var o logOpen
	if err := json.Unmarshal(r.leaf, &o); err != nil || o.Log == "" {
		c.find(EntryForeign, r, "the entry at index %d opens a log without a name", r.idx)
		return
	}
	if !o.opens(r.idx) {
		c.logs = append(c.logs, o.Log) // another process was faster
		return
	}
	if r.idx > 0 {
		if o.Parent.Log != c.log || o.Parent.Root != c.tree.root().String() {
			c.find(LogReplaced, r, "the log that is opened at index %d goes on from another one than is here", r.idx)
		}
		c.find(CopyStarted, r, "from index %d on this is a copy of log %s, in another database", r.idx, o.Parent.Log)
	}
	c.log = o.Log
	c.logs = append(c.logs, o.Log)
	c.report.Log, c.report.opened = o.Log, &o
}

// meaning checks what entries say together.
func (c *checker) meaning(r *record, h *header) {
	switch h.kind {
	case kindIntent:
		c.open[h.attempt] = r.idx
	case kindOutcome, KindRecovered:
		delete(c.open, h.attempt)
	case KindPrune, KindErase:
		c.erasure(r)
	case KindRotated, KindGivenUp:
		c.stated(r.idx, r.leaf)
	}
	at := r.at()
	if at.IsZero() {
		return // found as an altered entry, or before the clock was kept
	}
	if c.latest.Sub(at) > clockTolerance {
		c.find(ClockBack, r, "the database's clock had gone back by %s when the entry at index %d was written", c.latest.Sub(at).Round(time.Second), r.idx)
	}
	if at.After(c.latest) {
		c.latest = at
	}
}

// section checks a section of an entry.
func (c *checker) section(r *record, s readSection, h *header) {
	c.report.Sections++
	for i, want := range h.sections {
		if want.name != s.name {
			continue
		}
		if len(s.salt) != saltSize || want.mac != s.commit() { // HMAC takes a salt for the same with zeros behind it
			c.find(SectionAltered, r, "section %s of the entry at index %d is not the one that was written", s.name, r.idx)
		}
		h.sections = slices.Delete(h.sections, i, i+1)
		return
	}
	c.find(SectionForeign, r, "the entry at index %d has a section %q that it knows nothing of", r.idx, s.name)
}

// rest is told the sections of an entry that did not come.
func (c *checker) rest(r *record, h *header) {
	for _, s := range h.sections {
		c.report.Erased++
		g := gone{hex.EncodeToString(r.id[:]), s.name}
		if c.erased[g] {
			delete(c.erased, g)
		} else {
			c.missing[g] = r.idx
		}
	}
}

// erasure is an entry that says which sections were erased.
func (c *checker) erasure(r *record) {
	var leaf struct {
		Facts map[string]any `json:"facts"`
	}
	if json.Unmarshal(r.leaf, &leaf) != nil {
		return
	}
	for section, entries := range Covered(leaf.Facts) {
		for _, entry := range entries {
			g := gone{entry, section}
			if _, ok := c.missing[g]; ok {
				delete(c.missing, g)
			} else {
				c.erased[g] = true
			}
		}
	}
}

// end is told that there are no more records.
func (c *checker) end() {
	r := c.report
	r.Size, r.Root = c.tree.size, c.tree.root()
	for g, idx := range c.missing {
		r.add(Finding{Code: SectionMissing, Index: idx, Entry: idOf(g.entry), Next: SectionMissing.next(),
			Sentence: fmt.Sprintf("section %s of the entry at index %d is gone, and no entry says that it was erased", g.section, idx)})
	}
	for _, w := range c.wanted {
		if !c.ours(w) {
			continue
		}
		if w.anchored {
			c.unmet = append(c.unmet, w)
		} else {
			c.find(Truncated, nil, "a checkpoint covers %d entries, and there are %d: the end was cut off", w.Size, r.Size)
		}
	}
	c.lost()
	switch {
	case c.anchors == 0 || r.Notes > 0:
	case len(c.others) > 0:
		c.find(LogReplaced, nil, "the anchors have checkpoints of %s, and none of the log that is here", c.others[0])
	default:
		r.unchecked("the anchors: they have no checkpoint that a given key signed")
	}
	for attempt, idx := range c.open {
		c.report.add(Finding{Code: IntentOpen, Index: idx, Next: IntentOpen.next(),
			Sentence: fmt.Sprintf("migration attempt %s began, and no entry says how it ended", attempt)})
	}
}

// answeredFor is the answer for it that the log does not have a checkpoint, signed
// by the key that has signed that or by one in its place; nil for none.
func (c *checker) answeredFor(w want) *answer {
	for _, a := range c.givenUp[w.Checkpoint] {
		if c.keys.follows(a.by, w.by) {
			return &a
		}
	}
	return nil
}

// lost tells the checkpoints of the anchors that somebody answers for from those
// that nobody does.
func (c *checker) lost() {
	answered := map[int64][]Checkpoint{} // by the place of the entry
	for _, w := range c.unmet {
		if a := c.answeredFor(w); a != nil {
			answered[a.idx] = append(answered[a.idx], w.Checkpoint)
			continue
		}
		c.report.Lost = append(c.report.Lost, w.Checkpoint)
		if w.Size > c.tree.size {
			c.find(AnchorAhead, nil, "an anchor has a checkpoint of %d entries, and there are %d: the end was cut off", w.Size, c.tree.size)
		} else {
			c.find(AnchorMismatch, nil, "the first %d entries are not those that an anchor has the checkpoint of: history was rewritten", w.Size)
		}
	}
	for _, idx := range slices.Sorted(maps.Keys(answered)) {
		list := answered[idx]
		c.report.add(Finding{Code: LogRecovered, Index: idx, Next: LogRecovered.next(),
			Sentence: fmt.Sprintf("a part of the log was lost: %d checkpoints of the anchors, the largest of %d entries, are not of this history, and the entry at index %d answers for them",
				len(list), list[len(list)-1].Size, idx)})
	}
}

// idOf is the id of an entry as people read it, from 32 hexadecimal digits.
func idOf(hex string) string {
	if id, err := uuid.Parse(hex); err == nil {
		return id.String()
	}
	return hex
}
