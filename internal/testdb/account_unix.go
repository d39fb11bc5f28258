//go:build unix

package testdb

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is whom a server runs as; nil for whoever runs the tests.
type account struct{ *syscall.Credential }

// accountFor finds the first of the names that exists, if the tests run as root.
func accountFor(names []string) (account, error) {
	if os.Getuid() != 0 {
		return account{}, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return account{}, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return account{}, err
		}
		return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, fmt.Errorf("%w: the tests run as root, and there is none of the accounts %q to start it as", ErrNotInstalled, names)
}

func (a account) own(dir string) error {
	if a.Credential == nil {
		return nil
	}
	return os.Chown(dir, int(a.Uid), int(a.Gid))
}

func (a account) process() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Credential: a.Credential}
}
