package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// pages are the project's pages by path from its root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/runbooks/*.md", "dashboard/*.md", "bench/peers/*.md"} {
		files, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found[strings.TrimPrefix(filepath.ToSlash(file), "../../")] = string(text)
		}
	}
	return found
}

// TestLinks: what the pages link to is there, and so is the heading.
func TestLinks(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := page
			if target != "" {
				path = filepath.ToSlash(filepath.Join(filepath.Dir(page), target))
			}
			if _, err := os.Stat(filepath.Join("..", "..", path)); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			} else if anchor != "" && !anchors(all[path])[anchor] {
				t.Errorf("%s links to %s, where there is no such heading", page, m[1])
			}
		}
	}
}

// anchors are the headings of a page as GitHub names them in links.
func anchors(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		names[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])] = true
	}
	return names
}

// TestNamedTests: a test that a page names is there, and a go test that it shows
// runs something in the package that it names.
func TestNamedTests(t *testing.T) {
	names := regexp.MustCompile(`\b(?:Test|Benchmark|Fuzz)[A-Z]\w*`)
	commands := regexp.MustCompile("((?:cd \\S+ && )?)go test ([^`#\n]*)")
	option := regexp.MustCompile(`-(?:run|bench) (?:'([^']*)'|(\S+))`)
	everywhere := tests(t, "...")
	for page, text := range pages(t) {
		for _, name := range names.FindAllString(text, -1) {
			if !strings.Contains(everywhere, "func "+name) {
				t.Errorf("%s names %s, which is not there", page, name)
			}
		}
		for _, command := range commands.FindAllStringSubmatch(text, -1) {
			folder := strings.TrimSuffix(strings.TrimPrefix(command[1], "cd "), " && ")
			for word := range strings.FieldsSeq(command[2]) {
				if word == "." || strings.HasPrefix(word, "./") {
					folder = filepath.Join(folder, word)
				}
			}
			for _, o := range option.FindAllStringSubmatch(command[2], -1) {
				for pattern := range strings.SplitSeq(o[1]+o[2], "|") {
					pattern, _, _ = strings.Cut(pattern, "/")
					if pattern == "^$" || pattern == "xxx" || pattern == "" { // run no test, only benchmarks
						continue
					}
					if !regexp.MustCompile(`func \w*` + pattern).MatchString(tests(t, folder)) {
						t.Errorf("%s shows go test %s, and %s has nothing named %s", page, command[2], folder, pattern)
					}
				}
			}
		}
	}
}

// tests are the heads of the test functions in a folder, "..." for all folders.
func tests(t *testing.T, folder string) string {
	t.Helper()
	var heads strings.Builder
	root := filepath.Join("..", "..", strings.TrimSuffix(folder, "..."))
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && !strings.HasSuffix(folder, "..."):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, head := range regexp.MustCompile(`(?m)^func (?:Test|Benchmark|Fuzz)\w*\(`).FindAll(text, -1) {
			heads.Write(head)
			heads.WriteByte('\n')
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return heads.String()
}
