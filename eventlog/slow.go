package eventlog

import "time"

// Slow holds the durations from which on a statement is slow, by its class. A
// field that is 0 has its default; a negative one turns the class off.
type Slow struct {
	Read  time.Duration // defaults to 200 ms
	Write time.Duration // defaults to 500 ms
	DDL   time.Duration // defaults to 5 s
	Lock  time.Duration // defaults to 10 s
	Other time.Duration // transaction control, session settings and the rest; defaults to 1 s
}

// Threshold resolves the threshold of a statement class ("read", "write", "ddl",
// "lock"; any other word is other). 0 means that nothing of the class is slow.
func (s Slow) Threshold(class string) time.Duration {
	d, standard := s.Other, time.Second
	switch class {
	case "read":
		d, standard = s.Read, 200*time.Millisecond
	case "write":
		d, standard = s.Write, 500*time.Millisecond
	case "ddl":
		d, standard = s.DDL, 5*time.Second
	case "lock":
		d, standard = s.Lock, 10*time.Second
	}
	if d == 0 {
		return standard
	}
	return max(d, 0)
}
