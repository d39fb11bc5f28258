package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// newFiles says how the files of a new migration are to be named.
type newFiles struct {
	dir, extension, format, zone string
	sequential                   bool
	digits                       int
}

const stampFormat = "20060102150405"

// create makes the two empty files of a new migration.
func (t *migrateTool) create(_ context.Context, args []string) error {
	var n newFiles
	args, err := t.arguments("create", args, func(f *flag.FlagSet) {
		f.StringVar(&n.extension, "ext", "", "`extension` of the files")
		f.StringVar(&n.dir, "dir", "", "`folder` to make them in; default the current one")
		f.StringVar(&n.format, "format", stampFormat, "Go time `format` of the version, or unix, or unixNano")
		f.StringVar(&n.zone, "tz", "UTC", "time `zone` of the version")
		f.BoolVar(&n.sequential, "seq", false, "number in sequence instead")
		f.IntVar(&n.digits, "digits", 6, "`digits` of numbers in sequence")
	})
	switch {
	case err != nil:
		return err
	case len(args) == 0:
		return errors.New("please specify name")
	case n.extension == "":
		return errors.New("-ext flag must be specified")
	case n.sequential && n.format != stampFormat:
		return errors.New("the seq and format options are mutually exclusive")
	}
	n.extension = "." + strings.TrimPrefix(n.extension, ".")
	n.dir = filepath.Clean(n.dir)
	version, err := n.version(time.Now())
	if err != nil {
		return err
	}
	if taken, err := filepath.Glob(filepath.Join(n.dir, version+"_*"+n.extension)); err != nil || len(taken) > 0 {
		return cmp.Or(err, fmt.Errorf("duplicate migration version: %s", version))
	}
	if err := os.MkdirAll(n.dir, os.ModePerm); err != nil {
		return err
	}
	for _, direction := range []string{"up", "down"} {
		name := filepath.Join(n.dir, fmt.Sprintf("%s_%s.%s%s", version, args[0], direction, n.extension))
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		if whole, err := filepath.Abs(name); err == nil {
			name = whole
		}
		t.log.Println(name)
	}
	return nil
}

func (n *newFiles) version(now time.Time) (string, error) {
	if n.sequential {
		return n.following()
	}
	zone, err := time.LoadLocation(n.zone)
	if err != nil {
		return "", err
	}
	now = now.In(zone)
	switch n.format {
	case "":
		return "", errors.New("time format may not be empty")
	case "unix":
		return strconv.FormatInt(now.Unix(), 10), nil
	case "unixNano":
		return strconv.FormatInt(now.UnixNano(), 10), nil
	}
	return now.Format(n.format), nil
}

// following is the number after that of the last file, by name, in the folder.
func (n *newFiles) following() (string, error) {
	if n.digits <= 0 {
		return "", errors.New("digits must be positive")
	}
	files, err := filepath.Glob(filepath.Join(n.dir, "*"+n.extension))
	if err != nil {
		return "", err
	}
	next := uint64(1)
	if len(files) > 0 {
		last := files[len(files)-1]
		number, _, ok := strings.Cut(filepath.Base(last), "_")
		if !ok || number == "" {
			return "", fmt.Errorf("malformed migration filename: %s", last)
		}
		if next, err = strconv.ParseUint(number, 10, 64); err != nil {
			return "", err
		}
		next++
	}
	version := fmt.Sprintf("%0*d", n.digits, next)
	if len(version) > n.digits {
		return "", fmt.Errorf("next sequence number %s too large, at most %d digits are allowed", version, n.digits)
	}
	return version, nil
}
