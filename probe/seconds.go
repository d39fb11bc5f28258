package probe

import "time"

// seconds is a length of time that the server tells; one that it does not tell,
// or that clock steps have made negative, is 0.
func seconds(s *float64) time.Duration {
	if s == nil || *s <= 0 {
		return 0
	}
	return time.Duration(*s * float64(time.Second))
}
