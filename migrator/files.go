package migrator

import (
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// Files knows the texts of a folder of migrations. Many tools tell the version
// of a migration with the mark that follows its body, so that the version of one
// that fails never reaches the driver; its text does, and tells the file.
//
// The zero value knows none. It is read-only once made.
type Files struct {
	dialect sqltext.Dialect
	texts   map[uint64]origin
}

// origin is the file, and the direction in it, that a text is from.
type origin struct {
	file      string
	direction event.Direction
	several   bool // more than one: the text tells nothing
}

// maxFile bounds the size of a file that is read.
const maxFile = 16 << 20

// ReadFiles reads every .sql file under fsys. What cannot be lexed is left out:
// it can then not be found.
func ReadFiles(fsys fs.FS, d sqltext.Dialect) (*Files, error) {
	f := &Files{dialect: d, texts: map[uint64]origin{}}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".sql" {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Size() > maxFile {
			return err
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		for _, s := range sections(path.Base(name), string(text)) {
			f.add(path.Base(name), s)
		}
		return nil
	})
	return f, err
}

func (f *Files) add(name string, s section) {
	whole, each, ok := sqltext.Exact(s.text, f.dialect)
	if !ok || len(each) == 0 {
		return
	}
	for _, sum := range append(each, whole) {
		o := origin{file: name, direction: s.direction}
		if have, there := f.texts[sum]; there {
			o.several = have.several || have.file != name || have.direction != s.direction
		}
		f.texts[sum] = o
	}
}

// find names the file that a text is from.
func (f *Files) find(sql string) (origin, bool) {
	if f == nil || len(f.texts) == 0 {
		return origin{}, false
	}
	whole, each, ok := sqltext.Exact(sql, f.dialect)
	if !ok {
		return origin{}, false
	}
	for _, sum := range append([]uint64{whole}, each...) {
		if o, there := f.texts[sum]; there && !o.several {
			return o, true
		}
	}
	return origin{}, false
}

// section is the part of a file that goes in one direction.
type section struct {
	direction event.Direction
	text      string
}

// marker is a comment line that begins a direction: goose's, sql-migrate's and
// dbmate's.
var marker = regexp.MustCompile(`(?i)^--\s*(?:\+goose|\+migrate|migrate:)\s*(up|down)\b`)

// sections splits a file at its markers. A file without any has one direction,
// which its name may tell.
func sections(name, text string) []section {
	direction := event.Up
	switch {
	case strings.Contains(name, ".down."):
		direction = event.Down
	case strings.Contains(name, ".up."):
	}
	var list []section
	var b strings.Builder
	end := func() {
		if strings.TrimSpace(b.String()) != "" {
			list = append(list, section{direction, b.String()})
		}
		b.Reset()
	}
	for line := range strings.Lines(text) {
		if m := marker.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			end()
			direction = event.Up
			if strings.EqualFold(m[1], "down") {
				direction = event.Down
			}
			continue
		}
		b.WriteString(line)
	}
	end()
	return list
}

// number is what a migration's file name begins with.
var number = regexp.MustCompile(`^\d+`)

// versionOf is the version that a tool gives to a file.
func (k *tool) versionOf(file string) string {
	switch k.naming {
	case byFile:
		return file
	case byDigits:
		if n := number.FindString(file); n != "" {
			return n
		}
	case byNumber:
		if n := strings.TrimLeft(number.FindString(file), "0"); n != "" {
			return n
		}
	case byStem:
		stem, _, _ := strings.Cut(file, ".")
		return stem
	}
	return strings.TrimSuffix(file, path.Ext(file))
}

// naming is how a tool makes a version of a file's name.
type naming uint8

const (
	byNumber naming = iota // the digits it begins with, as a number: goose, golang-migrate
	byDigits               // the digits as they stand: dbmate, bun, pop
	byFile                 // the whole name: sql-migrate
	byStem                 // up to the first dot: maragu
)
