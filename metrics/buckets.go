package metrics

import "strconv"

// bounds are the upper bounds of a histogram's buckets: in nanoseconds to
// compare with, and in seconds as the text of the le label. The bucket +Inf is
// not among them.
type bounds struct {
	ns []int64
	le []string
}

// maxBounds is what fits, with +Inf, the lock and the sum, in two cache lines.
const maxBounds = 13

func newBounds(seconds ...float64) *bounds {
	b := &bounds{}
	for _, s := range seconds {
		b.ns = append(b.ns, int64(s*1e9+0.5))
		b.le = append(b.le, strconv.FormatFloat(s, 'g', -1, 64))
	}
	return b
}

// boundsOf gives the buckets of a family. The first are those that the
// OpenTelemetry semantic conventions fix for db.client.operation.duration;
// migrations and what they wait for outlast them by far.
func boundsOf(family string) *bounds {
	switch family {
	case operationDuration, connectDuration:
		return newBounds(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
	case overhead:
		return newBounds(1e-8, 2.5e-8, 5e-8, 1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 1e-5, 1e-4, 1e-3, 1e-2)
	}
	return newBounds(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600)
}
