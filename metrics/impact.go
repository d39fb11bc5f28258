package metrics

import (
	"math"

	"github.com/sqlwitness/sqlwitness/event"
)

// Impact keeps what the last run of a database did to the application. A ratio
// that is not known is not a number.
func (s *Set) Impact(i *event.Impact) {
	namespace := s.namespace(i.Database)
	keep := func(name string, value float64, known bool) {
		if !known {
			value = math.NaN()
		}
		s.family(name).callback(func() float64 { return value }, i.Database.System, namespace)
	}
	p99, known := i.P99Ratio()
	keep(impactP99, p99, known)
	rate, known := i.RateRatio()
	keep(impactRate, rate, known)
	keep(impactUnanswered, float64(i.Unanswered), true)
}
