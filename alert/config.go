package alert

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

const defaultRunbooks = "https://github.com/sqlwitness/sqlwitness/blob/main/docs/runbooks/"

// Config of an Engine. The zero value is useful: all rules, told to
// Deps.Notify alone.
type Config struct {
	// Service names the program that migrates; it may be "".
	Service string `yaml:"service"`
	// Env is "", "prod" or "production", or anything else: alerts of other
	// environments go to the log alone, unless Routes say otherwise.
	Env string `yaml:"env"`
	// Rules override the defaults of rules, by name.
	Rules map[string]Rule `yaml:"rules"`
	// Expect announces how long a statement of a migration may run, by the
	// migration's version.
	Expect map[string]time.Duration `yaml:"expect"`
	// Channels are where alerts go besides the log.
	Channels []Channel `yaml:"channels"`
	// Routes say which alert goes where: the first that matches decides, and where
	// it says continue, the next one too. No routes: critical to all channels,
	// warning to all but PagerDuty, info to none.
	Routes []Route `yaml:"routes"`
	// Suppressions are known issues.
	Suppressions []Suppression `yaml:"suppressions"`
	// SuppressionFile holds more of them, edited by sqlwitness alerts suppress. It
	// is read again when it has changed.
	SuppressionFile string `yaml:"suppression_file"`
	// Outbox is a file that remembers open alerts for the next process. "" is
	// none: a program that exits leaves its alerts open, unless Deps.Outbox is set.
	Outbox string `yaml:"outbox"`
	// RunbookBase is a URL to which the rule's name and ".md" are added.
	RunbookBase string `yaml:"runbook_base"`
}

// Channel is one place that alerts are sent to.
type Channel struct {
	Name string `yaml:"name"` // unique; "log" is taken
	// Kind is alertmanager, pagerduty, slack, webhook or exec.
	Kind string `yaml:"kind"`
	// URL to post to. For alertmanager its base URL, for pagerduty optional.
	URL Secret `yaml:"url"`
	// Key is PagerDuty's routing key, or the bearer token of a webhook.
	Key Secret `yaml:"key"`
	// Command is run by exec, with the alert as JSON on its standard input.
	Command []string `yaml:"command"`
}

// Route sends the alerts that match to channels.
type Route struct {
	Match    string   `yaml:"match"`    // matchers in Alertmanager's syntax; "" matches all
	Channels []string `yaml:"channels"` // names; none: the log alone
	Continue bool     `yaml:"continue"`
}

// Deps is what an Engine is given by its surroundings. The zero value is useful.
type Deps struct {
	Now    func() time.Time    // defaults to time.Now
	HTTP   *http.Client        // its redirect policy and timeout are replaced; defaults to a new one
	Rand   func() float64      // in [0,1), for the jitter of retries; defaults to math/rand/v2's
	Getenv func(string) string // for secrets written as env:NAME; defaults to os.Getenv

	// Notify gets every change of an alert's state, in order, on the engine's
	// goroutine. It must not block nor keep the pointer.
	Notify func(*event.Alert)
	// Trouble gets what keeps the engine itself from working, from several goroutines.
	Trouble func(*event.Trouble)
	// Suppression gets the life of suppressions, likewise.
	Suppression func(SuppressionEvent)

	Outbox Outbox // defaults to the file that Config.Outbox names
	Claims Claims // defaults to this process alone
}

// Check reports the first mistake, by its key.
func (c Config) Check() error {
	_, err := c.complete()
	return err
}

// Missing are the channels whose secrets are not to be had here, each with the
// reason: New refuses them. No error holds a secret.
func (c Config) Missing(getenv func(string) string) (missing []error) {
	for _, ch := range c.Channels {
		if _, err := ch.sender(Deps{Getenv: getenv}); err != nil {
			missing = append(missing, fmt.Errorf("channel %s: %w", ch.Name, err))
		}
	}
	return missing
}

func wrong(key, format string, args ...any) error {
	return fmt.Errorf("alerts: %s: %s", key, fmt.Sprintf(format, args...))
}

// plan is a checked configuration.
type plan struct {
	Config
	rules  map[string]Rule
	routes []route
	known  []known
}

func (c Config) complete() (plan, error) {
	p := plan{Config: c, rules: map[string]Rule{}}
	for name, d := range builtin {
		p.rules[name] = c.Rules[name].over(d)
	}
	for name, r := range c.Rules {
		key := "rules." + name
		if _, ok := builtin[name]; !ok {
			return p, wrong(key, "there is no such rule: use %s", strings.Join(Rules(), ", "))
		}
		if !slices.Contains([]event.Severity{"", event.Critical, event.Warning, event.Info}, r.Severity) {
			return p, wrong(key+".severity", "%q is none: use critical, warning or info", r.Severity)
		}
		if r.Count < 0 {
			return p, wrong(key+".count", "%d is negative", r.Count)
		}
		if r.Count != 0 && name != LockPileup {
			return p, wrong(key+".count", "only %s counts", LockPileup)
		}
		if r.After != 0 && name != LockWait && name != Stalled {
			return p, wrong(key+".after", "only %s and %s have a threshold; did you mean for?", LockWait, Stalled)
		}
	}
	for version, d := range c.Expect {
		if d <= 0 {
			return p, wrong("expect."+version, "%s is no duration to expect", d)
		}
	}
	names := map[string]bool{logChannel: true}
	for i, ch := range c.Channels {
		key := fmt.Sprintf("channels[%d]", i)
		if err := ch.check(key); err != nil {
			return p, err
		}
		if names[ch.Name] {
			return p, wrong(key+".name", "%q is taken", ch.Name)
		}
		names[ch.Name] = true
	}
	for i, r := range c.Routes {
		key := fmt.Sprintf("routes[%d]", i)
		ms, err := parseMatchers(r.Match)
		if err == nil {
			err = ms.names()
		}
		if err != nil {
			return p, wrong(key+".match", "%v", err)
		}
		for _, n := range r.Channels {
			if !names[n] {
				return p, wrong(key+".channels", "there is no channel %q", n)
			}
		}
		p.routes = append(p.routes, route{ms, r.Channels, r.Continue})
	}
	if len(c.Routes) == 0 {
		p.routes = defaultRoutes(c)
	}
	for i, s := range c.Suppressions {
		k, err := s.check()
		if err != nil {
			return p, wrong(fmt.Sprintf("suppressions[%d]", i), "%v", err)
		}
		p.known = append(p.known, k)
	}
	if p.RunbookBase == "" {
		p.RunbookBase = defaultRunbooks
	}
	if u, err := url.Parse(p.RunbookBase); err != nil || u.Scheme == "" {
		return p, wrong("runbook_base", "%q is no URL", c.RunbookBase)
	}
	return p, nil
}

var kinds = []string{"alertmanager", "pagerduty", "slack", "webhook", "exec"}

func (ch Channel) check(key string) error {
	if ch.Name == "" {
		return wrong(key+".name", "it has none")
	}
	needs := func(what string, missing bool) error {
		if missing {
			return wrong(key+"."+what, "a channel of kind %s needs it", ch.Kind)
		}
		return nil
	}
	switch ch.Kind {
	case "alertmanager", "slack", "webhook":
		if err := needs("url", ch.URL.empty()); err != nil || ch.URL.elsewhere() {
			return err
		}
		if _, err := newPoster(nil, ch.URL.text); err != nil {
			return wrong(key, "%v", err)
		}
		return nil
	case "pagerduty":
		return needs("key", ch.Key.empty())
	case "exec":
		return needs("command", len(ch.Command) == 0 || ch.Command[0] == "")
	}
	return wrong(key+".kind", "%q is none: use %s", ch.Kind, strings.Join(kinds, ", "))
}

func (d Deps) complete() Deps {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Rand == nil {
		d.Rand = rand.Float64
	}
	if d.Getenv == nil {
		d.Getenv = os.Getenv
	}
	if d.Notify == nil {
		d.Notify = func(*event.Alert) {}
	}
	if d.Trouble == nil {
		d.Trouble = func(*event.Trouble) {}
	}
	if d.Suppression == nil {
		d.Suppression = func(SuppressionEvent) {}
	}
	if d.Claims == nil {
		d.Claims = NewLocalClaims()
	}
	client := http.Client{}
	if d.HTTP != nil {
		client = *d.HTTP
	}
	// A redirect could carry a secret to another host.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Timeout = sendTimeout
	d.HTTP = &client
	return d
}

// Print writes who gets what, for every rule and severity: what Route says.
func (t Table) Print(w io.Writer) error {
	for _, r := range t {
		if _, err := fmt.Fprintf(w, "%-22s %-9s %s\n", r.Rule, r.Severity, strings.Join(r.Channels, ", ")); err != nil {
			return err
		}
	}
	return nil
}
