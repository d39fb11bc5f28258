package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// How an attempt ended whose process died stands in an entry of no run, which may
// be the newest one or sort before the intent.
func TestReportRecovered(t *testing.T) {
	const intent = `{"attempt":"a","kind":"intent","run":"r","tool":"goose","version":"7","direction":"up","started":"2026-03-04T05:06:07Z","client_time":"2026-03-04T05:06:08Z"}`
	const lost = `{"attempt":"a","kind":"outcome","run":"r","tool":"goose","version":"7","direction":"up","outcome":"interrupted","started":"2026-03-04T05:06:07Z","client_time":"2026-03-04T05:06:08Z"}`
	const other = `{"attempt":"b","kind":"recovered","facts":{"resolution":"unknown"},"client_time":"2026-03-05T05:06:08Z"}`
	resolved := func(how string) string {
		return `{"attempt":"a","kind":"recovered","facts":{"resolution":"` + how + `"},"client_time":"2026-03-05T05:06:08Z"}`
	}
	for _, c := range []struct {
		name              string
		trail             []string
		headline, verdict string
	}{
		{"open", []string{intent}, "goose not finished in 1s", ""},
		{"of another attempt", []string{intent, other}, "goose not finished in 1s", ""},
		{"newest", []string{intent, resolved("rolled_back")}, "goose failed, 1 failed in 1s", "nothing of it remains"},
		{"before the intent", []string{resolved("unknown"), intent}, "goose failed, 1 failed in 1s", "a part of it may remain"},
		{"the answer was lost", []string{intent, lost, resolved("committed")}, "goose ok, 1 applied in 1s", "went through"},
	} {
		var entries []*trailEntry
		for _, leaf := range c.trail {
			e := &trailEntry{}
			if err := json.Unmarshal([]byte(leaf), e); err != nil {
				t.Fatal(err)
			}
			entries = append(entries, e)
		}
		run := lastRun(entries)
		r := reportOfEntries(run, entriesOf(run, entries))
		if run != "r" || r.headline() != c.headline || len(r.Migrations) != 1 || !strings.Contains(r.Migrations[0].Verdict, c.verdict) {
			t.Errorf("%s: run %q, %s, %+v", c.name, run, r.headline(), r.Migrations[0])
		}
	}
	if run := lastRun(nil); run != "" {
		t.Errorf("an empty trail has run %q", run)
	}
}
