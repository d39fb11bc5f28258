package sqlwitness

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/eventlog"
)

// This file is what passes between the audit trail and the rest: what the store
// asks and tells, and what is asked of it.

// openAudit opens the audit store of a connector.
func (c *connector) openAudit(inMemory bool) {
	// complete has opened a store with this configuration, so there is no error.
	c.audit, _ = audit.Open(c.w.cfg.Audit, c.db, c.parent.Connect, audit.Deps{
		Library:    Version(),
		InMemory:   inMemory,
		Report:     c.auditTrouble,
		Recovered:  c.recovered,
		Finding:    c.found,
		Configured: c.reconfigured,
		Session:    c.sessionOf,
		Checkpoint: c.checkpoint,
	})
}

// auditTrouble passes on what keeps the audit trail from being written.
func (c *connector) auditTrouble(t audit.Trouble) {
	c.w.trouble(event.Trouble{Database: c.db, Part: "audit", Kind: string(t.Kind), Message: t.Message, Hint: t.Hint,
		Fallback: t.Spool, ErrorClass: t.Class, SQLState: t.SQLState, Over: t.Over})
}

// recovered passes on how a migration ended whose process did not live to say so.
func (c *connector) recovered(r audit.Recovery) {
	defer c.w.contain("audit")
	c.w.log.Recovered(r.Migration.Trace, r.Migration.Database, string(r.Resolution))
	c.w.each(func(s event.Sink) { s.Migration(r.Migration) })
}

// checkpoint logs each checkpoint: a log that leaves the host is an anchor.
func (c *connector) checkpoint(p audit.Checkpoint, note []byte) {
	c.w.log.Checkpoint(c.db, p.Origin, p.Size, note)
}

// reconfigured logs that the process runs with another configuration than the last
// one.
func (c *connector) reconfigured(r audit.Reconfiguration) {
	defer c.w.contain("audit")
	changed := make([]eventlog.Setting, len(r.Changed))
	for i, s := range r.Changed {
		changed[i] = eventlog.Setting(s)
	}
	c.w.log.ConfigChanged(c.db, r.Hash, r.Before, changed)
}

// sessionOf is the server's number of a connection's session; 0 if it is not known.
func (c *connector) sessionOf(id uint64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		if conn.id == id {
			return conn.session.id.Load()
		}
	}
	return 0
}

// audited are the connectors that have an audit trail, one for each database.
func (w *Witness) audited() []*connector {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[event.Database]bool{}
	var list []*connector
	for c := range w.connectors {
		if !seen[c.db] {
			seen[c.db] = true
			list = append(list, c)
		}
	}
	return list
}

// auditStatus sums up what this process has written.
func (w *Witness) auditStatus(context.Context) (dashboard.Status, error) {
	s := dashboard.Status{Mode: w.cfg.Audit.Mode.String()}
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.connectors {
		now := c.audit.Stats()
		s.Entries += now.InTx + now.Written
		s.Spooled += now.Spooled
		s.Lost += now.Lost
	}
	return s, nil
}

// verifyAudit checks the trail of each database that is connected to.
func (w *Witness) verifyAudit(ctx context.Context) (dashboard.Status, error) {
	s, err := w.auditStatus(ctx)
	if err != nil {
		return s, err
	}
	s.Verdict, s.Verified = dashboard.Intact, time.Now()
	var keys []string
	if public, err := w.cfg.Audit.Key.Public(); err == nil && public != "" {
		keys = append(keys, public)
	}
	databases := w.audited()
	if len(databases) == 0 {
		s.Verdict, s.Note = dashboard.Unknown, "no database is connected"
	}
	for _, c := range databases {
		report, err := c.verifyAudit(ctx, keys)
		switch {
		case err != nil:
			if s.Verdict == dashboard.Intact {
				s.Verdict = dashboard.Unknown
			}
			class, code := event.Classify(err)
			s.Note = fmt.Sprintf("the trail of %s could not be checked: %s %s", c.db.Name, class, code)
		default:
			if err := c.audit.Verified(ctx, report); err != nil && w.cfg.Audit.Mode != audit.Off {
				class, code := event.Classify(err)
				s.Note = fmt.Sprintf("this verification of %s is not in the record: the entry could not be written (%s %s)", c.db.Name, class, code)
			}
			if report.Altered() {
				s.Verdict = dashboard.Broken
			}
			c.verified(report)
			for _, f := range report.Findings {
				s.Findings = append(s.Findings, f.Sentence)
			}
			for _, u := range report.Unchecked {
				s.Note = u
			}
		}
	}
	return s, nil
}

// verified tells that the trail was altered, so that somebody is alerted, and when
// a later verification finds it whole.
func (c *connector) verified(r *audit.Report) {
	altered := r.Altered()
	if c.altered.Swap(altered) == altered {
		return
	}
	t := event.Trouble{Database: c.db, Part: "audit", Kind: "verify_failed", Message: "the audit trail is whole again", Over: !altered}
	if altered {
		first := slices.IndexFunc(r.Findings, func(f audit.Finding) bool { return !f.Code.Warning() })
		t.Message = "the audit trail was altered: " + r.Findings[first].Sentence
		t.Hint = "run sqlwitness audit verify with the anchors' checkpoints, keep the database's logs, and find out who had access"
	}
	c.w.trouble(t)
}

func (c *connector) verifyAudit(ctx context.Context, keys []string) (*audit.Report, error) {
	// Without the parent connector's Close, which is its DB's affair.
	db := sql.OpenDB(struct{ driver.Connector }{c.parent})
	defer db.Close()
	db.SetMaxOpenConns(1)
	report, err := audit.Verify(ctx, db, c.db.System, audit.VerifyConfig{Keys: keys})
	if err == nil && report == nil {
		err = errors.New("no report")
	}
	return report, err
}
