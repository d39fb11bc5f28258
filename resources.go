package sqlwitness

import (
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/probe"
)

// usedUp tells what the server used up while a run migrated, if it was asked
// both before the run's end and after it: the observer is in nobody's way, and a
// short run may be over before it has a connection.
func usedUp(run *event.Run, before, after probe.Usage, tell func(event.Resources)) {
	if before.At().IsZero() || after.At().IsZero() || !before.At().Before(run.Start.Add(run.Duration)) {
		return
	}
	r := after.Since(before)
	r.Trace, r.Database, r.Tool = run.Trace, run.Database, run.Tool
	tell(r)
}

// used passes on what was used up.
func (c *connector) used(r event.Resources) {
	defer c.w.contain("probe")
	c.w.each(func(s event.Sink) { s.Resources(&r) })
}
