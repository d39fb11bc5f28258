package alert

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// maxSuppression bounds how long an issue may be known and nothing be done.
const maxSuppression = 30 * 24 * time.Hour

const (
	// reminder is how long before its end a suppression is called to mind.
	reminder = 24 * time.Hour
	// escalation is how many times worse than when it was first suppressed an alert
	// has to become to be heard all the same.
	escalation = 10
)

// Suppression is a known issue: alerts that match are counted and written down,
// and nobody is disturbed. One that grows more severe, or ten times as large,
// is heard all the same, unless IncludeEscalation.
type Suppression struct {
	ID                string    `yaml:"id" json:"id"`           // "" is filled from the other fields
	Match             string    `yaml:"match" json:"match"`     // Alertmanager's syntax; rule= or migration= has to be in it
	Reason            string    `yaml:"reason" json:"reason"`   // why nobody has to act
	Creator           string    `yaml:"creator" json:"creator"` // who says so
	Created           time.Time `yaml:"created" json:"created"` // when
	Expires           time.Time `yaml:"expires" json:"expires"` // at most 30 days later
	Ticket            string    `yaml:"ticket" json:"ticket,omitempty"`
	IncludeEscalation bool      `yaml:"include_escalation" json:"include_escalation,omitempty"`
	// UntilVersion is the migration that puts an end to it: alerts of that version
	// and of later ones are heard. "" is none; versions that are numbers are
	// compared as numbers.
	UntilVersion string `yaml:"until_version" json:"until_version,omitempty"`
}

// covers reports whether an alert of a migration is still before UntilVersion.
// One of which no version is known is, until Expires.
func (s Suppression) covers(version string) bool {
	if s.UntilVersion == "" || version == "" {
		return true
	}
	a, okA := new(big.Int).SetString(version, 10)
	b, okB := new(big.Int).SetString(s.UntilVersion, 10)
	if okA && okB {
		return a.Cmp(b) < 0
	}
	return version < s.UntilVersion
}

// SuppressionEvent is a step in the life of a suppression.
type SuppressionEvent struct {
	// Kind is created (first seen by this process), hit, pierced (an escalation
	// was heard), expiring (within a day), expired, or removed (no longer in the
	// file).
	Kind        string
	At          time.Time
	Suppression Suppression
	Alert       *event.Alert // of a hit and a pierced one
	Hits        int          // so far, by this process
}

// known is a suppression that was checked.
type known struct {
	Suppression
	matchers matchers
}

// Check reports what is missing from a suppression.
func (s Suppression) Check() error {
	_, err := s.check()
	return err
}

func (s Suppression) check() (known, error) {
	ms, err := parseMatchers(s.Match)
	if err != nil {
		return known{}, err
	}
	if err := ms.names(); err != nil {
		return known{}, fmt.Errorf("match: %w", err)
	}
	exact := false
	for _, m := range ms {
		exact = exact || m.op == "=" && m.value != "" && (m.label == "rule" || m.label == "migration")
	}
	switch {
	case !exact:
		return known{}, fmt.Errorf("match: %q would silence too much: name a rule=\"…\" or a migration=\"…\"", s.Match)
	case strings.TrimSpace(s.Reason) == "":
		return known{}, errors.New("reason: say why nobody has to act")
	case strings.TrimSpace(s.Creator) == "":
		return known{}, errors.New("creator: say who decided it")
	case s.Created.IsZero():
		return known{}, errors.New("created: say when it was decided")
	case s.Expires.IsZero():
		return known{}, errors.New("expires: say when it ends")
	case !s.Expires.After(s.Created):
		return known{}, errors.New("expires: it ends before it begins")
	case s.Expires.Sub(s.Created) > maxSuppression:
		return known{}, errors.New("expires: 30 days after created is the latest")
	}
	if s.ID == "" {
		sum := sha256.Sum256([]byte(s.Match + "\x00" + s.Creator + "\x00" + s.Created.UTC().Format(time.RFC3339Nano)))
		s.ID = hex.EncodeToString(sum[:4])
	}
	return known{s, ms}, nil
}

// suppressions are the known issues of an engine and what became of them.
type suppressions struct {
	fixed    []known // of the configuration
	path     string  // of the file; "" for none
	stamp    string  // of the file as it was last read
	list     []known
	hits     map[string]int
	seen     map[string]bool
	reminded map[string]bool
	expired  map[string]bool
	wake     time.Time // when one has to be looked at again; zero if never
}

func newSuppressions(fixed []known, path string) suppressions {
	return suppressions{fixed: fixed, path: path, list: fixed, hits: map[string]int{}, seen: map[string]bool{}, reminded: map[string]bool{}, expired: map[string]bool{}}
}

// refresh reads the file if it has changed, and tells of the lives of
// suppressions. A file that cannot be read leaves those that there were.
func (e *Engine) refresh(now time.Time) {
	s := &e.known
	if s.path != "" {
		if stamp := stampOf(s.path); stamp != s.stamp {
			s.stamp = stamp
			e.reread()
		}
	}
	for _, k := range s.list {
		if !s.seen[k.ID] {
			s.seen[k.ID] = true
			e.deps.Suppression(SuppressionEvent{Kind: "created", At: now, Suppression: k.Suppression})
		}
		left := k.Expires.Sub(now)
		switch {
		case left <= 0 && !s.expired[k.ID]:
			s.expired[k.ID] = true
			e.deps.Suppression(SuppressionEvent{Kind: "expired", At: now, Suppression: k.Suppression, Hits: s.hits[k.ID]})
		case left > 0 && left <= reminder && k.Expires.Sub(k.Created) > reminder && !s.reminded[k.ID]:
			s.reminded[k.ID] = true
			e.deps.Suppression(SuppressionEvent{Kind: "expiring", At: now, Suppression: k.Suppression, Hits: s.hits[k.ID]})
		}
	}
	s.wake = s.next(now)
}

func (e *Engine) reread() {
	s := &e.known
	list, err := LoadSuppressions(s.path)
	all := append([]known{}, s.fixed...)
	for i := 0; err == nil && i < len(list); i++ {
		k, bad := list[i].check()
		if bad != nil {
			err = fmt.Errorf("number %d: %w", i, bad)
		}
		all = append(all, k)
	}
	if err != nil {
		e.deps.Trouble(&event.Trouble{At: e.deps.Now(), Part: "alert", Kind: "suppression_file", Message: "the file of suppressions could not be read: " + clean(err.Error(), 200),
			Hint: "correct it with sqlwitness alerts suppress; until then those of before hold"})
		return
	}
	for _, k := range s.list {
		if !contains(all, k.ID) && s.seen[k.ID] {
			delete(s.seen, k.ID)
			e.deps.Suppression(SuppressionEvent{Kind: "removed", At: e.deps.Now(), Suppression: k.Suppression, Hits: s.hits[k.ID]})
		}
	}
	s.list = all
}

func contains(list []known, id string) bool {
	for _, k := range list {
		if k.ID == id {
			return true
		}
	}
	return false
}

// next is when a suppression has to be looked at again: to remind of its end,
// and at its end, when what it holds back is heard.
func (s *suppressions) next(now time.Time) (at time.Time) {
	for _, k := range s.list {
		for _, t := range []time.Time{k.Expires.Add(-reminder), k.Expires} {
			if t.After(now) && (at.IsZero() || t.Before(at)) {
				at = t
			}
		}
	}
	return at
}

// suppressed finds the suppression that holds an alert back, if one does.
func (e *Engine) suppressed(now time.Time, in *instance) *known {
	labels, version := in.labels(e.plan), cmp.Or(in.migration(), in.after)
	e.refresh(now)
	for i := range e.known.list {
		if k := &e.known.list[i]; now.Before(k.Expires) && k.covers(version) && k.matchers.match(labels) {
			return k
		}
	}
	return nil
}

func stampOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size())
}
