// Package archtest keeps the project's layout: which package may import which,
// and what no package may hold. Its test parses the files itself instead of
// asking the go command, so that go test sees which files it depends on and
// does not answer from its cache when one of them has changed.
package archtest

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Violation is a breach of the layout.
type Violation struct {
	Where string // file:line
	What  string
	Why   string // the rule and its reason
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s (%s)", v.Where, v.What, v.Why) }

// Layout is what is to be kept.
type Layout struct {
	Module  string
	Imports []Imports
	// Init are the folders whose packages may have an init function.
	Init []string
	// Names are package names that are not to be used.
	Names []string
}

// Imports says which of the module's packages the package in a folder, and
// those in the folders below it, may import. Tests may import more.
type Imports struct {
	Folder string
	May    []string // folders, each with those below it; none: nothing of ours
	Why    string
}

// Check parses every Go file below the root of a module and lists the
// violations. Folders named testdata are left out.
func (l Layout) Check(root fs.FS) ([]Violation, error) {
	var found []Violation
	files := token.NewFileSet()
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(files, name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		found = append(found, l.file(files, name, f)...)
		return nil
	})
	slices.SortStableFunc(found, func(a, b Violation) int { return cmp.Compare(a.Where, b.Where) })
	return found, err
}

func (l Layout) file(files *token.FileSet, name string, f *ast.File) (found []Violation) {
	at := func(pos token.Pos) string { return fmt.Sprintf("%s:%d", name, files.Position(pos).Line) }
	folder := path.Dir(name)

	if base := strings.TrimSuffix(f.Name.Name, "_test"); slices.Contains(l.Names, base) {
		found = append(found, Violation{at(f.Name.Pos()), "package " + f.Name.Name,
			"a package's name says what is in it, and this one says nothing"})
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if ok && fn.Recv == nil && fn.Name.Name == "init" && !within(folder, l.Init) {
			found = append(found, Violation{at(fn.Pos()), "func init",
				"importing a package does nothing but below " + strings.Join(l.Init, ", ")})
		}
	}
	if strings.HasSuffix(name, "_test.go") {
		return found
	}
	for _, i := range f.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue // the compiler's to report
		}
		ours, ok := strings.CutPrefix(imported, l.Module)
		if !ok || ours != "" && ours[0] != '/' {
			continue
		}
		if ours = strings.TrimPrefix(ours, "/"); ours == "" {
			ours = "."
		}
		for _, rule := range l.Imports {
			if within(folder, []string{rule.Folder}) && !within(ours, append([]string{rule.Folder}, rule.May...)) {
				found = append(found, Violation{at(i.Pos()), fmt.Sprintf("%s imports %s", folder, ours), rule.Why})
			}
		}
	}
	return found
}

// within says that a folder is one of those or below one of them. The root is
// itself alone.
func within(folder string, those []string) bool {
	return slices.ContainsFunc(those, func(of string) bool {
		return folder == of || of != "." && strings.HasPrefix(folder, of+"/")
	})
}
