package audit

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// Underway is a migration that the trail's latest entries tell of.
type Underway struct {
	Run       string // id
	Migration string // id
	Tool      string
	Version   *string // nil where it was not known yet
	Database  event.Database
	Started   time.Time // by the migrating process's clock; zero where it is not recorded
	Session   int64     // the server's number of the session that migrates; 0 where it was not noted

	Ended    bool
	Outcome  event.Outcome // if it has ended
	Duration time.Duration // if it has ended
}

// latestEntries is how many of the trail's entries are read to see what is under
// way: a number that does not grow with the trail.
const latestEntries = 64

// Latest lists the migrations that the trail's latest entries tell of, the last
// one first. One that has not ended is there only while the session that its
// intent names is: a process that was killed leaves an intent, too. Without such a
// number it is left out until it has ended. On MySQL and MariaDB the trail is that of the
// whole server. Nothing is locked, written or verified.
func Latest(ctx context.Context, c *sql.Conn, system string) ([]Underway, error) {
	d := dialectOf(system)
	if d == nil || d.recovery.busy == nil {
		return nil, errUnsupported
	}
	list, err := d.latest(ctx, c)
	if err != nil {
		return nil, err
	}
	var there []Underway
	for _, l := range list {
		if !l.Ended {
			if l.Session == 0 {
				continue
			}
			n, err := strs(ctx, c, d.recovery.busy(sessionOf{id: l.Session, user: l.user, before: l.at}))
			if err != nil {
				return nil, err
			}
			if len(n) != 1 || n[0] == "0" {
				continue
			}
		}
		there = append(there, l.Underway)
	}
	return there, nil
}

// latest is a migration with what tells whether its session is still there.
type latest struct {
	Underway
	user string
	at   time.Time
}

func (d *dialect) latest(ctx context.Context, c queryer) ([]latest, error) {
	rows, err := c.QueryContext(ctx, "SELECT "+d.recovery.id("e.attempt")+", e.kind, "+d.dbTime+", "+d.recovery.leaf+", "+d.recovery.body+
		" FROM "+d.prefix+"entry e LEFT JOIN "+d.prefix+"payload p ON p.entry = e.id AND p.section = '"+sectionActor+"' AND e.kind = '"+kindIntent+"'"+
		" ORDER BY e.id DESC LIMIT "+strconv.Itoa(latestEntries))
	if err != nil {
		return nil, noTables(err)
	}
	defer rows.Close()
	var list []latest
	ended := map[string]bool{}
	for rows.Next() {
		var attempt, kind, at, leaf string
		var body sql.NullString
		if err := rows.Scan(&attempt, &kind, &at, &leaf, &body); err != nil {
			return nil, err
		}
		switch kind {
		case kindOutcome:
			if p, ok := pastOf(at, leaf, ""); ok && !ended[attempt] {
				list = append(list, latest{Underway: Underway{Run: p.Run, Migration: p.Migration, Tool: p.Tool, Version: p.Version,
					Database: p.Database, Started: p.Started, Ended: true, Outcome: p.Outcome, Duration: p.Duration}})
			}
			ended[attempt] = true
		case KindRecovered:
			ended[attempt] = true
		case kindIntent:
			if l, ok := intentOf(at, leaf, body.String); ok && !ended[attempt] {
				list = append(list, l)
			}
		}
	}
	return list, rows.Err()
}

// intentOf reads an intent; false where it is not of this form.
func intentOf(at, leaf, actor string) (latest, bool) {
	var l leafOf
	text, err := hex.DecodeString(leaf)
	if err != nil || json.Unmarshal(text, &l) != nil {
		return latest{}, false
	}
	recorded, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return latest{}, false
	}
	start, _ := time.Parse(time.RFC3339Nano, l.Started)
	who := fieldsOf(actor)
	session, _ := strconv.ParseInt(who["db_session"], 10, 64)
	return latest{user: who["db_user"], at: recorded, Underway: Underway{Run: l.Run, Migration: l.Migration, Tool: l.Tool, Version: l.Version,
		Database: event.Database{System: l.DB.System, Name: l.DB.Name}, Started: start, Session: session}}, true
}
