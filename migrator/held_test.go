package migrator

import (
	"slices"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestLocksOf: the keys are those that the tools take; golang-migrate's were worked
// out apart from this code.
func TestLocksOf(t *testing.T) {
	for db, want := range map[event.Database]Lock{
		{System: "postgresql", Name: "shop"}: {"golang-migrate", "3689236698"},
		{System: "mysql", Name: "shop"}:      {"golang-migrate", "2821548460"},
		{System: "postgresql"}:               {"goose", "4097083626"},
	} {
		if got := LocksOf(db); !slices.Contains(got, want) {
			t.Errorf("%v: %v lacks %v", db, got, want)
		}
	}
	for _, db := range []event.Database{{System: "sqlite", Name: "shop"}, {System: "mysql"}} {
		if got := LocksOf(db); len(got) != 0 {
			t.Errorf("%v: %v", db, got)
		}
	}
}
