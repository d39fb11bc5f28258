package testdb

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// find looks for a program under any of its names, first in the folders, then
// in PATH. /usr/sbin is looked into besides, since few users have it in PATH.
func find(dirs []string, names ...string) (string, error) {
	dirs = append(slices.Clone(dirs), filepath.SplitList(os.Getenv("PATH"))...)
	for _, dir := range append(dirs, "/usr/sbin", "/usr/local/sbin") {
		for _, name := range names {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%w: found no program %s", ErrNotInstalled, strings.Join(names, " or "))
}
