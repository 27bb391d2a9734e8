//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// credential drops root's supplementary groups too.
func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}

func killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }

// tryLock takes the lock file at once or not at all. The lock ends with the file's closing or this process.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// canEnter says which folder on the way to dir the account may not pass, by the permission bits.
func canEnter(a *account, dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if a == nil || err != nil {
		return err
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		bit, st := fs.FileMode(0o001), info.Sys().(*syscall.Stat_t)
		switch {
		case int(st.Uid) == a.uid:
			bit = 0o100
		case int(st.Gid) == a.gid:
			bit = 0o010
		}
		if info.Mode()&bit == 0 {
			return fmt.Errorf("%s is %v: user %s, whom the servers run as because this process is root, cannot enter it; "+
				"choose a folder that is open to others, such as %s", dir, info.Mode(), a.name, fallbackDir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
		dir = filepath.Dir(dir)
	}
}
