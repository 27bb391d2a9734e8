package observation

// Self is what one selfhealth sample holds about the generator's process and machine.
// Counters are cumulative since the process started; the first sample is the baseline.
type Self struct {
	CPU         Seconds `json:"cpu_s"` // user and system time of this process
	GOMAXPROCS  int     `json:"gomaxprocs"`
	QuotaCPUs   float64 `json:"quota_cpus"`     // the cgroup's limit in CPUs; 0: none
	Throttled   int64   `json:"throttled"`      // cgroup periods in which the process was throttled
	MachineBusy Seconds `json:"machine_busy_s"` // all CPUs of the machine
	MachineAll  Seconds `json:"machine_all_s"`
	GCPauses    Seconds `json:"gc_pause_s"` // total stop-the-world time for GC
	GCs         uint64  `json:"gcs"`
	HeapBytes   uint64  `json:"heap_bytes"`
	RSSBytes    uint64  `json:"rss_bytes"`
	Goroutines  int     `json:"goroutines"`
	OpenFiles   int     `json:"open_files"`
	MaxFiles    uint64  `json:"max_files"`
	// Missing names what this system does not tell, so that its zero is not read as a
	// value: cpu, machine, rss, open_files, max_files.
	Missing []string `json:"missing,omitempty"`
	// SchedDelay is /sched/latencies:seconds: how long goroutines waited runnable. Go times
	// one goroutine in eight.
	SchedDelay Buckets `json:"sched_delay"`
}

// Buckets is a sparse histogram of cumulative counts: Count[i] durations since the start
// lay in the bucket that ends, exclusively, at Upper[i] seconds. The last bucket of the
// runtime has no end; Beyond stands for it.
type Buckets struct {
	Upper []float64 `json:"upper_s"`
	Count []uint64  `json:"count"`
}

// Beyond is the upper bound in seconds of a bucket that has none (JSON has no infinity).
const Beyond = 1e9
