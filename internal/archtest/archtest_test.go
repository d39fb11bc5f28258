package archtest

import (
	"os"
	"slices"
	"testing"
	"testing/fstest"
)

// ours is the project's layout.
func ours() Layout {
	const sinks = "a sink takes events and nothing else: it neither knows what makes them nor the other sinks, so that each can be understood, replaced or left out alone"
	return Layout{
		Module: "github.com/sqlwitness/sqlwitness",
		Imports: []Imports{
			{"event", nil, "event holds the words that all share; what it imported, all would import"},
			{"sqltext", nil, "sqltext holds what is true of a text alone"},
			{"migrator", []string{"sqltext", "event"}, "migrator holds what is true of a sequence of calls: it knows texts and events, no driver and no sink"},
			{"eventlog", []string{"event"}, sinks},
			{"metrics", []string{"event"}, sinks},
			{"audit", []string{"event"}, sinks},
			{"alert", []string{"event"}, sinks},
			{"dashboard", []string{"event"}, sinks},
			{"probe", []string{"event"}, "a probe looks at a database from outside and reports in events"},
			{"internal/testdb", nil, "a test kit does not depend on what is tested by it"},
			{"internal/fakedb", nil, "a test kit does not depend on what is tested by it"},
			{"drivertest", []string{"internal/fakedb"}, "the kit tests any wrapper, so it knows none"},
		},
		Init:  []string{"drivers"},
		Names: []string{"util", "utils", "common", "helper", "helpers", "misc", "shared"},
	}
}

func TestLayout(t *testing.T) {
	found, err := ours().Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
}

// TestViolations: each kind of violation is found, and nothing else is.
func TestViolations(t *testing.T) {
	src := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	root := fstest.MapFS{
		"sqlwitness.go":            src("package sqlwitness\nimport _ \"github.com/sqlwitness/sqlwitness/audit\"\n"),
		"event/event.go":           src("package event\nimport _ \"github.com/sqlwitness/sqlwitness/sqltext\"\n"),
		"event/event_test.go":      src("package event\nimport _ \"github.com/sqlwitness/sqlwitness/metrics\"\n"),
		"metrics/metrics.go":       src("package metrics\nimport (\n\t_ \"os\"\n\t_ \"github.com/sqlwitness/sqlwitness/event\"\n\t_ \"github.com/sqlwitness/sqlwitness\"\n)\n"),
		"audit/anchor/anchor.go":   src("package anchor\nimport (\n\t_ \"github.com/sqlwitness/sqlwitness/audit\"\n\t_ \"github.com/sqlwitness/sqlwitness/alert\"\n)\n"),
		"migrator/migrator.go":     src("package migrator\nimport (\n\t_ \"github.com/sqlwitness/sqlwitness/event\"\n\t_ \"github.com/sqlwitness/sqlwitness-else/x\"\n)\n"),
		"drivers/pq/pq.go":         src("package pq\nfunc init() {}\n"),
		"alert/alert.go":           src("package alert\ntype a struct{}\nfunc (a) init() {}\nfunc init() {}\n"),
		"internal/util/util.go":    src("package util\n"),
		"sqltext/testdata/text.go": src("package helpers\n"),
	}
	found, err := ours().Check(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"alert/alert.go:4", "audit/anchor/anchor.go:4", "event/event.go:2", "internal/util/util.go:1", "metrics/metrics.go:5"}
	var got []string
	for _, v := range found {
		got = append(got, v.Where)
	}
	if !slices.Equal(got, want) {
		t.Errorf("violations at %q, want %q:\n%v", got, want, found)
	}
	if _, err := ours().Check(fstest.MapFS{"a.go": src("package")}); err == nil {
		t.Error("a file that does not parse passes")
	}
}
