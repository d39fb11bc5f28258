//go:build !unix

package testdb

import (
	"fmt"
	"runtime"
	"syscall"
)

// account is whom a server runs as. Servers are started on Unix alone;
// elsewhere the environment may name one.
type account struct{}

func accountFor([]string) (account, error) {
	return account{}, fmt.Errorf("%w: servers are not started on %s", ErrNotInstalled, runtime.GOOS)
}

func (account) own(string) error { return nil }

func (account) process() *syscall.SysProcAttr { return nil }
