// Package peers measures the witness beside other database/sql wrappers, on the
// same driver that does nothing and in the same run:
//
//	go test -bench . -benchmem ./bench/peers
//
// It is a module of its own, so that the peers are in nobody's module graph.
// The peers do less than the witness or other things than it; each is set up as
// its documentation shows, with a back end that drops what it is given.
package peers
