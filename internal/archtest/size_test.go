package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingBuiltIsKept: whoever fetches the module fetches every file of it, so a program that was built in the
// tree and added by mistake costs them all. Sources and pictures stay far below a megabyte.
func TestNothingBuiltIsKept(t *testing.T) {
	const limit = 1 << 20
	root := filepath.Join("..", "..")
	list, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		t.Skip("not a git checkout:", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			continue // deleted and not yet committed
		}
		if info.Size() > limit {
			t.Errorf("%s has %d bytes, more than %d: was it built here?", name, info.Size(), limit)
		}
	}
}
