package eventlog

import (
	"github.com/rs/zerolog"

	"github.com/sqlwitness/sqlwitness/event"
)

// Timeouts tells which timeouts are in force on the connection of a run. lock is
// the one that bounds waiting for a table's lock, and bound whether it does.
func (l *Log) Timeouts(tr event.Trace, db event.Database, list []event.Timeout, lock string, bound bool) {
	e := l.begin(&l.later, zerolog.InfoLevel, "run.timeouts", tr, db)
	for _, t := range list {
		ms(e, t.Name+"_ms", t.Value)
	}
	e.Bool("lock_timeout_set", bound)
	if !bound {
		e.Str("message", "no lock timeout bounds this run: it waits for a lock for as long as the holder likes, and whoever comes after waits too; set "+lock)
	}
	e.Send()
}
