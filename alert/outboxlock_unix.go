//go:build unix && !solaris && !aix

package alert

import (
	"os"
	"syscall"
)

// lock waits until no other process uses the file so that it matters: one that
// rewrites it is alone, those that append are not. The lock ends with the file's
// closing, and with the process. A file system that has no locks goes without.
func lock(f *os.File, alone bool) {
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	_ = syscall.Flock(int(f.Fd()), how)
}
