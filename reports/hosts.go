package reports

import (
	"fmt"
	"math"
	"strings"

	"arqload/analysis"
)

// Hosts is what the machines under test told of themselves in the judged time.
type Hosts struct {
	Available   bool     `json:"available"`
	Reason      string   `json:"reason"`
	Hosts       []Host   `json:"hosts"`
	SampleMeanS float64  `json:"sample_mean_s"`
	SampleMaxS  float64  `json:"sample_max_s"`
	Samples     int      `json:"samples"`
	Failed      int      `json:"samples_failed"` // of Samples, those in which a host did not answer
	Gaps        []string `json:"gaps"`

	asked bool // the plan names some: else the terminal has no section of them
}

// Host is one machine. A null has no value.
type Host struct {
	Name        string   `json:"name"`
	CPUs        int      `json:"cpus"`
	CPUMean     *float64 `json:"cpu_share_mean"`
	CPUMax      *float64 `json:"cpu_share_max"` // of an interval between samples
	MemoryMax   *float64 `json:"memory_share_max"`
	MemoryTotal int64    `json:"memory_total_bytes"`
	Disks       []Disk   `json:"disks"`
}

// Disk is one disk of a machine.
type Disk struct {
	Name        string  `json:"name"`
	ReadPerS    float64 `json:"read_bytes_per_s"`
	WrittenPerS float64 `json:"written_bytes_per_s"`
	BusyMean    float64 `json:"busy_share_mean"`
	BusyMax     float64 `json:"busy_share_max"` // of an interval between samples
}

// Application is what the application's Prometheus endpoints told in the judged time.
type Application struct {
	Available   bool       `json:"available"`
	Reason      string     `json:"reason"`
	Endpoints   []Endpoint `json:"endpoints"`
	SampleMeanS float64    `json:"sample_mean_s"`
	SampleMaxS  float64    `json:"sample_max_s"`
	Samples     int        `json:"samples"`
	Failed      int        `json:"samples_failed"` // of Samples, those in which an endpoint did not answer
	Gaps        []string   `json:"gaps"`

	asked bool // as in Hosts
}

// Endpoint is what every process tells of itself, where it does. A null has no value.
type Endpoint struct {
	URL           string   `json:"url"`
	MemoryMax     *float64 `json:"resident_memory_max_bytes"`
	CPUMean       *float64 `json:"cpu_mean"` // seconds of CPU time a second: 1 is one CPU
	OpenFilesMax  *float64 `json:"open_files_max"`
	GoroutinesMax *float64 `json:"goroutines_max"`
	Restarts      int      `json:"restarts"`
}

func hosts(s *analysis.Summary) Hosts {
	h := s.Hosts
	out := Hosts{Available: h.Available, Reason: h.Reason, Hosts: []Host{}, SampleMeanS: h.SampleMean.Seconds(), SampleMaxS: h.SampleMax.Seconds(),
		Samples: h.Samples, Failed: h.Failed, Gaps: list(h.Gaps), asked: h.Asked}
	for _, u := range h.Hosts {
		one := Host{Name: u.Name, CPUs: u.CPUs, CPUMean: u.CPUMean, CPUMax: u.CPUMax, MemoryMax: u.MemoryMax, MemoryTotal: u.MemoryTotal, Disks: []Disk{}}
		for _, d := range u.Disks {
			one.Disks = append(one.Disks, Disk(d))
		}
		out.Hosts = append(out.Hosts, one)
	}
	return out
}

func application(s *analysis.Summary) Application {
	a := s.Application
	out := Application{Available: a.Available, Reason: a.Reason, Endpoints: []Endpoint{}, SampleMeanS: a.SampleMean.Seconds(), SampleMaxS: a.SampleMax.Seconds(),
		Samples: a.Samples, Failed: a.Failed, Gaps: list(a.Gaps), asked: a.Asked}
	finite := func(v *float64) *float64 {
		if v == nil || math.IsInf(*v, 0) { // JSON has no infinity
			return nil
		}
		return v
	}
	for _, e := range a.Endpoints {
		out.Endpoints = append(out.Endpoints, Endpoint{URL: e.URL, MemoryMax: finite(e.MemoryMax), CPUMean: finite(e.CPUMean),
			OpenFilesMax: finite(e.OpenFilesMax), GoroutinesMax: finite(e.GoroutinesMax), Restarts: e.Restarts})
	}
	return out
}

// The limits of the acceptance document, shown beside what was measured; only objectives
// judge.
const (
	cpuGuide    = "70%"
	memoryGuide = "80%"
)

func (t *text) hosts() {
	h := t.r.Hosts
	if !h.asked {
		return
	}
	if !h.Available {
		t.heading("Hosts: no data")
		t.paragraph("  ", h.Reason)
		t.gaps(h.Gaps)
		return
	}
	t.heading("Hosts (the acceptance document wants CPU below " + cpuGuide + " and memory below " + memoryGuide + "; the objectives judge)")
	tab := t.table("wRRRRRR", "host", "CPUs", "CPU mean", "max", "memory", "disk moved", "busy")
	for _, one := range h.Hosts {
		cells := []string{one.Name, fmt.Sprint(one.CPUs), share(one.CPUMean), share(one.CPUMax), share(one.MemoryMax) + " of " + bytes(one.MemoryTotal), "-", "-"}
		if one.CPUs == 0 {
			cells[1] = "-"
		}
		if one.MemoryMax == nil {
			cells[4] = "-"
		}
		if len(one.Disks) > 0 {
			var moved float64
			busiest := one.Disks[0]
			for _, d := range one.Disks {
				moved += d.ReadPerS + d.WrittenPerS
				if d.BusyMean > busiest.BusyMean {
					busiest = d
				}
			}
			cells[5], cells[6] = fmt.Sprintf("%.1f MB/s", moved/1e6), fmt.Sprintf("%.0f%% %s", busiest.BusyMean*100, cut(busiest.Name, 12))
		}
		tab.row(cells...)
	}
	tab.render()
	t.gaps(h.Gaps)
}

func (t *text) application() {
	a := t.r.Application
	if !a.asked {
		return
	}
	if !a.Available {
		t.heading("Application: no data")
		t.paragraph("  ", a.Reason)
		t.gaps(a.Gaps)
		return
	}
	t.heading("Application")
	for _, e := range a.Endpoints {
		t.paragraph("  ", e.URL+": "+e.words())
	}
	t.gaps(a.Gaps)
}

func (e *Endpoint) words() string {
	var words []string
	add := func(v *float64, format func(float64) string) {
		if v != nil {
			words = append(words, format(*v))
		}
	}
	add(e.MemoryMax, func(v float64) string { return bytes(int64(v)) + " resident at most" })
	add(e.CPUMean, func(v float64) string { return fmt.Sprintf("%.2f CPUs on average", v) })
	add(e.OpenFilesMax, func(v float64) string { return fmt.Sprintf("%.0f open files at most", v) })
	add(e.GoroutinesMax, func(v float64) string { return fmt.Sprintf("%.0f goroutines at most", v) })
	if e.Restarts > 0 {
		words = append(words, fmt.Sprintf("restarts: %d", e.Restarts))
	}
	if len(words) == 0 {
		return "tells none of the metrics that processes tell of themselves"
	}
	return strings.Join(words, ", ")
}

func share(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", *v*100)
}
