package alert

import (
	"slices"

	"github.com/sqlwitness/sqlwitness/event"
)

// logChannel is the one that is always there: Deps.Notify.
const logChannel = "log"

type route struct {
	match    matchers
	channels []string
	more     bool
}

// defaultRoutes are those of a configuration without routes.
func defaultRoutes(c Config) []route {
	if !slices.Contains([]string{"", "prod", "production"}, c.Env) {
		return nil
	}
	var all, chat []string
	for _, ch := range c.Channels {
		all = append(all, ch.Name)
		if ch.Kind != "pagerduty" {
			chat = append(chat, ch.Name)
		}
	}
	severity := func(s event.Severity) matchers { return matchers{{label: "severity", op: "=", value: string(s)}} }
	return []route{{match: severity(event.Critical), channels: all}, {match: severity(event.Warning), channels: chat}}
}

// channels are those that an alert with these labels goes to, the log first.
func (p plan) channels(values map[string]string) []string {
	to := []string{logChannel}
	for _, r := range p.routes {
		if !r.match.match(values) {
			continue
		}
		for _, n := range r.channels {
			if !slices.Contains(to, n) {
				to = append(to, n)
			}
		}
		if !r.more {
			break
		}
	}
	return to
}

// Table says who gets what.
type Table []Row

// Row is where the alerts of a rule go.
type Row struct {
	Rule     string
	Severity event.Severity
	Channels []string // "log" first
}

// Routing is the table of a configuration: every rule with every severity.
// Routes that ask for a database, a migration or the like match here only what
// has none.
func Routing(c Config) (Table, error) {
	p, err := c.complete()
	if err != nil {
		return nil, err
	}
	var t Table
	for _, rule := range Rules() {
		for _, s := range []event.Severity{event.Critical, event.Warning, event.Info} {
			t = append(t, Row{rule, s, p.channels(map[string]string{"rule": rule, "severity": string(s), "env": c.Env, "service": c.Service})})
		}
	}
	return t, nil
}
