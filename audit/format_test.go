package audit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// What the code writes has a name in the format's description: each kind, stage,
// section, resolution and code of a finding, each field of an actor, and each key
// of an object.
func TestFormatNames(t *testing.T) {
	doc, err := os.ReadFile("../docs/audit-format.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{} // and where each is written
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "export.go" { // which writes other formats too
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named(t, file, text) {
			names[name] = file
		}
	}
	for _, known := range []string{KindRecovered, "db_session", "vcs_modified", "ci", "process", "prev_attempt", "facts", "policy_sha256", "section_missing", "still_running", "inbox"} {
		if names[known] == "" {
			t.Errorf("the search does not find %q in the code", known)
		}
	}
	for name, file := range names {
		if !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/audit-format.md lacks `%s` of %s", name, file)
		}
	}
}

// written finds the keys that are set in leaves and facts, and the fields of actors.
var written = regexp.MustCompile(`(?:\bh|facts)\[("\w+")\]|(?:\bh|facts)\.text\(("\w+"),|\ba\.set\(("\w+"),|\bknown\(("\w+"),`)

// named lists the names of the format that a file of the code has.
func named(t *testing.T, file string, text []byte) (names []string) {
	t.Helper()
	add := func(quoted string) {
		s, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatal(file, err)
		}
		names = append(names, s)
	}
	for _, match := range written.FindAllSubmatch(text, -1) {
		for _, quoted := range match[1:] {
			if len(quoted) > 0 {
				add(string(quoted))
			}
		}
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if typ, ok := n.Type.(*ast.Ident); ok && typ.Name == "object" {
				for _, field := range n.Elts {
					if key, ok := field.(*ast.KeyValueExpr).Key.(*ast.BasicLit); ok {
						add(key.Value)
					}
				}
			}
		case *ast.ValueSpec:
			if value, ok := constant(n); ok {
				add(value)
			}
		}
		return true
	})
	return names
}

// constant is the value of a constant that names something of the format.
func constant(spec *ast.ValueSpec) (quoted string, ok bool) {
	if len(spec.Values) != 1 {
		return "", false
	}
	value, ok := spec.Values[0].(*ast.BasicLit)
	if !ok || value.Kind != token.STRING {
		return "", false
	}
	typ, _ := spec.Type.(*ast.Ident)
	name := strings.ToLower(spec.Names[0].Name)
	return value.Value, typ != nil && (typ.Name == "Resolution" || typ.Name == "Code") ||
		strings.HasPrefix(name, "kind") || strings.HasPrefix(name, "stage") || strings.HasPrefix(name, "section")
}
