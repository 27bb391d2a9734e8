package observation

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Hosts is what one hosts sample holds: one entry a machine under test.
type Hosts struct {
	Hosts []Host `json:"hosts"`
}

// Host is one machine's counters, cumulative since it started, and gauges.
type Host struct {
	Name  string `json:"name"` // local, or host:port of its node exporter (with the path where two share it)
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
	// TooMany are metrics of which more series matched than are kept, so that none is.
	TooMany []string `json:"too_many,omitempty"`
}

// The types of an AppMetric.
const (
	AppCounter = "counter"
	AppGauge   = "gauge"
	AppUntyped = "untyped"
	// AppHistogram and AppSummary stand for a whole family, without labels; Value is the
	// number of its series. Its own _count, _sum and _bucket are counters.
	AppHistogram = "histogram"
	AppSummary   = "summary"
)

// AppMetric is one series that an objective names or that every process tells of itself.
type AppMetric struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"` // one of the types above
	Labels map[string]string `json:"labels,omitempty"`
	Value  Number            `json:"value"`
}

// Number is a value that may be infinite or no number at all, which JSON has no form for:
// these are saved as "+Inf", "-Inf" and "NaN".
type Number float64

// MarshalJSON writes a number, or its name.
func (n Number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return json.Marshal(strconv.FormatFloat(f, 'g', -1, 64))
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Number) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil {
		return fmt.Errorf("%s is no number: %w", b, err)
	}
	*n = Number(f)
	return nil
}
