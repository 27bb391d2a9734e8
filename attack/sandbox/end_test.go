//go:build linux

package sandbox

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A cancel at any moment of Start: one at random in each of equal slices, so that every step of it gets some.
func TestCancelDuringStartLeavesNothing(t *testing.T) {
	begin := time.Now()
	sb, err := Start(t.Context(), Options{Dir: open(t), Redis: true, Replica: true})
	if err != nil {
		t.Fatal(err)
	}
	whole := time.Since(begin)
	if err := sb.Stop(); err != nil {
		t.Fatal(err)
	}
	moments := 8
	if v, err := strconv.Atoi(os.Getenv("SANDBOX_TEST_CANCELS")); err == nil {
		moments = v // a long search: SANDBOX_TEST_CANCELS=200 go test -run Cancel
	}
	finished := 0
	for i := range moments {
		dir := open(t)
		at := time.Duration((float64(i) + rand.Float64()) / float64(moments) * float64(whole))
		ctx, cancel := context.WithTimeout(t.Context(), at)
		begin := time.Now()
		sb, err := Start(ctx, Options{Dir: dir, Redis: true, Replica: true})
		cancel()
		switch {
		case err == nil:
			finished++
			whole = min(whole, time.Since(begin)) // the machine was busier before
			if err := sb.Stop(); err != nil {
				t.Errorf("canceled after %v: %v", at, err)
			}
		case err.Error() != "sandbox: "+context.DeadlineExceeded.Error() &&
			!strings.HasSuffix(err.Error(), ": "+context.DeadlineExceeded.Error()):
			t.Errorf("canceled after %v: more than the cancel is reported: %v", at, err)
		case !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("canceled after %v: %v is not the context's error", at, err)
		}
		gone(t, dir, 0)
		empty(t, dir)
		if t.Failed() {
			return
		}
	}
	if finished > moments/2 {
		t.Errorf("%d of %d starts had finished before their cancel: nothing was tested", finished, moments)
	}
}

func TestKilledOwnerTakesServersAlong(t *testing.T) {
	dir := open(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	folder, ok := strings.CutPrefix(strings.TrimSpace(line), "started ")
	if !ok {
		t.Fatalf("the owner says %q (%v)", line, err)
	}
	if n := len(inside(t, folder)); n < 8 { // two postmasters, their helpers, Redis
		t.Errorf("%d processes in %s before the kill: nothing is tested", n, folder)
	}
	cmd.Process.Kill()
	cmd.Wait()
	gone(t, dir, 5*time.Second)

	// The next Start removes the orphaned folder, but not one that is in use or may be in the making.
	young, old := filepath.Join(dir, folderPrefix+"young"), time.Now().Add(-2*sweepAge)
	for _, name := range []string{young, filepath.Join(dir, folderPrefix+"used")} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	used, err := tryLock(filepath.Join(dir, folderPrefix+"used", lockName))
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	youngLock, err := tryLock(filepath.Join(young, lockName))
	if err != nil {
		t.Fatal(err)
	}
	youngLock.Close()
	for _, name := range []string{folder, filepath.Join(dir, folderPrefix+"used")} {
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	sb, err := Start(t.Context(), Options{Dir: dir, Redis: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := sb.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the killed owner's folder is still there: %v", err)
	}
	for _, name := range []string{"young", "used"} {
		if _, err := os.Stat(filepath.Join(dir, folderPrefix+name)); err != nil {
			t.Errorf("a folder that was not to be touched: %v", err)
		}
	}
}
