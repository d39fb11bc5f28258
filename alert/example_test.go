package alert_test

import (
	"os"
	"time"

	"github.com/sqlwitness/sqlwitness/alert"
)

// Who gets what, before anything happens.
func ExampleRouting() {
	table, err := alert.Routing(alert.Config{
		Env:      "prod",
		Channels: []alert.Channel{{Name: "oncall", Kind: "pagerduty", Key: alert.NewSecret("k")}},
		Routes:   []alert.Route{{Match: `severity="critical"`, Channels: []string{"oncall"}}},
	})
	if err != nil {
		panic(err)
	}
	_ = table[:3].Print(os.Stdout)
	// Output:
	// audit_failure          critical  log, oncall
	// audit_failure          warning   log
	// audit_failure          info      log
}

// A known issue: whom it is about, why nobody has to act, who says so, and
// until when.
func ExampleSuppression() {
	now := time.Now()
	_ = alert.Config{Suppressions: []alert.Suppression{{
		Match:   `rule="lock_wait",database="orders"`,
		Reason:  "the nightly export holds the table until 03:00",
		Creator: "mara",
		Created: now,
		Expires: now.AddDate(0, 0, 7),
		Ticket:  "OPS-311",
	}}}
}
