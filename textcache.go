package sqlwitness

import (
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sqlwitness/sqlwitness/metrics"
	"github.com/sqlwitness/sqlwitness/migrator"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// text is all that a connector knows of one SQL text: worked out once, when the
// text is first seen, and read-only from then on.
type text struct {
	*sqltext.Text
	role    migrator.Role
	watched bool // a lock or a recogniser is interested: the text takes the long way
	slow    int64
	latency *metrics.Histogram // in the steady phase
	notable notable
}

// tables are the names of the tables that the text names; none where what looks
// like a table may be part of a literal.
func (t *text) tables() []string {
	if !t.Certain {
		return nil
	}
	var names []string
	for i := range t.Statements {
		for _, table := range t.Statements[i].Tables {
			names = append(names, table.String())
		}
	}
	return names
}

// locksTables reports whether a transaction that has run the text keeps others
// from a table until it ends.
func (t *text) locksTables() bool {
	return t.Class() == sqltext.ClassDDL || t.Class() == sqltext.ClassWrite || t.Class() == sqltext.ClassLock
}

// concurrently reports whether the text builds or drops an index without
// stopping writes.
func (t *text) concurrently() bool {
	return slices.ContainsFunc(t.Statements, func(s sqltext.Statement) bool { return s.Concurrently })
}

// never is the threshold of a text that is never slow.
const never = math.MaxInt64

// textCache keeps the analysed texts of one connector. Texts are looked up by
// content, never by address: some callers build queries in buffers that they
// use again, so an address says nothing about what it holds.
//
// Two generations bound it: when the young one holds half the limit it becomes
// the old one, and what nobody asks for again is gone at the next turn.
type textCache struct {
	limit   int
	analyse func(sql string) *text
	misses  func()

	mu         sync.Mutex
	young, old map[string]*text
}

func newTextCache(limit int, analyse func(string) *text, misses func()) *textCache {
	return &textCache{limit: limit, analyse: analyse, misses: misses, young: map[string]*text{}}
}

func (c *textCache) get(sql string) *text {
	c.mu.Lock()
	t, ok := c.young[sql]
	if !ok {
		if t, ok = c.old[sql]; ok {
			c.put(t)
		}
	}
	c.mu.Unlock()
	if ok {
		return t
	}
	c.misses()
	t = c.analyse(strings.Clone(sql)) // outside the lock: it may take a microsecond or, for a long text, many
	if len(sql) > sqltext.MaxText {
		return t // one such text would weigh as much as a hundred others
	}
	c.mu.Lock()
	c.put(t)
	c.mu.Unlock()
	return t
}

// put adds t to the young generation. c.mu is held.
func (c *textCache) put(t *text) {
	if len(c.young) >= (c.limit+1)/2 {
		c.old, c.young = c.young, make(map[string]*text, len(c.young))
	}
	c.young[t.SQL] = t
}

// recent is a connection's own short way to the texts that it sends again and
// again: the last one, then a small map. One goroutine at a time uses a
// connection, so neither needs a lock.
type recent struct {
	last *text
	few  map[string]*text
}

// maxRecent bounds a connection's own map.
const maxRecent = 128

func (r *recent) get(sql string, all *textCache) *text {
	if t := r.last; t != nil && t.SQL == sql {
		return t
	}
	t, ok := r.few[sql]
	if !ok {
		t = all.get(sql)
		if len(t.SQL) <= sqltext.MaxText {
			if r.few == nil || len(r.few) >= maxRecent {
				r.few = make(map[string]*text, 8)
			}
			r.few[t.SQL] = t
		}
	}
	r.last = t
	return t
}

// threshold turns a configured duration into nanoseconds; zero or less is never.
func threshold(d time.Duration) int64 {
	if d <= 0 {
		return never
	}
	return int64(d)
}

// tx reports whether the text begins or ends a transaction.
func (t *text) tx() bool { return t.Class() == sqltext.ClassTx }

// isCommit reports whether the text is a lone COMMIT: the end of a transaction
// that the caller drives by SQL text.
func (t *text) isCommit() bool { return t.Count == 1 && t.Operation().String() == "COMMIT" }
