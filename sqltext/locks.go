package sqltext

import "strings"

// lockFunctions are the functions that take and release locks by name
// (PostgreSQL 9.28.10 "Advisory Lock Functions"; MySQL 14.14 "Locking
// Functions").
var lockFunctions = [...]struct {
	name   string
	kind   string
	action LockAction
	shared bool
	xact   bool
	reply  LockReply
}{
	{"pg_advisory_lock", "advisory", LockAcquire, false, false, ReplyNone},
	{"pg_advisory_lock_shared", "advisory", LockAcquire, true, false, ReplyNone},
	{"pg_try_advisory_lock", "advisory", LockTry, false, false, ReplyBool},
	{"pg_try_advisory_lock_shared", "advisory", LockTry, true, false, ReplyBool},
	{"pg_advisory_xact_lock", "advisory", LockAcquire, false, true, ReplyNone},
	{"pg_advisory_xact_lock_shared", "advisory", LockAcquire, true, true, ReplyNone},
	{"pg_try_advisory_xact_lock", "advisory", LockTry, false, true, ReplyBool},
	{"pg_try_advisory_xact_lock_shared", "advisory", LockTry, true, true, ReplyBool},
	{"pg_advisory_unlock", "advisory", LockRelease, false, false, ReplyBool},
	{"pg_advisory_unlock_shared", "advisory", LockRelease, true, false, ReplyBool},
	{"pg_advisory_unlock_all", "advisory", LockReleaseAll, false, false, ReplyNone},
	{"get_lock", "named", LockAcquire, false, false, ReplyOneNull},
	{"release_lock", "named", LockRelease, false, false, ReplyOneNull},
	{"release_all_locks", "named", LockReleaseAll, false, false, ReplyCount},
}

// lockFunction reads a call of a lock function at hand and steps over it.
func (p *parser) lockFunction(column int) bool {
	name := p.raw(p.i)
	if len(name) < len("get_lock") || len(name) > len("pg_try_advisory_xact_lock_shared") {
		return false
	}
	for i := range lockFunctions {
		f := &lockFunctions[i]
		if !strings.EqualFold(name, f.name) {
			continue
		}
		p.i++
		args := p.list()
		call := LockCall{Function: f.name, Kind: f.kind, Action: f.action, Shared: f.shared, Xact: f.xact, Args: args, Result: f.reply, Column: column}
		if f.name == "get_lock" && len(args) == 2 {
			call.Args, call.Timeout = args[:1], args[1]
		}
		p.st.Locks = append(p.st.Locks, call)
		return true
	}
	return false
}

// lock reads LOCK [TABLE] a, b IN … MODE and LOCK TABLES a WRITE, b READ.
func (p *parser) lock() {
	tables := p.accept("TABLES")
	if !tables {
		p.accept("TABLE")
	}
	p.accept("ONLY")
	shared := false
	for p.table() {
		for !p.done() && !p.is(0, ",") {
			shared = shared || p.is(0, "READ") || p.is(0, "SHARE")
			p.i++
		}
		if !p.accept(",") {
			break
		}
	}
	var names []Value
	for _, t := range p.st.Tables {
		names = append(names, Value{Kind: Literal, Literal: t.String()})
	}
	p.st.Locks = append(p.st.Locks, LockCall{Function: "lock table", Kind: "table", Shared: shared, Xact: !tables, Args: names, Column: -1})
}

// applock reads SQL Server's sp_getapplock and sp_releaseapplock.
func (p *parser) applock() {
	var call *LockCall
	for ; !p.done(); p.i++ {
		switch name, _ := p.name(p.i); strings.ToLower(name) {
		case "sp_getapplock":
			call = &LockCall{Function: "sp_getapplock", Kind: "applock", Result: ReplyReturnCode, Xact: true}
		case "sp_releaseapplock":
			call = &LockCall{Function: "sp_releaseapplock", Kind: "applock", Action: LockRelease, Result: ReplyReturnCode, Xact: true}
		}
		if call == nil || p.tokens[p.i].kind != tokParam || !p.is(1, "=") {
			continue
		}
		option := strings.ToLower(p.raw(p.i))
		p.i += 2
		v := p.value()
		p.i--
		switch option {
		case "@resource":
			call.Args = []Value{v}
		case "@locktimeout":
			call.Timeout = v
		case "@lockmode":
			call.Shared = strings.EqualFold(v.Literal, "shared")
		case "@lockowner":
			call.Xact = !strings.EqualFold(v.Literal, "session")
		}
	}
	if call != nil {
		call.Column = -1
		p.st.Locks = append(p.st.Locks, *call)
		p.st.Class = ClassLock
	}
}
