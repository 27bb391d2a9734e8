package selfhealth

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// cgroupCPU is the CPU limit this process runs under, in CPUs (0: none), and in how many
// periods its control group was throttled for it. Both control group versions are read. A
// limit of any group above counts too, so the smallest is taken and the throttling summed.
func cgroupCPU(root fs.FS) (cpus float64, throttled int64) {
	dir, top, v2, ok := cgroupFolder(root)
	if !ok {
		return 0, 0
	}
	for {
		limit, ok := cpuLimit(root, dir, v2)
		if ok {
			if cpus == 0 || limit < cpus {
				cpus = limit
			}
			throttled += keyed(root, path.Join(dir, "cpu.stat"), "nr_throttled")
		}
		if dir == top || dir == "." {
			return cpus, throttled
		}
		dir = path.Dir(dir)
	}
}

// cgroupFolder finds the folder of this process' group in the hierarchy that limits CPU,
// and the folder at which that hierarchy is mounted. Version 1 is asked first: where it is
// mounted with the cpu controller, version 2 does not have it.
func cgroupFolder(root fs.FS) (dir, top string, v2, ok bool) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return "", "", false, false
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return "", "", false, false
	}
	for _, v2 := range []bool{false, true} {
		group, found := groupPath(string(groups), v2)
		if !found {
			continue
		}
		base, mounted, found := cgroupMount(string(mounts), v2)
		if !found {
			continue
		}
		// base is the group that is visible at the mount point: "/" outside of containers.
		rest := group
		if base != "/" {
			rest = strings.TrimPrefix(group, base)
		}
		if strings.HasPrefix(rest, "/..") {
			rest = "/" // outside of what this container sees
		}
		top = strings.TrimPrefix(mounted, "/")
		return path.Join(top, rest), top, v2, true
	}
	return "", "", false, false
}

// groupPath reads /proc/self/cgroup: "4:cpu,cpuacct:/path" for version 1, "0::/path" for 2.
func groupPath(text string, v2 bool) (string, bool) {
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		if v2 && f[0] == "0" && f[1] == "" || !v2 && listed(f[1], "cpu") {
			return f[2], true
		}
	}
	return "", false
}

// cgroupMount reads /proc/self/mountinfo (proc(5)): "36 35 0:32 ROOT MOUNTPOINT options
// [optional fields] - FSTYPE source SUPEROPTIONS".
func cgroupMount(text string, v2 bool) (base, mounted string, ok bool) {
	for line := range strings.Lines(text) {
		left, right, found := strings.Cut(strings.TrimSpace(line), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !found || len(l) < 5 || len(r) < 3 {
			continue
		}
		if v2 && r[0] == "cgroup2" || !v2 && r[0] == "cgroup" && listed(r[2], "cpu") {
			return l[3], l[4], true
		}
	}
	return "", "", false
}

// cpuLimit is quota by period of one group; ok is false where it sets no limit.
func cpuLimit(root fs.FS, dir string, v2 bool) (float64, bool) {
	var quota, period string
	if v2 {
		text, err := fs.ReadFile(root, path.Join(dir, "cpu.max")) // "max 100000" or "200000 100000"
		if err != nil {
			return 0, false
		}
		quota, period, _ = strings.Cut(strings.TrimSpace(string(text)), " ")
	} else {
		q, err := fs.ReadFile(root, path.Join(dir, "cpu.cfs_quota_us")) // -1: none
		if err != nil {
			return 0, false
		}
		p, err := fs.ReadFile(root, path.Join(dir, "cpu.cfs_period_us"))
		if err != nil {
			return 0, false
		}
		quota, period = strings.TrimSpace(string(q)), strings.TrimSpace(string(p))
	}
	q, err := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err != nil || err2 != nil || q <= 0 || p <= 0 {
		return 0, false
	}
	return q / p, true
}

// keyed reads one number of a file of "key value" lines; 0 where it is not there.
func keyed(root fs.FS, name, key string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && k == key {
			n, _ := strconv.ParseInt(v, 10, 64) // 0 where it is no number
			return n
		}
	}
	return 0
}

func listed(list, name string) bool {
	for s := range strings.SplitSeq(list, ",") {
		if s == name {
			return true
		}
	}
	return false
}
