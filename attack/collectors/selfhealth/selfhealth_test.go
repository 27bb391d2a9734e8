package selfhealth

import (
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"testing"
	"testing/fstest"
	"time"

	"arqload/analysis/observation"
	"arqload/attack/collectors"

	"github.com/google/go-cmp/cmp"
)

func tree(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

const (
	mountsV1 = `30 24 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
34 30 0:30 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw
`
	mountsV2        = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	mountsContainer = "812 803 0:26 /docker/abc /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
)

func TestCPULimitOfTheControlGroup(t *testing.T) {
	for _, c := range []struct {
		name      string
		files     map[string]string
		cpus      float64
		throttled int64
	}{
		{"no control groups", nil, 0, 0},
		{"version 2 without a limit", map[string]string{
			"proc/self/cgroup": "0::/user.slice\n", "proc/self/mountinfo": mountsV2,
			"sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
		}, 0, 0},
		{"version 2: the tighter limit is of the group above, both throttle", map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": mountsV2,
			"sys/fs/cgroup/a/b/cpu.max":  "400000 100000\n",
			"sys/fs/cgroup/a/b/cpu.stat": "usage_usec 5\nnr_periods 10\nnr_throttled 3\n",
			"sys/fs/cgroup/a/cpu.max":    "150000 100000\n",
			"sys/fs/cgroup/a/cpu.stat":   "nr_throttled 4\n",
		}, 1.5, 7},
		{"version 2 in a container with its own namespace", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountsV2,
			"sys/fs/cgroup/cpu.max": "50000 100000\n",
		}, 0.5, 0},
		{"version 2 in a container that sees the host's paths", map[string]string{
			"proc/self/cgroup": "0::/docker/abc\n", "proc/self/mountinfo": mountsContainer,
			"sys/fs/cgroup/cpu.max": "250000 100000\n",
		}, 2.5, 0},
		{"version 1 beside an empty version 2", map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/job\n0::/\n", "proc/self/mountinfo": mountsV1,
			"sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us":  "300000\n",
			"sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpu,cpuacct/job/cpu.stat":          "nr_periods 9\nnr_throttled 2\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":      "-1\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us":     "100000\n",
		}, 3, 2},
	} {
		cpus, throttled := cgroupCPU(tree(c.files))
		if cpus != c.cpus || throttled != c.throttled {
			t.Errorf("%s: %v CPUs, throttled %d times; want %v, %d", c.name, cpus, throttled, c.cpus, c.throttled)
		}
	}
}

func TestMachineCPUCountsGuestsOnceAndDiskWaitAsIdle(t *testing.T) {
	// 100 ticks are a second: user 100, nice 200, system 300, idle 4000, iowait 500, irq 6,
	// softirq 7, steal 8; the guest's 90 are already in user.
	root := tree(map[string]string{"proc/stat": "cpu  100 200 300 4000 500 6 7 8 90 0\ncpu0 1 1 1 1\n"})
	busy, all, ok := machineCPU(root)
	if busy != 6210*time.Millisecond || all != 51210*time.Millisecond || !ok {
		t.Errorf("busy %v of %v, %v; want 6.21s of 51.21s, true", busy, all, ok)
	}
	if _, _, ok := machineCPU(tree(nil)); ok {
		t.Error("a system without /proc/stat must be reported as missing")
	}
}

func TestOnlyBucketsThatHoldSomethingAreKept(t *testing.T) {
	got := buckets(&metrics.Float64Histogram{
		Counts:  []uint64{0, 5, 0, 2, 1},
		Buckets: []float64{math.Inf(-1), 0, 0.001, 0.002, 0.004, math.Inf(1)},
	})
	want := observation.Buckets{Upper: []float64{0.001, 0.004, observation.Beyond}, Count: []uint64{5, 2, 1}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("buckets (-want +got):\n%s", d)
	}
}

func TestThisProcessIsMeasured(t *testing.T) {
	c := Open()
	before := sample(t, c)
	var kept []*os.File
	for range 10 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, f)
		defer f.Close()
	}
	for start := time.Now(); time.Since(start) < 200*time.Millisecond; {
	}
	runtime.GC()
	after := sample(t, c)

	if runtime.GOOS == "linux" && len(after.Missing) > 0 {
		t.Errorf("missing on Linux: %v", after.Missing)
	}
	// Other processes may take most of the CPU, hence the wide lower bound.
	if d := (after.CPU - before.CPU).Duration(); d < 20*time.Millisecond || d > 2*time.Second {
		t.Errorf("200 ms of spinning counted as %v of CPU", d)
	}
	if d := after.OpenFiles - before.OpenFiles; d != len(kept) {
		t.Errorf("%d more open files, want %d", d, len(kept))
	}
	if after.GCs <= before.GCs || after.GCPauses <= before.GCPauses {
		t.Errorf("GCs %d -> %d, pauses %v -> %v: want both to grow", before.GCs, after.GCs,
			before.GCPauses.Duration(), after.GCPauses.Duration())
	}
	if after.MachineAll <= before.MachineAll || after.RSSBytes < 1<<20 || after.HeapBytes == 0 ||
		after.Goroutines < 2 || after.MaxFiles < 64 || after.GOMAXPROCS != runtime.GOMAXPROCS(0) || len(after.SchedDelay.Count) == 0 {
		t.Errorf("implausible sample: %+v", after)
	}
	if _, err := json.Marshal(after); err != nil {
		t.Errorf("the sample cannot be saved: %v", err)
	}
}

func sample(t *testing.T, c *Collector) observation.Self {
	t.Helper()
	data, err := c.Sample(t.Context(), collectors.Tick{})
	if err != nil {
		t.Fatal(err)
	}
	return data.(observation.Self)
}

func BenchmarkSample(b *testing.B) {
	c := Open()
	for b.Loop() {
		if _, err := c.Sample(b.Context(), collectors.Tick{}); err != nil {
			b.Fatal(err)
		}
	}
}
