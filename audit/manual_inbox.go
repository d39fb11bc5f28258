package audit

import (
	"cmp"
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

// maxInbox is about how many notes are read at a time: a transaction is read
// whole, however many it has.
const maxInbox = 1000

// seen is DDL that an event trigger has noted.
type seen struct {
	xid            uint64
	at             time.Time
	pid            string
	who, role, app string
	tag, object    string
}

// readInbox tells of DDL that no migration did, and returns the transaction
// before which it has read all; "" where there is no inbox. Only transactions
// that have ended are read, so that none is missed for committing late. Of a long
// inbox it reads up to the first notes that are worth telling, and the next look
// goes on from there.
func (s *Store) readInbox(ctx context.Context, c *sql.Conn) (upto string, err error) {
	if s.dialect.system != "postgresql" {
		return "", nil
	}
	there, err := strs(ctx, c, "SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'sqlwitness' AND c.relname = 'inbox'")
	if err != nil || len(there) != 1 {
		return "", err
	}
	last, err := s.lastNote(ctx, c, KindState, KindForeign)
	if err != nil {
		return "", err
	}
	text, _ := last["inbox"].(string)
	from, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		from = 0
	}
	for upto = ""; upto == ""; {
		var list []seen
		err := s.dialect.reading(ctx, c, func() (err error) {
			if list, err = inbox(ctx, c, from, there[0]); err != nil {
				return err
			}
			if len(list) < maxInbox {
				upto = there[0]
			} else {
				from = list[len(list)-1].xid + 1
			}
			list, err = s.foreign(ctx, c, list)
			return err
		})
		if err != nil {
			return "", err
		}
		if len(list) > 0 {
			upto = cmp.Or(upto, strconv.FormatUint(from, 10))
			return upto, s.outOfBand(ctx, c, list, upto)
		}
	}
	return upto, nil
}

// inbox reads the notes of the next transactions, from one on and before another.
func inbox(ctx context.Context, c queryer, from uint64, before string) ([]seen, error) {
	rows, err := c.QueryContext(ctx, fmt.Sprintf(`SELECT xid::pg_catalog.text, pg_catalog.to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), pid::pg_catalog.text, who, role, app, tag, coalesce(object, '')
FROM (SELECT * FROM sqlwitness.inbox WHERE xid >= '%d'::xid8 AND xid < '%s'::xid8 ORDER BY xid FETCH FIRST %d ROWS WITH TIES) i ORDER BY i.xid, i.at`, from, before, maxInbox))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []seen
	for rows.Next() {
		var d seen
		var at string
		if err := rows.Scan(&d.xid, &at, &d.pid, &d.who, &d.role, &d.app, &d.tag, &d.object); err != nil {
			return nil, err
		}
		if d.at, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, rows.Err()
}

// foreign leaves out what migrations did.
func (s *Store) foreign(ctx context.Context, c queryer, list []seen) ([]seen, error) {
	if len(list) == 0 {
		return nil, nil
	}
	first := slices.MinFunc(list, func(a, b seen) int { return a.at.Compare(b.at) })
	spans, err := s.spans(ctx, c, first.at)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(d seen) bool {
		return slices.ContainsFunc(spans, func(a span) bool { return a.did(d) })
	}), nil
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
