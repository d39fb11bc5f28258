// Package peers compares the witness with other database/sql wrappers: what they
// cost, on the same driver that does nothing and in the same run, and what they
// break, by package drivertest's rules (CONFORMANCE.md):
//
//	cd bench/peers && go test -bench . -benchmem .
//	cd bench/peers && go test -run TestConformance -v .
//
// It is a module of its own, so that the peers are in nobody's module graph.
// The peers do less than the witness or other things than it; each is set up as
// its documentation shows, with a back end that drops what it is given.
package peers
