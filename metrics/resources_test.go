package metrics

import (
	"strings"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestResources: what is not known is no series, and a second run adds to the
// log's bytes and takes the place of the size.
func TestResources(t *testing.T) {
	s := New(Config{})
	shop := event.Database{System: "postgresql", Name: "shop"}
	read := func() string {
		var b strings.Builder
		s.WritePrometheus(&b)
		return b.String()
	}
	s.Resources(&event.Resources{Database: shop})
	if got := read(); strings.Contains(got, runWAL) || strings.Contains(got, databaseSize) {
		t.Errorf("of what is not known:\n%s", got)
	}
	s.Resources(&event.Resources{Database: shop, WALBytes: new(int64(10)), SizeAfter: new(int64(100))})
	s.Resources(&event.Resources{Database: shop, WALBytes: new(int64(5)), SizeAfter: new(int64(90))})
	s.Trend(&event.Trend{Database: shop, Slower: make([]event.Slower, 2)})
	got := read()
	for _, want := range []string{runWAL + labelsOfShop + " 15\n", databaseSize + labelsOfShop + " 90\n", slowerMigrations + labelsOfShop + " 2\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

const labelsOfShop = `{db_system_name="postgresql",db_namespace="shop"}`
