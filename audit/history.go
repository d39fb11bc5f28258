package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// Past is a migration whose end the trail records.
type Past struct {
	At        time.Time // recorded, by the database's clock
	Database  event.Database
	Run       string // id
	Migration string // id
	Tool      string
	Version   *string // nil where the version never reached the driver
	Direction event.Direction
	Outcome   event.Outcome
	Started   time.Time // by the migrating process's clock; zero where it is not recorded
	Duration  time.Duration

	// Statements is equal for migrations that ran the same statements, but for
	// literals. It is "" where that is not known: they have been erased, are not
	// all recorded, or are too many.
	Statements string
}

// maxCompared bounds the section that is read for the statements of one
// migration, in bytes.
const maxCompared = 16 << 10

// History lists the migrations that ended last, up to limit, the last one first.
// A server of MySQL or MariaDB has one trail for all its databases. It reads by
// the tables' primary keys, through the store's own connection, which the next
// intent may want: bound ctx. It checks nothing: entries that are not of this form
// are left out, which is verification's business. In the mode Off there are none.
func (s *Store) History(ctx context.Context, limit int) (list []Past, err error) {
	if s.cfg.Mode == Off {
		return nil, nil
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	// Not through: a reading that fails is no reason to write to the spool.
	err = s.own.do(ctx, func(ctx context.Context, c *sql.Conn) error {
		return s.dialect.reading(ctx, c, func() (err error) {
			list, err = s.dialect.history(ctx, c, limit)
			return err
		})
	})
	return list, err
}

func (d *dialect) history(ctx context.Context, c *sql.Conn, limit int) ([]Past, error) {
	rows, err := c.QueryContext(ctx, "SELECT "+d.dbTime+", "+d.recovery.leaf+
		", CASE WHEN LENGTH(p.body) <= "+strconv.Itoa(maxCompared)+" THEN "+d.recovery.body+" END"+
		" FROM "+d.prefix+"entry e LEFT JOIN "+d.prefix+"payload p ON p.entry = e.id AND p.section = '"+sectionSQL+"'"+
		" WHERE e.kind = '"+kindOutcome+"' ORDER BY e.id DESC LIMIT "+strconv.Itoa(limit))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Past
	for rows.Next() {
		var at, leaf string
		var body sql.NullString
		if err := rows.Scan(&at, &leaf, &body); err != nil {
			return nil, err
		}
		if p, ok := pastOf(at, leaf, body.String); ok {
			list = append(list, p)
		}
	}
	return list, rows.Err()
}

// pastOf reads an outcome; false where it is not of this form.
func pastOf(at, leaf, body string) (Past, bool) {
	var l struct {
		leafOf
		Outcome  string `json:"outcome"`
		Duration string `json:"duration_ns"`
	}
	text, err := hex.DecodeString(leaf)
	if err != nil || json.Unmarshal(text, &l) != nil {
		return Past{}, false
	}
	recorded, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return Past{}, false
	}
	took, err := strconv.ParseInt(l.Duration, 10, 64)
	if err != nil {
		return Past{}, false
	}
	started, _ := time.Parse(time.RFC3339Nano, l.Started)
	return Past{
		At:       recorded,
		Started:  started,
		Database: event.Database{System: l.DB.System, Name: l.DB.Name},
		Run:      l.Run, Migration: l.Migration,
		Tool: l.Tool, Version: l.Version, Direction: event.Direction(l.Direction), Outcome: event.Outcome(l.Outcome),
		Duration: time.Duration(took), Statements: sameness(body),
	}, true
}

// sameness tells the statements of one section from others.
func sameness(body string) string {
	var s struct {
		Statements []struct {
			Op string `json:"op"`
			FP string `json:"fp"`
		} `json:"statements"`
		LeftOut int `json:"left_out"`
	}
	text, err := hex.DecodeString(body)
	if err != nil || json.Unmarshal(text, &s) != nil || len(s.Statements) == 0 || s.LeftOut > 0 {
		return ""
	}
	sum := sha256.New()
	for _, st := range s.Statements {
		if st.FP == "" {
			return ""
		}
		fmt.Fprintln(sum, st.Op, st.FP)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
