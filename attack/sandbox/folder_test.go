//go:build linux

package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Root's private TMPDIR is closed to the servers' user: asked for, it is an error that names the closed folder; as a
// mere default, /tmp takes its place.
func TestClosedParentIsNamedOrAvoided(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root runs the servers as another user")
	}
	a, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(open(t), "closed")
	if err := os.MkdirAll(filepath.Join(closed, "inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := newFolder(filepath.Join(closed, "inner"), a); err == nil || !strings.Contains(err.Error(), closed+" is drwx------") {
		t.Errorf("a closed parent: %v, want an error that names %s", err, closed)
	}
	t.Setenv("TMPDIR", filepath.Join(closed, "inner"))
	f, err := newFolder("", a)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(f.path) != fallbackDir {
		t.Errorf("the folder is %s, want it in %s", f.path, fallbackDir)
	}
	if err := f.remove(); err != nil {
		t.Error(err)
	}
}
