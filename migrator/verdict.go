package migrator

import (
	"fmt"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
)

// verdict says in one sentence what a failed migration has left behind and what
// there is to do about it.
func (t *Tracker) verdict(m *migration) string {
	style, version := t.run.style(), "it"
	if m.ev.Version != nil {
		version = "version " + *m.ev.Version
	}
	switch {
	case m.unsure:
		return "the commit was sent and its answer never came: look into the version table whether it took effect"
	case m.opened && style == around:
		return t.remains(m) + "; the version table says dirty: repair by hand, then force the version that the schema has"
	case m.opened && style == first && m.ev.Direction == event.Down:
		return t.remains(m) + "; " + version + " is recorded as rolled back all the same: undo it by hand, or record it again"
	case m.opened && style == first:
		return t.remains(m) + "; " + version + " is recorded as applied all the same: roll it back, or remove its row, before the next run"
	case m.tx != nil && m.tx.implicit && m.opened:
		return t.remains(m) + "; the version table has the new version already, since DDL commits at once here: repair by hand"
	case m.tx != nil && m.tx.implicit && m.succeeded() > 0:
		return t.remains(m) + ", since DDL commits at once here: complete or undo them by hand before the next run"
	case m.tx != nil:
		return "the transaction was rolled back, nothing of it remains: correct the migration and run it again"
	case m.count == 0:
		return "no statement of it was run: run it again"
	case t.run.tools == 0:
		return t.remains(m) + ": complete or undo it by hand"
	}
	return t.remains(m) + "; " + version + " is not recorded: complete or undo it by hand before the next run"
}

// succeeded is how many statements of the body went through before one failed.
func (m *migration) succeeded() int {
	if m.failed != nil && m.failed.Index <= m.count {
		return m.failed.Index - 1
	}
	return m.count
}

// remains says what of a body is still there.
func (t *Tracker) remains(m *migration) string {
	if m.undone && t.rollsBack() {
		return "its transaction was rolled back"
	}
	var parts []string
	switch before := m.succeeded(); {
	case m.failed == nil:
		parts = append(parts, fmt.Sprintf("the statements that were run, %d of them, remain", before))
	case before == 1:
		parts = append(parts, "the statement before the failing one remains")
	case before > 1:
		parts = append(parts, fmt.Sprintf("the %d statements before the failing one remain", before))
	}
	switch {
	case !m.several:
	case t.cfg.Database.System == "postgresql": // one text is one implicit transaction
		parts = append(parts, "the failing text was undone as a whole")
	default:
		parts = append(parts, "of the failing text, what stands before the error may remain")
	}
	if len(parts) == 0 {
		return "nothing of it remains"
	}
	return strings.Join(parts, ", ")
}
