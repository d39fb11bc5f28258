package migrator

import (
	"fmt"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
)

// verdict says in one sentence what a failed migration has left behind and what
// there is to do about it, and whether it is certain that this is nothing.
func (t *Tracker) verdict(m *migration) (says string, undone bool) {
	style, version := t.run.style(), "the version"
	if m.ev.Version != nil {
		version = "version " + *m.ev.Version
	}
	left, nothing := t.remains(m)
	switch {
	case m.unsure:
		return "what makes it permanent was sent and its answer never came: look into the version table whether it took effect", false
	case m.opened && style == around:
		return left + "; the version table says dirty: " + t.force(m, nothing), false
	case m.opened && style == first && m.ev.Direction == event.Down:
		return left + "; " + version + " is recorded as rolled back all the same: undo it by hand, or record it again", false
	case m.opened && style == first:
		return left + "; " + version + " is recorded as applied all the same: roll it back, or remove its row, before the next run", false
	case m.tx != nil && m.tx.implicit && m.opened:
		return left + "; the version table has the new version already, since DDL commits at once here: repair by hand", false
	case m.parted && m.opened:
		return left + "; the version table has the new version already: repair by hand", false
	case m.tx != nil && t.commitsDDL() && (m.tx.implicit || m.several) && !nothing:
		return left + ", since DDL commits at once here: complete or undo it by hand before the next run", false
	case m.tx != nil:
		return "the transaction was rolled back, nothing of it remains: " + again(m), true
	case m.count == 0:
		return "no statement of it was run: run it again", true
	case nothing:
		return left + ": " + again(m), true
	case t.run.tools == 0:
		return left + ": complete or undo it by hand", false
	}
	return left + "; " + version + " is not recorded: complete or undo it by hand before the next run", false
}

// again is what there is to do where nothing remains.
func again(m *migration) string {
	switch {
	case m.ev.ErrorClass == event.ClassDuplicateObject:
		return "what it makes is there already, from an earlier attempt or another replica: compare the schema with it before the next run"
	case m.err == nil:
		return "run it again"
	}
	return "correct the migration and run it again"
}

// force is what there is to do where a version table of one row says that the
// migration is under way: the tool does nothing until it is told by hand which
// version the schema has.
func (t *Tracker) force(m *migration, nothing bool) string {
	before, behind := m.ev.After, m.target
	if before == "" && t.run.known {
		before = "-1" // golang-migrate's word for none
	}
	switch {
	case before == "" || behind == "":
		return "repair by hand, then force the version that the schema has"
	case nothing:
		return "force " + before + ", then " + again(m)
	}
	return fmt.Sprintf("complete it by hand and force %s, or undo it and force %s", behind, before)
}

// succeeded is how many statements of the body went through before one failed.
func (m *migration) succeeded() int {
	if m.failed != nil && m.failed.Index <= m.count {
		return m.failed.Index - 1
	}
	return m.count
}

// remains says what of a body is still there, and whether that is nothing for
// certain.
func (t *Tracker) remains(m *migration) (left string, nothing bool) {
	if m.undone && t.rollsBack() {
		return "its transaction was rolled back", true
	}
	var parts []string
	before := m.succeeded()
	if !m.wrote { // SET and the like end with the session
		before = 0
	}
	switch {
	case m.failed == nil && before == 1:
		parts = append(parts, "the statement that was run remains")
	case m.failed == nil && before > 1:
		parts = append(parts, fmt.Sprintf("the %d statements that were run remain", before))
	case before == 1:
		parts = append(parts, "the statement before the failing one remains")
	case before > 1:
		parts = append(parts, fmt.Sprintf("the %d statements before the failing one remain", before))
	}
	nothing = before == 0
	if nothing && m.called {
		parts, nothing = append(parts, "what the queries before have called or written may remain"), false
	}
	switch {
	case m.parted && !m.several:
		parts, nothing = []string{"what it has committed itself remains"}, false
	case m.index:
		parts, nothing = append(parts, "an invalid index may remain, to be dropped first"), false
	case !m.several:
	case m.commits:
		parts, nothing = append(parts, "of the failing text, what it committed itself before the error remains"), false
	case t.cfg.Database.System == "postgresql": // one text is one implicit transaction
		parts = append(parts, "the failing text was undone as a whole")
	default:
		parts, nothing = append(parts, "of the failing text, what stands before the error may remain"), false
	}
	if len(parts) == 0 {
		return "nothing of it remains", true
	}
	return strings.Join(parts, ", "), nothing
}
