package alert

import (
	"slices"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// memory is what the rules remember of what they have seen. Each part is
// bounded.
type memory struct {
	flights remembered[uint64, *flight]                 // by connection
	applied remembered[appliedVersion, time.Time]       // when the migration that went through had begun
	over    remembered[string, bool]                    // ids of migrations that went through
	alive   remembered[string, bool]                    // ids of migrations and runs that the server still works on
	begun   remembered[string, time.Time]               // runs, by when their beginning was seen
	usual   remembered[string, []time.Duration]         // how long statements of an operation have taken
	strange remembered[findingsOf, map[string]struct{}] // objects found out of band
}

type appliedVersion struct {
	db      event.Database
	version string
}

type findingsOf struct {
	db   event.Database
	kind string
}

// flight is a statement in flight.
type flight struct {
	number   int // of the last look
	start    time.Time
	waiting  time.Time         // since when it is seen to wait; zero if it does not
	progress event.Progress    // as it was last seen
	moved    time.Time         // when that changed
	raised   map[string]key    // by rule
	objects  map[string]string // by rule: what an alert of this flight is about
}

func newMemory() memory {
	return memory{
		flights: remembered[uint64, *flight]{}, applied: remembered[appliedVersion, time.Time]{}, over: remembered[string, bool]{},
		alive: remembered[string, bool]{}, begun: remembered[string, time.Time]{}, usual: remembered[string, []time.Duration]{},
		strange: remembered[findingsOf, map[string]struct{}]{},
	}
}

// maxRemembered bounds each part. Beyond it some memory is lost, which costs a
// guard its ground and no alert.
const maxRemembered = 2048

type remembered[K comparable, V any] map[K]V

func (m remembered[K, V]) put(k K, v V) {
	if _, there := m[k]; !there && len(m) >= maxRemembered {
		for some := range m {
			delete(m, some)
			break
		}
	}
	m[k] = v
}

const (
	usualKept   = 64 // durations kept for an operation
	usualNeeded = 20 // durations that make a habit
	usualTimes  = 3  // how many times the usual is unusual
)

// ended notes how long a statement has taken.
func (m memory) ended(operation string, d time.Duration) {
	list := append(m.usual[operation], d)
	if len(list) > usualKept {
		list = list[1:]
	}
	m.usual.put(operation, list)
}

// unusual is the duration from which a statement takes longer than its like
// (three times the 95th percentile); 0 while too few were seen.
func (m memory) unusual(operation string) time.Duration {
	list := slices.Sorted(slices.Values(m.usual[operation]))
	if len(list) < usualNeeded {
		return 0
	}
	return usualTimes * list[len(list)*95/100]
}
