package selfhealth

import (
	"bytes"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// machineCPU reads /proc/stat: the time all CPUs together spent busy, and in all. Waiting
// for a disk counts as idle; a guest's time is already in user and nice (proc(5)).
func machineCPU(root fs.FS) (busy, all time.Duration, ok bool) {
	text, err := fs.ReadFile(root, "proc/stat")
	if err != nil {
		return 0, 0, false
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := strings.Fields(string(line)) // cpu user nice system idle iowait irq softirq steal guest guest_nice
	if len(fields) < 5 || fields[0] != "cpu" {
		return 0, 0, false
	}
	for i, f := range fields[1:min(len(fields), 9)] {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		all += ticks(n)
		if i != 3 && i != 4 { // idle and iowait
			busy += ticks(n)
		}
	}
	return busy, all, true
}

// residentBytes reads /proc/self/statm, whose second number is the resident set in pages.
func residentBytes(root fs.FS) (uint64, bool) {
	text, err := fs.ReadFile(root, "proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize()), err == nil
}
