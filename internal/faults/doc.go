// Package faults holds tests of what goes wrong: networks that cut, stall and
// vanish, servers that restart, processes that are killed, names and texts that
// mean harm. Each compares a program with the witness to the same one without it,
// and the audit trail to the database. It exports nothing.
//
// cmd/load is the same for much of everything; docs/limits.md has its figures.
package faults
