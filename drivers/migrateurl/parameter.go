package migrateurl

import (
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// parameters are the x- parameters of a URL. The first one that does not hold
// is kept as the error, and the rest are then left alone.
type parameters struct {
	url.Values
	err error
}

// flag is false where the parameter is absent or empty.
func (p *parameters) flag(name string) bool {
	s := p.Get(name)
	if s == "" || p.err != nil {
		return false
	}
	on, err := strconv.ParseBool(s)
	if err != nil {
		p.err = fmt.Errorf("migrateurl: %s is %q and has to be true or false", name, s)
	}
	return on
}

// number is 0 where the parameter is absent or empty.
func (p *parameters) number(name string) int {
	s := p.Get(name)
	if s == "" || p.err != nil {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		p.err = fmt.Errorf("migrateurl: %s is %q and has to be a whole number", name, s)
	}
	return n
}

// milliseconds is the unit of golang-migrate's durations.
func (p *parameters) milliseconds(name string) time.Duration {
	return time.Duration(p.number(name)) * time.Millisecond
}
