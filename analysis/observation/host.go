package observation

// Hosts is what one hosts sample holds: one entry a machine under test.
type Hosts struct {
	Hosts []Host `json:"hosts"`
}

// Host is one machine's counters, cumulative since it started, and gauges.
type Host struct {
	Name  string `json:"name"` // local, or host:port of its node exporter
	Error string `json:"error,omitempty"`
	// BootTime, in seconds since 1970, changes when the machine restarts; 0: not told.
	BootTime float64 `json:"boot_time_s"`
	CPUs     int     `json:"cpus"`
	// CPUBusy and CPUAll are summed over all CPUs. Waiting for a disk counts as idle.
	CPUBusy         Seconds  `json:"cpu_busy_s"`
	CPUAll          Seconds  `json:"cpu_all_s"`
	MemoryTotal     int64    `json:"memory_total_bytes"`
	MemoryAvailable int64    `json:"memory_available_bytes"`
	Disks           []Disk   `json:"disks"`
	Missing         []string `json:"missing,omitempty"` // what this machine does not tell: cpu, memory, disk
}

// Disk is one block device of a host, not a partition of one.
type Disk struct {
	Name         string  `json:"name"`
	ReadBytes    int64   `json:"read_bytes"`
	WrittenBytes int64   `json:"written_bytes"`
	Busy         Seconds `json:"busy_s"` // time in which it had something to do
}

// Application is what one appmetrics sample holds: one entry an endpoint.
type Application struct {
	Endpoints []Endpoint `json:"endpoints"`
}

// Endpoint is one Prometheus text endpoint.
type Endpoint struct {
	URL     string      `json:"url"`
	Error   string      `json:"error,omitempty"`
	Metrics []AppMetric `json:"metrics"`
}

// AppMetric is one series that an objective names or that every process tells of itself.
type AppMetric struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"` // counter, gauge or untyped; of a histogram or summary its _count and _sum are counters, its _bucket too
	Labels map[string]string `json:"labels,omitempty"`
	Value  float64           `json:"value"`
}
