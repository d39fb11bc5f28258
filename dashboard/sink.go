package dashboard

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// maxText bounds the SQL texts that are kept, in bytes.
const maxText = 2000

// Run keeps a run from its start on.
func (d *Dashboard) Run(r *event.Run) {
	d.change(func(seq uint64) {
		k := d.runs.put(runKey(r), seq)
		k.ID, k.Correlation, k.Tool = runKey(r), r.CorrelationID, r.Tool
		k.System, k.Database = r.Database.System, r.Database.Name
		k.Role, k.Start, k.Duration = r.Role, at(r.Start), ms(r.Duration)
		k.Applied, k.RolledBack, k.Failures, k.Statements = r.Applied, r.RolledBack, r.Failures, r.Statements
		k.LockWait, k.LockAttempts = ms(r.LockWait), r.LockAttempts
		k.Retries, k.RetryLost = r.Retries, ms(r.RetryLost)
		if r.Finished {
			k.Outcome = r.Outcome
		}
	})
}

func runKey(r *event.Run) string {
	if r.RunID != "" {
		return r.RunID
	}
	return r.Tool + strconv.FormatInt(r.Start.UnixNano(), 36)
}

// Migration keeps a migration from its start on.
func (d *Dashboard) Migration(m *event.Migration) {
	key := m.MigrationID
	if key == "" {
		key = fmt.Sprint(m.RunID, m.ConnID, m.Start.UnixNano())
	}
	d.change(func(seq uint64) {
		known := d.migrations.get(key) != nil
		k := d.migrations.put(key, seq)
		*k = migration{
			ID: key, Run: m.RunID, Version: version(m.Version), After: m.After, Direction: string(m.Direction), Outcome: string(m.Outcome),
			Start: at(m.Start), Duration: ms(m.Duration), LockWait: ms(m.LockWait), Statements: m.Statements,
			Atomic: m.Atomic, Guarantee: string(m.Guarantee), ErrorClass: m.ErrorClass, SQLState: m.SQLState, Verdict: m.Verdict,
			Body: bodyOf(m), BodyKept: true,
		}
		if f := m.Failing; f != nil {
			k.FailingIndex, k.FailingText = f.Index, cut(f.Text, maxText)
		}
		if !known {
			if old := d.migrations.get(d.bodies.push(key)); old != nil {
				old.Body, old.BodyKept, old.FailingText = []bodyStatement{}, false, cut(old.FailingText, 200)
			}
		}
		if r := d.runs.change(m.RunID, seq); r != nil {
			if r.Last = k.Version; r.First == nil {
				r.First = k.Version
			}
			if !known {
				r.Migrations++
			}
		}
	})
}

// Lock keeps the first waits of a run and what became of them. Locks outside of
// runs show only while they are waited for.
func (d *Dashboard) Lock(l *event.Lock) {
	if l.RunID == "" {
		return
	}
	d.change(func(seq uint64) {
		r := d.runs.change(l.RunID, seq)
		if r == nil {
			return
		}
		k := lockOf(l)
		for i := len(r.locks) - 1; i >= 0; i-- {
			old := &r.locks[i]
			if old.Kind != k.Kind || old.Key != k.Key {
				continue
			}
			switch {
			case l.Stage == event.LockReleased && old.Hold == 0:
				old.Hold = k.Hold
				return
			case l.Stage == event.LockAnomaly:
				old.Anomaly = k.Anomaly
				return
			case old.Outcome == "waiting" && l.Stage != event.LockReleased:
				*old = k
				return
			}
		}
		if len(r.locks) < maxLocks && l.Stage != event.LockReleased {
			r.locks = append(r.locks, k)
		}
	})
}

// ColdStart keeps what the process's start was spent on, with its first run.
func (d *Dashboard) ColdStart(c *event.ColdStart) {
	d.change(func(seq uint64) {
		if r := d.runs.change(c.RunID, seq); r != nil {
			r.effects.ColdStart = &coldStart{Total: ms(c.Total), Connect: ms(c.Connect), Lock: ms(c.Lock), Check: ms(c.Check), Apply: ms(c.Apply)}
		}
	})
}

// Resources keeps what the server used up while a run migrated.
func (d *Dashboard) Resources(u *event.Resources) {
	d.change(func(seq uint64) {
		if r := d.runs.change(u.RunID, seq); r != nil {
			r.effects.Resources = resourcesOf(u)
		}
	})
}

// Trend keeps how a run compares with earlier ones.
func (d *Dashboard) Trend(t *event.Trend) {
	d.change(func(seq uint64) {
		if r := d.runs.change(t.RunID, seq); r != nil {
			r.effects.Trend = trendOf(t)
			for _, s := range t.Slower {
				r.Slower = max(r.Slower, s.Times())
			}
		}
	})
}

// Statement adds a slow or failed statement to those of the same fingerprint.
func (d *Dashboard) Statement(s *event.Statement) {
	if !s.Slow && s.Err == nil {
		return
	}
	d.change(func(seq uint64) {
		k := d.statements.put(s.Fingerprint, seq)
		took := ms(max(s.Duration, s.Open))
		*k = statement{
			Fingerprint: s.Fingerprint, Summary: cut(s.Summary, 200), Text: cut(s.Text, maxText), Class: s.Class, Phase: s.Phase,
			System: s.Database.System, Database: s.Database.Name, Threshold: ms(s.Threshold),
			At: at(s.Start), LastMS: took, Rows: s.Rows, Affected: s.RowsAffected, ErrorClass: s.ErrorClass, SQLState: s.SQLState,
			Count: k.Count + 1, Failed: k.Failed, Max: max(k.Max, took), Total: k.Total + took,
		}
		if s.Err != nil {
			k.Failed++
		}
	})
}

// Look keeps the last look at each statement in flight.
func (d *Dashboard) Look(l *event.Look) {
	d.change(func(uint64) {
		old := d.running[l.ConnID]
		if l.Done {
			delete(d.running, l.ConnID)
			return
		}
		if old == nil && len(d.running) >= maxRunning && !d.makeRoom(l) {
			return
		}
		k := &running{
			Conn: l.ConnID, Run: l.RunID, Migration: l.MigrationID, Tool: l.Tool, Version: version(l.Version),
			System: l.Database.System, Database: l.Database.Name, Operation: l.Operation, Class: l.Class,
			Tables: append([]string{}, first(l.Tables, 16)...), Summary: cut(l.Summary, 200), Text: cut(l.Text, maxText), Phase: l.Phase,
			Start: at(l.Start), Age: ms(l.Age), Picture: pictureOf(l.Picture), looked: d.deps.Now(),
		}
		if m := d.migrations.get(l.MigrationID); m != nil {
			k.After = m.After
		}
		if l.Lock != nil {
			asked := lockOf(l.Lock)
			k.Lock = &asked
		}
		k.Queue = []sample{}
		if old != nil && old.Start == k.Start {
			k.Queue = old.Queue[max(0, len(old.Queue)-maxSamples+1):]
		}
		if l.Picture != nil {
			k.Queue = append(k.Queue[:len(k.Queue):len(k.Queue)], sample{k.Age, float64(l.Picture.Queue)})
		}
		d.running[l.ConnID] = k
	})
}

// makeRoom forgets a statement of the application for one of a run: in a pile-up
// there are many of the former, and the latter is what they wait for.
func (d *Dashboard) makeRoom(l *event.Look) bool {
	if l.RunID == "" {
		return false
	}
	for id, r := range d.running {
		if r.Run == "" {
			delete(d.running, id)
			return true
		}
	}
	return false
}

// stale is how long after the last look a statement is still shown. One that is
// in flight is looked at every 2 s; the look that says that it has ended is
// missing where the witness was closed meanwhile.
const stale = 15 * time.Second

// Alert keeps the last state of each alert.
func (d *Dashboard) Alert(a *event.Alert) {
	d.change(func(seq uint64) {
		k := d.alerts.put(a.Fingerprint, seq)
		*k = alert{
			Fingerprint: a.Fingerprint, Run: a.RunID, System: a.Database.System, Database: a.Database.Name,
			Rule: a.Rule, Severity: string(a.Severity), State: string(a.State), Episode: a.Episode,
			Tool: a.Tool, Version: version(a.Version), Object: cut(a.Object, 200), Title: cut(a.Title, 300), Details: []string{}, Steps: []step{},
			Runbook: a.Runbook, AuditEntry: a.AuditEntry, SuppressWith: cut(a.SuppressWith, maxText), SuppressedBy: a.SuppressedBy,
			Since: at(a.Since), At: at(a.At),
		}
		for _, s := range first(a.Details, 16) {
			k.Details = append(k.Details, cut(s, 500))
		}
		for _, s := range first(a.Steps, 16) {
			k.Steps = append(k.Steps, step{Text: cut(s.Text, 500), SQL: cut(s.SQL, maxText)})
		}
	})
}

// Finding keeps what was found, once for each object.
func (d *Dashboard) Finding(f *event.Finding) {
	key := f.Database.System + "\x00" + f.Database.Name + "\x00" + f.Kind + "\x00" + f.Object
	d.change(func(seq uint64) {
		k := d.findings.put(key, seq)
		*k = finding{Key: key, Run: f.RunID, System: f.Database.System, Database: f.Database.Name, At: at(f.At),
			Kind: f.Kind, Object: cut(f.Object, 200), Message: cut(f.Message, 500), SQL: cut(f.SQL, maxText), Count: k.Count + 1}
	})
}

// Trouble keeps the last state of each trouble of a part of sqlwitness.
func (d *Dashboard) Trouble(t *event.Trouble) {
	key := t.Database.System + "\x00" + t.Database.Name + "\x00" + t.Part + "\x00" + t.Kind
	d.change(func(seq uint64) {
		*d.troubles.put(key, seq) = trouble{Key: key, Database: t.Database.Name, At: at(t.At), Part: t.Part, Kind: t.Kind,
			Message: cut(t.Message, 500), Hint: cut(t.Hint, 500), Fallback: cut(t.Fallback, 300), Over: t.Over}
	})
}

// version copies what an event points to.
func version(v *string) *string {
	if v == nil {
		return nil
	}
	s := cut(*v, 200)
	return &s
}
