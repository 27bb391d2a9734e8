package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"
)

const (
	folderPrefix = "arqload-sandbox-"
	lockName     = "lock"
	fallbackDir  = "/tmp"
	sweepAge     = time.Minute // folders younger than this may still be in the making
)

// An account is the unprivileged user the servers run as.
type account struct {
	name     string
	uid, gid int
}

// serverAccount is nil unless this process is root, whom PostgreSQL refuses to serve.
func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &account{name: name, uid: uid, gid: gid}, nil
	}
	return nil, errors.New("root cannot run PostgreSQL, and there is neither a user postgres nor nobody")
}

// A folder is the temporary folder of one sandbox. It holds a lock that ends with this process, by which a later Start
// knows that it may remove it.
type folder struct {
	path string
	lock *os.File
}

// newFolder makes a folder in parent that the account can enter. Root's own TMPDIR is often closed to others: with no
// parent asked for, /tmp will do instead; one that was asked for is an error that says what stands in the way.
func newFolder(parent string, a *account) (*folder, error) {
	chosen := parent != ""
	if !chosen {
		parent = os.TempDir()
	}
	parent, err := filepath.Abs(parent)
	if err != nil {
		return nil, err
	}
	if err := canEnter(a, parent); err != nil {
		if chosen || canEnter(a, fallbackDir) != nil {
			return nil, err
		}
		parent = fallbackDir
	}
	sweep(parent, time.Now().Add(-sweepAge))
	path, err := os.MkdirTemp(parent, folderPrefix)
	if err != nil {
		return nil, err
	}
	f := &folder{path: path}
	if f.lock, err = tryLock(f.join(lockName)); err != nil {
		return nil, errors.Join(err, f.remove())
	}
	if err := os.Chmod(path, 0o711); err != nil { // others may pass through, to what they own, but not look
		return nil, errors.Join(err, f.remove())
	}
	return f, nil
}

func (f *folder) join(name string) string { return filepath.Join(f.path, name) }

// mkdir makes a folder inside for the account alone.
func (f *folder) mkdir(name string, a *account) (string, error) {
	path := f.join(name)
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", err
	}
	return path, a.own(path)
}

// writeFile makes a file inside that the account alone can read.
func (f *folder) writeFile(name, text string, a *account) (string, error) {
	path := f.join(name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", err
	}
	return path, a.own(path)
}

func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

// remove tries for a second: a killed server's last child may be writing its last file.
func (f *folder) remove() error {
	if f.lock != nil {
		defer f.lock.Close()
	}
	var err error
	for range 20 {
		if err = os.RemoveAll(f.path); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// sweep removes what sandboxes of killed processes left in parent: folders of ours, unchanged since before, whose lock is
// free. What cannot be removed stays; it is nobody's error.
func sweep(parent string, before time.Time) {
	dirs, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*")) // a parent with [ in its name is not swept
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || info.ModTime().After(before) || !ownedByUs(info) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, lockName)); err != nil {
			continue
		}
		if lock, err := tryLock(filepath.Join(dir, lockName)); err == nil {
			(&folder{path: dir, lock: lock}).remove()
		}
	}
}
