package migrator

import "slices"

// applied are the versions that are recorded as applied, as far as the version
// table was read or marked in a run. It is asked for the latest at each migration,
// of which one run may have thousands.
type applied struct {
	versions []string
	latest   string // "" for none, and where it is not known
	cut      bool   // there are more than are kept
}

// maxApplied bounds what a run remembers of its version table.
const maxApplied = 4096

func (a *applied) add(v string) {
	if a.latest == "" || compare(v, a.latest) > 0 {
		a.latest = v
	}
	if len(a.versions) == maxApplied {
		a.cut = true
		return
	}
	a.versions = append(a.versions, v)
}

func (a *applied) drop(v string) {
	a.versions = slices.DeleteFunc(a.versions, func(o string) bool { return o == v })
	if v != a.latest {
		return
	}
	if a.latest = ""; a.cut {
		return // the one before may be among those that were not kept
	}
	for _, o := range a.versions {
		if a.latest == "" || compare(o, a.latest) > 0 {
			a.latest = o
		}
	}
}
