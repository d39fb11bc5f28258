package migrator

import (
	"strconv"
	"testing"
)

func TestApplied(t *testing.T) {
	var a applied
	for _, v := range []string{"9", "10", "2"} {
		a.add(v)
	}
	for _, step := range []struct{ drop, latest string }{{"2", "10"}, {"10", "9"}, {"7", "9"}, {"9", ""}} {
		if a.drop(step.drop); a.latest != step.latest {
			t.Errorf("without %s the latest is %q, want %q", step.drop, a.latest, step.latest)
		}
	}
}

// TestAppliedBeyondTheBound: the latest is right with more versions than are kept,
// and unknown once it is gone.
func TestAppliedBeyondTheBound(t *testing.T) {
	var a applied
	for i := range maxApplied + 5 {
		a.add(strconv.Itoa(i))
	}
	if want := strconv.Itoa(maxApplied + 4); a.latest != want || len(a.versions) != maxApplied {
		t.Errorf("latest is %s of %d that are kept, want %s", a.latest, len(a.versions), want)
	}
	if a.drop(a.latest); a.latest != "" {
		t.Errorf("latest is %s, which is not so", a.latest)
	}
}
