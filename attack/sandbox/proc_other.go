//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

var errUnsupported = errors.New("private servers are not supported on " + runtime.GOOS + "; point a plan at servers of your own")

func childAttributes(*account, syscall.Signal) (*syscall.SysProcAttr, error) {
	return nil, errUnsupported
}
func tryLock(string) (*os.File, error) { return nil, errUnsupported }
func canEnter(*account, string) error  { return errUnsupported }
func killGroup(int) error              { return errUnsupported }
func killTree(int) error               { return errUnsupported }
func pauseChild(int, string) (func() error, error) {
	return nil, errUnsupported
}
func ownedByUs(fs.FileInfo) bool { return false }
