package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// childAttributes give a child its own process group, the account's identity and a signal on our death.
func childAttributes(a *account, death syscall.Signal) (*syscall.SysProcAttr, error) {
	return &syscall.SysProcAttr{Setpgid: true, Credential: a.credential(), Pdeathsig: death}, nil
}

// killTree kills a process and all its descendants. PostgreSQL's children leave their parent's process group, so that
// killing the group would miss them.
func killTree(pid int) error {
	family := []int{pid}
	parents := parentOf()
	for i := 0; i < len(family); i++ {
		for child, parent := range parents {
			if parent == family[i] {
				family = append(family, child)
			}
		}
	}
	err := syscall.Kill(pid, syscall.SIGKILL)
	for _, child := range family[1:] {
		syscall.Kill(child, syscall.SIGKILL) // may have gone with its parent
	}
	return err
}

// parentOf maps each process of this machine to its parent, from the fourth field of /proc/PID/stat; the second, the
// name, is in parentheses and may hold anything.
func parentOf() map[int]int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is a constant
	parents := make(map[int]int, len(stats))
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		pid, err1 := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if len(fields) < 2 || err1 != nil {
			continue
		}
		if parent, err := strconv.Atoi(string(fields[1])); err == nil {
			parents[pid] = parent
		}
	}
	return parents
}

// pauseChild stops the child of a process whose title holds a word, as PostgreSQL's children have their task there, and
// returns what lets it go on.
func pauseChild(pid int, word string) (resume func() error, err error) {
	for child, parent := range parentOf() {
		if parent != pid {
			continue
		}
		title, err := os.ReadFile("/proc/" + strconv.Itoa(child) + "/cmdline")
		if err != nil || !bytes.Contains(title, []byte(word)) {
			continue
		}
		if err := syscall.Kill(child, syscall.SIGSTOP); err != nil {
			return nil, err
		}
		return func() error { return syscall.Kill(child, syscall.SIGCONT) }, nil
	}
	return nil, fmt.Errorf("process %d has no %s", pid, word)
}
