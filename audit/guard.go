package audit

import (
	"context"
	"database/sql"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
)

// GuardState is a guard of the audit tables that is not as it was set up. It is
// no proof of tampering: what was altered while it was off, verification finds.
type GuardState struct {
	Table string // as the database names it
	Guard string // a trigger's name, or "privileges"
	State string // "missing", "off", "altered", or for privileges a sentence on who may do too much
	Fix   string // SQL that restores it; "" where that takes a decision, see SetupSQL
}

// The states of a trigger.
const (
	guardMissing = "missing"
	guardOff     = "off"
	guardAltered = "altered"
)

// guard is a trigger that makes a table append-only.
type guard struct{ table, name, sql string }

// guardsSQL makes them all.
func guardsSQL(guards []guard) string {
	list := make([]string, len(guards))
	for i, g := range guards {
		list[i] = g.sql
	}
	return strings.Join(list, "; ")
}

// Guards reports the guards that are missing, off or altered, and the accounts
// that may do more to the tables than read and add. It reads catalogs alone, of
// which every account may read enough; a table that does not exist has none.
func Guards(ctx context.Context, system string, c *sql.Conn) ([]GuardState, error) {
	d := dialectOf(system)
	if d == nil {
		return nil, errUnsupported
	}
	states, err := d.triggers(ctx, c)
	if err != nil || d.privileges == "" {
		return states, err
	}
	rows, err := strs(ctx, c, d.privileges)
	for _, r := range rows {
		table, rest, _ := strings.Cut(r, "|")
		state, fix, _ := strings.Cut(rest, "|")
		states = append(states, GuardState{Table: table, Guard: "privileges", State: state, Fix: fix})
	}
	return states, err
}

// Guards is the function Guards through the store's own connection.
func (s *Store) Guards(ctx context.Context) (states []GuardState, err error) {
	if s.dialect == nil {
		return nil, errUnsupported
	}
	err = s.own.do(ctx, func(ctx context.Context, c *sql.Conn) error {
		states, err = Guards(ctx, s.db.System, c)
		return err
	})
	return states, err
}

// triggers compares the triggers of the tables that exist with those they should
// have.
func (d *dialect) triggers(ctx context.Context, c queryer) ([]GuardState, error) {
	if len(d.guards) == 0 {
		return nil, nil
	}
	rows, err := strs(ctx, c, d.guardState)
	if err != nil {
		return nil, err
	}
	have := map[string]string{} // a table's name, or table|trigger
	for _, r := range rows {
		table, rest, _ := strings.Cut(r, "|")
		name, state, _ := strings.Cut(rest, "|")
		have[table] = ""
		if name != "" {
			have[table+"|"+name] = state
		}
	}
	var states []GuardState
	for _, g := range d.guards {
		if _, ok := have[g.table]; !ok {
			continue
		}
		state, ok := have[g.table+"|"+g.name]
		if !ok {
			state = guardMissing
		} else if state = d.judge(g, state); state == "" {
			continue
		}
		states = append(states, GuardState{Table: g.table, Guard: g.name, State: state, Fix: g.sql})
	}
	return states, nil
}

// restore tells of guards that are not as they should be, notes it, and restores
// those that the role may. What is noted first cannot be denied afterwards.
func (s *Store) restore(ctx context.Context, c *sql.Conn) {
	states, err := s.dialect.triggers(ctx, c)
	if err != nil || len(states) == 0 {
		return
	}
	list := make([]any, len(states))
	for i, g := range states {
		list[i] = object{"table": g.Table, "guard": g.Guard, "state": g.State}
		s.deps.Finding(event.Finding{Database: s.db, At: s.deps.Now(), Kind: "guard_" + g.State, Object: g.Table,
			Message: "the guard " + g.Guard + " of the audit table " + g.Table + " is " + g.State + ": rows could have been changed since",
			SQL:     g.Fix})
	}
	e, err := s.scribe.note(KindGuard, object{"guards": list}, noted{login: s.loggedIn()})
	if err == nil {
		_ = s.put(ctx, c, e) // the finding says so, too
	}
	for _, g := range states {
		_ = s.dialect.run(ctx, c, s.dialect.whole([]string{g.Fix})...) // where it may not, the finding says what to run
	}
}
