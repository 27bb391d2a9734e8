// Package selfhealth samples this process, the load generator itself: its CPU against what
// it may use, garbage collection, scheduling delay, memory and open files. A generator
// that was short of these measured itself, not the system.
package selfhealth

import (
	"context"
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
)

// Collector reads this process and this machine. What the operating system does not tell
// is named in the sample's Missing.
type Collector struct {
	root    fs.FS // "/": proc and sys
	metrics []metrics.Sample
	gc      debug.GCStats
}

const (
	schedLatencies = "/sched/latencies:seconds"
	heapObjects    = "/memory/classes/heap/objects:bytes"
	goroutines     = "/sched/goroutines:goroutines"
)

// Open never fails: there is always something to read.
func Open() *Collector {
	return &Collector{
		root:    os.DirFS("/"),
		metrics: []metrics.Sample{{Name: schedLatencies}, {Name: heapObjects}, {Name: goroutines}},
	}
}

// Name is "selfhealth".
func (c *Collector) Name() string { return "selfhealth" }

// Close does nothing.
func (c *Collector) Close(context.Context) error { return nil }

// Sample returns an [observation.Self].
func (c *Collector) Sample(context.Context, collectors.Tick) (any, error) {
	s := observation.Self{GOMAXPROCS: runtime.GOMAXPROCS(0)}
	missing := func(name string, ok bool) {
		if !ok {
			s.Missing = append(s.Missing, name)
		}
	}
	cpu, ok := processCPU()
	s.CPU = observation.Seconds(cpu)
	missing("cpu", ok)
	busy, all, ok := machineCPU(c.root)
	s.MachineBusy, s.MachineAll = observation.Seconds(busy), observation.Seconds(all)
	missing("machine", ok)
	s.QuotaCPUs, s.Throttled = cgroupCPU(c.root)
	s.RSSBytes, ok = residentBytes(c.root)
	missing("rss", ok)
	s.OpenFiles, ok = openFiles()
	missing("open_files", ok)
	s.MaxFiles, ok = maxFiles()
	missing("max_files", ok)

	debug.ReadGCStats(&c.gc) // unlike runtime.ReadMemStats it does not stop the world
	s.GCPauses, s.GCs = observation.Seconds(c.gc.PauseTotal), uint64(c.gc.NumGC)
	metrics.Read(c.metrics)
	for _, m := range c.metrics {
		switch {
		case m.Value.Kind() == metrics.KindBad: // a runtime without it
			missing(m.Name, false)
		case m.Name == schedLatencies:
			s.SchedDelay = buckets(m.Value.Float64Histogram())
		case m.Name == heapObjects:
			s.HeapBytes = m.Value.Uint64()
		case m.Name == goroutines:
			s.Goroutines = int(m.Value.Uint64())
		}
	}
	return s, nil
}

// buckets keeps the buckets that hold something. h.Buckets has one bound more than there
// are counts; the last is +Inf.
func buckets(h *metrics.Float64Histogram) observation.Buckets {
	var b observation.Buckets
	for i, n := range h.Counts {
		if n == 0 {
			continue
		}
		upper := h.Buckets[i+1]
		if math.IsInf(upper, 1) {
			upper = observation.Beyond
		}
		b.Upper = append(b.Upper, upper)
		b.Count = append(b.Count, n)
	}
	return b
}

// openFiles counts this process' descriptors, without the one that counts them.
func openFiles() (int, bool) {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		f, err := os.Open(dir)
		if err != nil {
			continue
		}
		names, err := f.Readdirnames(-1)
		f.Close()
		if err == nil {
			return len(names) - 1, true
		}
	}
	return 0, false
}

// userHZ is the unit of /proc/stat: 100 a second on every architecture Go runs on.
const userHZ = 100

func ticks(n uint64) time.Duration { return time.Duration(n) * (time.Second / userHZ) }
