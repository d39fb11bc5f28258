package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

func TestImpact(t *testing.T) {
	s := New(Config{})
	shop := event.Database{System: "postgresql", Name: "shop"}
	for _, c := range []struct {
		impact event.Impact
		want   []string
	}{
		{event.Impact{Unanswered: 7, Before: event.Latency{P99: time.Second, Rate: 100}, During: event.Latency{P99: 3 * time.Second, Rate: 34}},
			[]string{impactP99 + labelsOfShop + " 3\n", impactRate + labelsOfShop + " 0.34\n", impactUnanswered + labelsOfShop + " 7\n"}},
		{event.Impact{}, []string{impactP99 + labelsOfShop + " NaN\n", impactRate + labelsOfShop + " NaN\n"}}, // not those of the run before
	} {
		c.impact.Database = shop
		s.Impact(&c.impact)
		var b strings.Builder
		s.WritePrometheus(&b)
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%q is not in\n%s", want, b.String())
			}
		}
	}
}
