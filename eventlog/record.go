package eventlog

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/sqlwitness/sqlwitness/event"
)

// Recovered writes audit.recovered, for how a migration ended whose process did
// not live to say so: committed, rolled_back, still_running or unknown.
func (l *Log) Recovered(tr event.Trace, db event.Database, resolution string) {
	e := l.begin(&l.later, zerolog.WarnLevel, "audit.recovered", tr, db)
	e.Str("migration_id", tr.MigrationID).Str("resolution", resolution).Send()
}

// Checkpoint writes audit.checkpoint, with the whole signed note: a log that
// leaves the host is an anchor.
func (l *Log) Checkpoint(db event.Database, origin string, size int64, note []byte) {
	e := l.begin(&l.later, zerolog.InfoLevel, "audit.checkpoint", event.Trace{}, db)
	e.Str("origin", origin).Int64("size", size).Bytes("note", note).Send()
}

// Suppression is a step in the life of a known issue.
type Suppression struct {
	Kind         string // created, hit, pierced, expiring, expired or removed
	ID           string
	Reason       string
	Creator      string
	Until        time.Time
	UntilVersion string // "" for none
	Hits         int    // so far, by this process
}

// Suppression writes alert.suppression.
func (l *Log) Suppression(tr event.Trace, db event.Database, s Suppression) {
	e := l.begin(&l.later, zerolog.InfoLevel, "alert.suppression", tr, db)
	if e == nil {
		return
	}
	e.Str("kind", s.Kind).
		Str("id", s.ID).
		Str("reason", clip(s.Reason, maxText)).
		Str("created_by", clip(s.Creator, maxName)).
		Str("until", s.Until.UTC().Format(time.RFC3339)).
		Str("until_version", clip(s.UntilVersion, maxName)).
		Int("hits", s.Hits).
		Send()
}

// Setting is one that has another value than before; "" is unset.
type Setting struct{ Name, From, To string }

// ConfigChanged writes config.changed, for a process that runs with another
// configuration than the last one. No secret may be among the settings.
func (l *Log) ConfigChanged(db event.Database, hash, before string, changed []Setting) {
	e := l.begin(&l.later, zerolog.InfoLevel, "config.changed", event.Trace{}, db)
	if e == nil {
		return
	}
	list := e.CreateArray()
	for _, s := range changed {
		list.Dict(e.CreateDict().Str("name", s.Name).Str("from", clip(s.From, maxName)).Str("to", clip(s.To, maxName)))
	}
	e.Str("hash", hash).Str("before", before).Array("changed", list).Send()
}
