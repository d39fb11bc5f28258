package audit

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// This file reads what PostgreSQL's event triggers have noted (see
// pgEventTrigger) and tells apart what migrations did from what went past them.

// sectionInbox holds who did what: names of accounts, which may have to be erased.
const sectionInbox = "inbox"

// nearby is how long before and after a migration the DDL of its account counts
// as its run's: a tool makes its version table before it starts a migration.
const nearby = time.Minute

// maxInbox bounds the notes that one look reads.
const maxInbox = 1000

// seen is DDL that an event trigger has noted.
type seen struct {
	at             time.Time
	pid            string
	who, role, app string
	tag, object    string
}

// readInbox tells of DDL that no migration did, and returns up to which
// transaction it has read; "" where there is no inbox. Only transactions that
// have ended are read, so that none is missed for committing late.
func (s *Store) readInbox(ctx context.Context, c *sql.Conn) (upto string, err error) {
	if s.dialect.system != "postgresql" {
		return "", nil
	}
	there, err := strs(ctx, c, "SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'sqlwitness' AND c.relname = 'inbox'")
	if err != nil || len(there) != 1 {
		return "", err
	}
	upto = there[0]
	last, err := s.lastNote(ctx, c, KindState, KindForeign)
	if err != nil {
		return "", err
	}
	from, _ := last["inbox"].(string)
	if _, err := strconv.ParseUint(from, 10, 64); err != nil {
		from = "0"
	}
	rows, err := c.QueryContext(ctx, `SELECT pg_catalog.to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), pid::pg_catalog.text, who, role, app, tag, coalesce(object, '')
FROM sqlwitness.inbox WHERE xid >= '`+from+`'::xid8 AND xid < '`+upto+fmt.Sprintf(`'::xid8 ORDER BY xid, at LIMIT %d`, maxInbox))
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var list []seen
	for rows.Next() {
		var d seen
		var at string
		if err := rows.Scan(&at, &d.pid, &d.who, &d.role, &d.app, &d.tag, &d.object); err != nil {
			return "", err
		}
		if d.at, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return "", err
		}
		list = append(list, d)
	}
	if err := rows.Err(); err != nil || len(list) == 0 {
		return upto, err
	}
	rows.Close()
	spans, err := s.spans(ctx, c, list[0].at)
	if err != nil {
		return "", err
	}
	list = slices.DeleteFunc(list, func(d seen) bool {
		return slices.ContainsFunc(spans, func(a span) bool { return a.did(d) })
	})
	if len(list) > 0 {
		err = s.outOfBand(ctx, c, list, upto)
	}
	return upto, err
}

// span is the time of an attempt, and who was at it.
type span struct {
	from, to      time.Time // to is zero while it is open
	session, user string
}

func (a span) did(d seen) bool {
	if d.at.Before(a.from.Add(-nearby)) || !a.to.IsZero() && d.at.After(a.to.Add(nearby)) {
		return false
	}
	return d.pid == a.session || d.who == a.user
}

// spans are the attempts that may have been at it since a time.
func (s *Store) spans(ctx context.Context, c queryer, since time.Time) ([]span, error) {
	d := s.dialect
	rows, err := c.QueryContext(ctx, "SELECT "+d.dbTime+", coalesce((SELECT pg_catalog.max("+strings.ReplaceAll(d.dbTime, "e.", "o.")+") FROM sqlwitness.entry o WHERE o.attempt = e.attempt AND o.kind IN ('outcome', 'recovered')), ''), coalesce("+
		d.recovery.body+", '') FROM sqlwitness.entry e LEFT JOIN sqlwitness.payload p ON p.entry = e.id AND p.section = '"+sectionActor+
		"' WHERE e.kind = 'intent' AND e.id >= "+d.lit.id(earliest(since.Add(-day))))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []span
	for rows.Next() {
		var from, to, body string
		if err := rows.Scan(&from, &to, &body); err != nil {
			return nil, err
		}
		var a span
		a.from, _ = time.Parse(time.RFC3339Nano, from)
		a.to, _ = time.Parse(time.RFC3339Nano, to)
		text, _ := hex.DecodeString(body)
		var who map[string]struct{ Value string }
		if json.Unmarshal(text, &who) == nil {
			a.session, a.user = who["db_session"].Value, who["db_user"].Value
		}
		list = append(list, a)
	}
	return list, rows.Err()
}

// outOfBand records and tells of DDL that went past the witness.
func (s *Store) outOfBand(ctx context.Context, c *sql.Conn, list []seen, upto string) error {
	var did []string
	var whole []any
	for i, d := range list {
		did = append(did, strings.TrimSpace(d.tag+" "+d.object))
		if i < maxDiff {
			whole = append(whole, object{"at": timestamp(d.at), "pid": d.pid, "who": cut(d.who, maxField), "role": cut(d.role, maxField),
				"app": cut(d.app, maxField), "tag": d.tag, "object": cut(d.object, maxField)})
		}
	}
	facts := object{"did": listed(did), "count": len(list), "inbox": upto}
	if err := s.noteOn(ctx, c, KindForeign, facts, noted{content: map[string]object{sectionInbox: {"seen": whole}}}); err != nil {
		return err
	}
	first := list[0]
	s.deps.Finding(event.Finding{Database: s.db, At: first.at, Kind: "ddl_out_of_band", Object: first.object,
		Message: fmt.Sprintf("%d DDL commands went past the witness since %s: %s by %s (%s)", len(list), timestamp(first.at),
			strings.Join(did[:min(len(did), 3)], ", "), first.who, first.app)})
	return nil
}
