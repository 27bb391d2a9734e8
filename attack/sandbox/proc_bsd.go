//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package sandbox

import (
	"errors"
	"syscall"
)

// childAttributes give a child its own process group and the account's identity. The signal on our death is Linux's
// alone: here a kill -9 of this process leaves the servers running.
func childAttributes(a *account, _ syscall.Signal) (*syscall.SysProcAttr, error) {
	return &syscall.SysProcAttr{Setpgid: true, Credential: a.credential()}, nil
}

// killTree kills a process and its group; PostgreSQL's children end by themselves when they see their parent gone.
func killTree(pid int) error { return killGroup(pid) }

func pauseChild(int, string) (func() error, error) {
	return nil, errors.New("only Linux tells which process is which")
}
