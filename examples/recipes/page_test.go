package recipes

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the functions into docs/recipes.md")

const page = "../../docs/recipes.md"

// quoted is a function in the page: its name, and the Go text below it.
var quoted = regexp.MustCompile("<!-- recipe: (\\w+) -->\n```go\n(?s:(.*?))```\n")

// TestPageQuotes: docs/recipes.md shows the functions that are compiled and run
// here, each of them, as they are.
func TestPageQuotes(t *testing.T) {
	functions := functions(t)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	fresh := quoted.ReplaceAllStringFunc(string(text), func(all string) string {
		name := quoted.FindStringSubmatch(all)[1]
		shown[name] = true
		source, ok := functions[name]
		if !ok {
			t.Errorf("there is no function %s", name)
			return all
		}
		return "<!-- recipe: " + name + " -->\n```go\n" + source + "```\n"
	})
	for name := range functions {
		if !shown[name] {
			t.Errorf("%s does not show %s", page, name)
		}
	}
	switch {
	case fresh == string(text) || t.Failed():
	case *update:
		if err := os.WriteFile(page, []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s shows something else; write it anew with: go test ./examples/recipes -run TestPageQuotes -update", page)
	}
}

// functions are the sources of the package's functions, by name.
func functions(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			from := f.Pos()
			if f.Doc != nil {
				from = f.Doc.Pos()
			}
			sources[f.Name.Name] = string(text[set.Position(from).Offset:set.Position(f.End()).Offset]) + "\n"
		}
	}
	return sources
}
