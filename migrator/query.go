package migrator

import "github.com/sqlwitness/sqlwitness/sqltext"

// query is a Query whose rows matter.
type query struct {
	call     Call
	run      *run // that it belongs to
	touch    *touch
	locks    []sqltext.LockCall
	table    bool // a lock table
	release  bool
	body     *migration // of whose body it is
	rows     int
	versions []string
	keys     []string
	first    []string // the first row
}

// absent reports whether a question for one row was answered with no.
func (q *query) absent() bool {
	return q.call.Err == nil && (q.rows == 0 || len(q.first) == 1 && isFalse(q.first[0]))
}

// row takes in a row of a query.
func (t *Tracker) row(cn *conn, c *Call) {
	q := cn.query
	if q == nil {
		return
	}
	q.rows++
	if q.rows == 1 {
		q.first = make([]string, len(c.Values))
		for i, v := range c.Values {
			q.first[i], _ = argument(v)
		}
	}
	if q.touch != nil && q.run == t.run && t.run != nil {
		t.versionRow(q, c)
	}
}

// rowEnd takes in the end of a query's rows.
func (t *Tracker) rowEnd(cn *conn, c *Call) {
	q := cn.query
	if q == nil {
		return
	}
	q.call.Err = c.Err
	if d := c.Start.Add(c.Duration).Sub(q.call.Start); d > q.call.Duration {
		q.call.Duration = d
	}
	t.finishQuery(cn)
}

// finishQuery takes in what a query has returned.
func (t *Tracker) finishQuery(cn *conn) {
	q := cn.query
	if q == nil {
		return
	}
	cn.query = nil
	c := &q.call
	switch {
	case len(q.locks) > 0:
		t.lockAnswered(cn, c, q.locks, q)
	case q.table:
		t.lockTableAnswered(cn, c, q.release, q.rows > 0)
	case t.run == nil || q.run != t.run:
	case q.touch != nil && !q.touch.kind.isMark():
		t.consulted(cn, c, *q.touch, q)
	case q.touch != nil:
		versions := q.versions
		if len(versions) == 0 {
			versions = t.versionsOf(*q.touch, c.Args)
		}
		t.run.own(c)
		t.marked(cn, c, *q.touch, versions, false)
		if len(q.keys) == 1 && len(versions) == 1 {
			t.run.name(q.keys[0], versions[0])
		}
	case q.body != nil && c.Err != nil:
		q.body.fail(c)
		t.bodyFailed(cn, c, q.body, t.grade(cn, c))
	}
}

// versionRow reads a row of the version table.
func (t *Tracker) versionRow(q *query, c *Call) {
	r := t.run
	k := r.tool()
	if k == nil {
		return
	}
	version, key, flag := "", "", true
	var hasVersion, hasKey bool
	if r.made != nil && k == &r.made.tool {
		version, hasVersion = r.made.answer(q.call.Text, c)
	}
	for i, name := range c.Columns {
		if i >= len(c.Values) {
			break
		}
		s, ok := argument(c.Values[i])
		switch {
		case !ok || name == "":
		case name == k.version:
			version, hasVersion = s, true
		case name == k.row:
			key, hasKey = s, true
		case name == k.applied:
			flag = isTrue(s)
		case name == k.dirty:
			r.dirty = isTrue(s) && r.lock != nil
		}
	}
	if hasVersion && hasKey {
		r.name(key, version)
	}
	if q.touch.kind.isMark() {
		if hasVersion && len(q.versions) < maxApplied {
			q.versions = append(q.versions, version)
		}
		if hasKey && len(q.keys) < 2 {
			q.keys = append(q.keys, key)
		}
		return
	}
	if q.touch.kind != touchRead || !hasVersion {
		return
	}
	if q.rows == 1 {
		r.applied = applied{}
		r.known, r.current = true, version
	}
	if flag && version != k.seed {
		r.applied.add(version)
	}
}

// name keeps the version that a row's key stands for.
func (r *run) name(key, version string) {
	if len(r.keys) < maxApplied {
		r.keys[key] = version
	}
}
