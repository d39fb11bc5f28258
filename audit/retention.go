package audit

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Policy says how long each kind of section is kept. A section that is not in it
// is kept forever, and so is every leaf: retention deletes what a leaf commits
// to, and each proof still holds.
type Policy map[string]time.Duration

const (
	day     = 24 * time.Hour
	maxKept = 200 * 366 * day
)

// Sections that a policy may name, in the order in which policies are written.
var retained = [...]string{sectionActor, sectionSQL, sectionError, sectionWhy, sectionInbox}

// Presets are the shortest times that rules of the trade allow.
var Presets = map[string]Policy{
	// PCI DSS 10.5.1: twelve months.
	"pci": {sectionActor: 365 * day, sectionSQL: 365 * day, sectionError: 365 * day, sectionWhy: 365 * day, sectionInbox: 365 * day},
	// HIPAA 164.316(b)(2)(i): six years.
	"hipaa": {sectionActor: 6 * 366 * day, sectionSQL: 6 * 366 * day, sectionError: 6 * 366 * day, sectionWhy: 6 * 366 * day, sectionInbox: 6 * 366 * day},
	// What was run for a quarter, who ran it for a year, and why forever.
	"lean": {sectionActor: 400 * day, sectionSQL: 90 * day, sectionError: 90 * day, sectionInbox: 400 * day},
}

// ParsePolicy reads "sql=90d,actor=400d": a section and a whole number of days
// (d) or hours (h) each, or "forever".
func ParsePolicy(text string) (Policy, error) {
	p := Policy{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || !slices.Contains(retained[:], name) {
			return nil, fmt.Errorf("audit: %q is no part of a policy: it looks like sql=90d, and the sections are %s", part, strings.Join(retained[:], ", "))
		}
		if value == "forever" {
			continue
		}
		number, unit := strings.CutSuffix(value, "d")
		each := day
		if !unit {
			number, unit = strings.CutSuffix(value, "h")
			each = time.Hour
		}
		n, err := strconv.Atoi(number)
		if err != nil || !unit || n <= 0 || n > int(maxKept/each) {
			return nil, fmt.Errorf("audit: %q is no time to keep %s for: it looks like 90d, 36h or forever", value, name)
		}
		p[name] = time.Duration(n) * each
	}
	return p, nil
}

// String is the policy as ParsePolicy reads it.
func (p Policy) String() string {
	var parts []string
	for _, name := range retained {
		keep, ok := p[name]
		switch {
		case !ok:
			parts = append(parts, name+"=forever")
		case keep%day == 0:
			parts = append(parts, name+"="+strconv.Itoa(int(keep/day))+"d")
		default:
			parts = append(parts, name+"="+strconv.Itoa(int(keep/time.Hour))+"h")
		}
	}
	return strings.Join(parts, ",")
}

func (p Policy) check() error {
	for name, keep := range p {
		if !slices.Contains(retained[:], name) || keep < time.Hour || keep%time.Hour != 0 {
			return fmt.Errorf("audit: a policy keeps %q for %v: the sections are %s, and the times whole hours", name, keep, strings.Join(retained[:], ", "))
		}
	}
	return nil
}

// shorter reports whether p keeps something for less long than q.
func (p Policy) shorter(q Policy) bool {
	for name, keep := range p {
		if old, ok := q[name]; !ok || keep < old {
			return true
		}
	}
	return false
}

// inForce is a policy and when it was set.
type inForce struct {
	policy Policy
	since  time.Time
}

// keep is how long a section of an entry is kept: by the policy of its day, or a
// longer one since. Shortening a policy shortens nothing that is there already.
func keep(policies []inForce, section string, made time.Time) (time.Duration, bool) {
	longest, found := time.Duration(0), false
	for i, p := range policies {
		ended := i+1 < len(policies) && !policies[i+1].since.After(made)
		if ended {
			continue // replaced before the entry was made
		}
		d, ok := p.policy[section]
		if !ok {
			return 0, false // forever
		}
		longest, found = max(longest, d), true
	}
	return longest, found
}

// hold keeps everything, or one attempt, from being deleted.
type hold struct{ name, attempt string }

var errHold = errors.New("audit: a legal hold is in force")

// Covered are the sections that an entry of kind retention.prune or
// retention.erase says were deleted, by section: ids of entries as 32 hexadecimal
// digits. Any other section that is missing is missing without a reason.
func Covered(facts map[string]any) map[string][]string {
	covered := map[string][]string{}
	lists, _ := facts["deleted"].(map[string]any)
	for name, list := range lists {
		ids, _ := list.([]any)
		for _, id := range ids {
			if s, ok := id.(string); ok {
				covered[name] = append(covered[name], s)
			}
		}
	}
	return covered
}

// doomed is a section that is about to be deleted.
type doomed struct{ entry, section string }

// deletion are the facts about what is deleted.
func deletion(list []doomed) object {
	by := map[string][]any{}
	for _, d := range list {
		by[d.section] = append(by[d.section], d.entry)
	}
	o := object{}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		slices.SortFunc(by[name], func(a, b any) int { return cmp.Compare(a.(string), b.(string)) })
		o[name] = by[name]
	}
	return o
}
