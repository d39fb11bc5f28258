package integration

import (
	"context"
	"database/sql"
	"slices"
)

// subject is a migration tool in one of the ways in which it is used.
type subject struct {
	tool    string // as the witness names it, or as it is known where the witness has no name for it
	module  string // which it comes from
	variant string
	on      []string // names of targets; nil for all
	steps   func(target) []step
	unseen  string // what is not told, because the driver calls do not show it
}

// step is one use of the tool, as a process of its own would make it.
type step struct {
	name   string
	do     func(context.Context, target, *sql.DB) error
	before string // what somebody else does to the database before it; "" for nothing
	fresh  bool   // on a database of its own, and not on what the steps before have left
	cancel bool   // the context is cancelled in the middle of the last migration
	twice  bool   // by two instances at once
	want   []string
}

// act is what is done with a tool and its migrations.
type act func(context.Context, target, *sql.DB, []migration) error

// drive is how a tool is driven through the standard steps.
type drive struct {
	up   act
	down act // the last migration

	version func(migration) string // as the tool writes it
	failed  func(migration) string // version and direction of a failure, as far as the driver can tell them
	// guarantee of an applied migration, where it is not that of a transaction
	// which holds both the body and the mark.
	guarantee func(target) string
	// late says that only the error tells its migrations from an application's
	// statements. SQLite has one writer, the tool by then: no record can be made
	// of the migration's start, and so nothing is guaranteed where it fails.
	late bool

	locks  func(target) bool // it lets one instance at a time work
	ctx    bool              // it passes a context on
	resume string            // what comes of "up" after a failure; "" for the same failure again
	want   func(target) map[string][]string
}

// inTx is the guarantee of a tool that has body and mark in one transaction.
// MariaDB commits DDL at once, and what engine a table has, and so whether even
// DML rolls back, the driver does not see.
func inTx(t target) string {
	if t.ddlInTx {
		return "tx"
	}
	return "around"
}

func around(target) string { return "around" }

func always(target) bool { return true }
func never(target) bool  { return false }

func number(m migration) string { return m.padded()[4:] }

// nothing is what is known of a failure where only the mark, which comes after
// the body, tells the version.
func nothing(migration) string { return "null unknown" }

// as is a tool that is driven like this.
func (d drive) as(tool, module, variant string, on ...string) subject {
	unseen := ""
	switch d.failed(broken) {
	case nothing(broken):
		unseen = "version and direction of a migration that fails"
	case d.version(broken) + " unknown":
		unseen = "direction of a migration that fails"
	}
	return subject{tool, module, variant, on, d.steps(tool), unseen}
}

// DDL that no mark follows is told without a tool, once for each transaction or
// each time that the pool gives the connection out. How often that is, is not a
// matter of these tests: equal lines that follow each other count once.
const (
	ddl    = "unknown null unknown applied around"
	noTool = "a version and a direction: it has none, and is told as DDL of no tool"
)

// loneWrite is the limit of tools that mark after the body and have no
// transaction, on a connection that went back to the pool in between: an INSERT,
// UPDATE or DELETE that fails there may as well be the application's, and is not
// told as a migration.
const loneWrite = "; a migration whose first statement is an INSERT, UPDATE or DELETE and fails"

// steps are the ones that every tool is taken through.
func (d drive) steps(tool string) func(target) []step {
	return func(t target) []step {
		if d.guarantee == nil {
			d.guarantee = inTx
		}
		applied := func(direction string, ms ...migration) (lines []string) {
			for _, m := range ms {
				lines = append(lines, tool+" "+d.version(m)+" "+direction+" applied "+d.guarantee(t))
			}
			return lines
		}
		failed := func(m migration) string {
			if d.late && t.name == "sqlite" {
				return tool + " " + d.failed(m) + " failed none"
			}
			return tool + " " + d.failed(m) + " failed around"
		}
		on := func(ms []migration, do act) func(context.Context, target, *sql.DB) error {
			return func(ctx context.Context, t target, db *sql.DB) error { return do(ctx, t, db, ms) }
		}
		steps := []step{
			{name: "up", do: on(three, d.up), want: applied("up", three...)},
			{name: "up again", do: on(three, d.up)},
		}
		if d.down != nil {
			steps = append(steps,
				step{name: "down", do: on(three, d.down), want: applied("down", seed)},
				step{name: "up once more", do: on(three, d.up), want: applied("up", seed)})
		}
		steps = append(steps,
			step{name: "up to a failure", do: on(four, d.up), want: []string{failed(broken)}},
			step{name: "up after a failure", do: on(four, d.up), want: []string{failed(broken)}})
		if d.resume == "nothing" {
			steps[len(steps)-1].want = nil
		}
		if d.locks(t) {
			steps = append(steps, step{name: "two at once", fresh: true, twice: true, do: on(three, d.up), want: applied("up", three...)})
		}
		if d.ctx {
			ms := []migration{users, slow(t)}
			steps = append(steps, step{name: "cancelled", fresh: true, cancel: true, do: on(ms, d.up), want: append(applied("up", users), failed(slow(t)))})
		}
		if d.want != nil {
			other := d.want(t)
			for i := range steps {
				if want, ok := other[steps[i].name]; ok {
					steps[i].want = want
				}
			}
		}
		return steps
	}
}

// runsOn reports whether a subject supports a target.
func (s subject) runsOn(t target) bool { return s.on == nil || slices.Contains(s.on, t.name) }
