package sqlwitness

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/migrator"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// This file is what the audit trail is told beside the migrations: what is done
// by hand as far as it passes through here, what runs find and leave, and how we
// are configured.

// notable is a text that changes who may do what, how the server is set up, or
// who holds what lock.
type notable struct {
	kind string // of the entry; "" for a text that is not notable
	last atomic.Int64
}

// notePause is how long the same text is not noted again.
const notePause = int64(time.Minute)

// notableKind tells what a text does by hand.
func notableKind(t *sqltext.Text) string {
	for i := range t.Statements {
		switch t.Statements[i].Operation.String() {
		case "ALTER SYSTEM", "ALTER ROLE", "ALTER DATABASE", "GRANT", "REVOKE":
			return audit.KindServer
		}
		for _, l := range t.Statements[i].Locks {
			if l.Action == sqltext.LockReleaseAll {
				return audit.KindUnlocked
			}
		}
	}
	if !t.Certain || len(t.Redacted) > maxNotable {
		return ""
	}
	text := strings.ToLower(t.Redacted)
	switch {
	case strings.Contains(text, "pg_terminate_backend("), strings.Contains(text, "pg_cancel_backend("), strings.HasPrefix(text, "kill "):
		return audit.KindUnlocked
	case strings.HasPrefix(text, "set global "), strings.HasPrefix(text, "set persist "):
		return audit.KindServer
	}
	return ""
}

// maxNotable bounds the texts that are searched for function names.
const maxNotable = 4096

// noted records a notable text that the server has taken.
func (c *conn) noted(t *text, trace event.Trace) {
	if t.notable.kind == "" {
		return
	}
	now := c.now()
	if last := t.notable.last.Load(); last != 0 && now-last < notePause || !t.notable.last.CompareAndSwap(t.notable.last.Load(), now) {
		return
	}
	// Names of roles may name people, and the leaf is for ever: the text stays out.
	facts := map[string]any{"operation": t.Operation().String(), "fingerprint": t.FingerprintHex(), "run_id": trace.RunID,
		"correlation_id": trace.CorrelationID, "conn_id": c.id}
	c.connector.note(t.notable.kind, facts)
}

// note records something off the caller's path.
func (c *connector) note(kind string, facts map[string]any) {
	c.record(func(ctx context.Context) {
		_ = c.audit.Note(ctx, kind, facts) // it reports its own trouble
	})
}

// record has the audit write something off the caller's path. Where a database
// has one writer at a time (SQLite) it is written at once instead: a writer in the
// background would make the caller's own next write fail.
func (c *connector) record(write func(context.Context)) {
	ctx := context.Background()
	if c.dialect == sqltext.SQLite {
		write(ctx)
		return
	}
	c.recording.begin(func() {
		defer c.w.contain("audit")
		write(ctx)
	})
}

// forced records a version that was set by hand.
func (c *connector) forced(m *event.Migration) {
	version := ""
	if m.Version != nil {
		version = *m.Version
	}
	c.note(audit.KindForce, map[string]any{"tool": m.Tool, "version": version, "after": m.After, "run_id": m.RunID, "migration_id": m.MigrationID})
}

// runBegins has the audit look, before a run changes anything, for what was
// changed by hand since the last one. sent says that the statement which has
// made the run known has been answered: then it must be one that only reads.
func (c *conn) runBegins(ctx context.Context, changes []migrator.Change, t *text, sent bool) {
	if sent && t.Class() != sqltext.ClassRead {
		return
	}
	for _, ch := range changes {
		if r := ch.Run; r != nil && !r.Finished {
			c.connector.runBegan(context.WithoutCancel(ctx), r)
		}
	}
}

func (c *connector) runBegan(ctx context.Context, r *event.Run) {
	if !c.configured.Swap(true) {
		c.record(func(ctx context.Context) { c.audit.Configured(ctx, c.w.cfg.settings()) })
	}
	run := *r
	c.audit.RunStarted(ctx, &run, c.w.madeHere(c.db))
}

// maxMade bounds the tables that are remembered of a database.
const maxMade = 256

// made remembers the tables of DDL outside any migration, such as a tool's own:
// they were not made by hand.
func (c *connector) made(t *text) {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	tables := w.made[c.db]
	for _, table := range t.tables() {
		if len(tables) < maxMade && !slices.Contains(tables, table) {
			tables = append(tables, table)
		}
	}
	w.made[c.db] = tables
}

func (w *Witness) madeHere(db event.Database) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.made[db])
}

// runEnded has the audit note what a run has left the schema at.
func (c *connector) runEnded(r *event.Run) {
	if r.Applied+r.RolledBack+r.Failures > 0 {
		end := *r
		c.record(func(ctx context.Context) { c.audit.RunFinished(ctx, &end) })
	}
}

// settings are what the trail holds of a configuration.
func (c Config) settings() map[string]string {
	set := func(s string) string {
		if s == "" {
			return ""
		}
		return "set"
	}
	return map[string]string{
		"audit.mode":          c.Audit.Mode.String(),
		"audit.key":           set(string(c.Audit.Key)),
		"audit.anchors":       strconv.Itoa(len(c.Audit.Anchors)),
		"alerts.channels":     strconv.Itoa(len(c.Alert.Channels)),
		"alerts.suppressions": strconv.Itoa(len(c.Alert.Suppressions)),
		"alerts.env":          c.Alert.Env,
		"database":            c.Database,
		"dashboard.public":    strconv.FormatBool(c.Dashboard.Public),
		"dashboard.token":     set(c.Dashboard.Token),
		"flush_on_failure":    strconv.FormatBool(c.FlushOnFailure),
		"flush_on_signal":     strconv.FormatBool(c.FlushOnSignal),
		"interceptors":        strconv.Itoa(len(c.Interceptors)),
		"listen":              c.Listen,
		"log.level":           c.LogLevel,
		"no_probe":            strconv.FormatBool(c.NoProbe),
		"push_url":            set(c.PushURL),
		"slow.ddl":            c.Slow.DDL.String(),
		"slow.lock":           c.Slow.Lock.String(),
		"slow.other":          c.Slow.Other.String(),
		"slow.read":           c.Slow.Read.String(),
		"slow.write":          c.Slow.Write.String(),
		"sql_comment":         strconv.FormatBool(c.SQLComment),
		"version":             Version(),
	}
}
