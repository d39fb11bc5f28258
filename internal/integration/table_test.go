package integration

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/modfile"
)

// matrix is how the tools fared: a row for each way of using one, a column for
// each target.
type matrix struct {
	rows  []subject
	mu    sync.Mutex
	cells map[string]cell // by row and target
}

// cell says how a subject fared on a target.
type cell struct {
	state          cellState
	same, expected bool
	guarantees     []string // of what was applied
}

// cellState is whether there is anything to say. Zero is a target that the tool
// does not support.
type cellState int

const (
	notSupported cellState = iota
	notRun                 // there is no server
	ran
)

func newMatrix(rows []subject) *matrix { return &matrix{rows: rows, cells: map[string]cell{}} }

func key(s subject, t target) string { return s.tool + ", " + s.variant + ", " + t.name }

func (m *matrix) set(s subject, t target, c cell) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cells[key(s, t)] = c
}

// complete reports whether every cell was run that can be.
func (m *matrix) complete() bool {
	for _, s := range m.rows {
		for _, t := range targets {
			if s.runsOn(t) && m.cells[key(s, t)].state != ran {
				return false
			}
		}
	}
	return true
}

// applied notes the guarantees of the migrations that were reported as applied.
func (c *cell) applied(reported []string) {
	for _, line := range reported {
		words := strings.Fields(line)
		guarantee, outcome := words[len(words)-1], words[len(words)-2]
		if outcome == "applied" && !slices.Contains(c.guarantees, guarantee) {
			c.guarantees = append(c.guarantees, guarantee)
			slices.Sort(c.guarantees)
		}
	}
}

func (c cell) String() string {
	switch c.state {
	case notSupported:
		return "–"
	case notRun:
		return "not run"
	}
	mark := func(ok bool) string {
		if ok {
			return "yes"
		}
		return "NO"
	}
	return mark(c.same) + " · " + mark(c.expected) + " · " + strings.Join(c.guarantees, ", ")
}

func (m *matrix) String() string {
	var b strings.Builder
	b.WriteString("| tool | used as |")
	for _, t := range targets {
		b.WriteString(" " + t.title + " |")
	}
	b.WriteString(" what is not told |\n|" + strings.Repeat("---|", 3+len(targets)) + "\n")
	version := moduleVersions()
	for _, s := range m.rows {
		fmt.Fprintf(&b, "| %s %s | %s |", s.tool, version[s.module], s.variant)
		for _, t := range targets {
			b.WriteString(" " + m.cells[key(s, t)].String() + " |")
		}
		b.WriteString(" " + s.unseen + " |\n")
	}
	return b.String()
}

// moduleVersions are those that the test is built with, by go.mod: a test binary
// does not know them.
func moduleVersions() map[string]string {
	versions := map[string]string{}
	text, err := os.ReadFile("go.mod")
	if err != nil {
		panic(err)
	}
	file, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		panic(err)
	}
	for _, r := range file.Require {
		versions[r.Mod.Path] = r.Mod.Version
	}
	return versions
}

var update = flag.Bool("update", false, "write the matrix to docs/tools.md")

const (
	tableBegins = "<!-- The table is written by: go test ./internal/integration -run TestMatrix -update -->\n"
	tableEnds   = "<!-- end of the table -->\n"
)

// check compares the matrix with the one in a page.
func (m *matrix) check(t *testing.T, page string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), tableBegins)
	table, after, ends := strings.Cut(rest, tableEnds)
	switch {
	case !found || !ends:
		t.Fatalf("%s has no place for the table", page)
	case table == m.String():
	case *update:
		if err := os.WriteFile(page, []byte(before+tableBegins+m.String()+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s says otherwise; write it anew with -update", page)
	}
}
