package main

import (
	"fmt"
	"strings"
)

// outcomeElsewhere is that of a run which another process's log tells of.
const outcomeElsewhere = "elsewhere"

var knownBy = map[string]string{
	"trail":      "The run was another process's, known by the audit trail.",
	"lock":       "The run was another process's, known by the lock that it held.",
	"statement":  "The run was another process's, known by its statement.",
	"afterwards": "The run was another process's, known by the audit trail after its end.",
}

// impact is what a run did to the application, in some sentences.
func (l *logLine) impact() string {
	said := []string{}
	if known, ok := knownBy[l.Elsewhere]; ok {
		said = append(said, known)
	}
	if l.Before.Count > 0 && l.During.P99 > 0 {
		said = append(said, fmt.Sprintf("The application's own statements took %s (99th percentile) during the run, and %s before; %s failed.",
			short(l.During.P99.duration()), short(l.Before.P99.duration()), plural(l.During.Failed, "statement")))
	}
	if l.RateRatio != nil {
		said = append(said, fmt.Sprintf("%s were answered per second, and %s before (%+.0f %%).", calls(l.During.Rate), calls(l.Before.Rate), 100*(*l.RateRatio-1)))
	}
	if l.Unanswered > 0 {
		said = append(said, fmt.Sprintf("Up to %s had no answer for a second or longer at the same time.", plural(l.Unanswered, "statement")))
	}
	if w := l.Worst; w != nil && l.Sessions > 0 {
		said = append(said, fmt.Sprintf("Up to %s waited for it: %s.", plural(l.Sessions, "session"), fit(oneLine(w.Text), 120)))
	}
	if b := l.Blocker; b != nil {
		who := reportBlocker{User: b.User, Application: b.Application}
		said = append(said, fmt.Sprintf("The run itself waited for pid %d %s (%s).", b.PID, strings.TrimSpace(who.Who()), b.State))
	}
	return strings.Join(said, " ")
}

func calls(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%.0f", perSecond)
}
