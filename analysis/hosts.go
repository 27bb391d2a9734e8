package analysis

import (
	"slices"
	"time"

	"arqload/analysis/observation"
)

// Hosts is what the machines under test told of themselves in the judged time.
type Hosts struct {
	Asked     bool // the plan names hosts
	Available bool // one of them at least told something
	Reason    string
	Hosts     []HostUse // in the plan's order
	Gaps      []string

	Samples    int // in the judged time
	Failed     int // of these, those in which a host did not answer
	SampleMean time.Duration
	SampleMax  time.Duration

	Series   []Series
	Measures map[string]Measure // of the catalogue
}

// HostUse is one machine. A nil has no value.
type HostUse struct {
	Name        string
	CPUs        int
	CPUMean     *float64 // share of all CPUs' time
	CPUMax      *float64 // of an interval between samples
	MemoryMax   *float64 // share that is not available, of a sample
	MemoryTotal int64    // bytes
	Disks       []DiskUse
}

// DiskUse is one disk of a machine.
type DiskUse struct {
	Name        string
	ReadPerS    float64 // bytes
	WrittenPerS float64 // bytes
	BusyMean    float64 // share of the time in which it had something to do
	BusyMax     float64 // of an interval between samples
}

// clockStep is by how much a boot time may differ before it is another: it is worked out
// from a wall clock that is being set.
const clockStep = 5.0 // seconds

// SummarizeHosts reads the samples of hosts. CPU and disks are differences of counters: a
// sample that was lost takes nothing from a mean, which goes on at the next one. Memory is
// known at the samples alone. A restart between two samples leaves their interval out.
func SummarizeHosts(run *observation.Run) Hosts {
	var h Hosts
	h.Asked, h.Reason = asked(run, "hosts", "hosts")
	stretches := judgedStretches(run)
	if h.Reason == "" && len(stretches) == 0 {
		h.Reason = "the run reached no judged phase"
	}
	if h.Reason != "" {
		h.Measures = noMeasures("hosts", h.Reason)
		return h
	}
	all := samples[observation.Hosts](run, "hosts")
	h.Samples, h.Failed, h.SampleMean, h.SampleMax = sampling(all, stretches, func(d *observation.Hosts) bool {
		return slices.ContainsFunc(d.Hosts, func(h observation.Host) bool { return h.Error != "" })
	})

	var names []string
	for _, t := range all {
		for _, one := range t.data.Hosts {
			if !slices.Contains(names, one.Name) {
				names = append(names, one.Name)
			}
		}
	}
	m := hostMeasures{stretches: stretches}
	for _, name := range names {
		m.host(name, hostSamples(all, name))
	}
	h.Hosts, h.Gaps, h.Series = m.hosts, m.gaps, m.series()
	if len(names) == 0 {
		h.Gaps = failures(all)
	}
	why := "no host told it"
	if len(h.Gaps) > 0 {
		why += ": " + h.Gaps[len(h.Gaps)-1]
	}
	h.Measures = m.measures(why)
	for _, measure := range h.Measures {
		h.Available = h.Available || measure.Reason == ""
	}
	if !h.Available {
		h.Reason = "no host gave two samples in the judged time"
		if len(h.Gaps) > 0 {
			h.Reason += ": " + h.Gaps[len(h.Gaps)-1]
		}
	}
	return h
}

// sampling counts the samples of the judged time, those of them that failed, whole or in
// part, and what they cost.
func sampling[T any](all []taken[T], stretches []stretch, partly func(*T) bool) (n, failed int, mean, longest time.Duration) {
	for i := range all {
		t := &all[i]
		if !holds(stretches, t.at) {
			continue
		}
		n++
		mean += t.took
		longest = max(longest, t.took)
		if t.err != "" || partly(&t.data) {
			failed++
		}
	}
	if n > 0 {
		mean /= time.Duration(n)
	}
	return n, failed, mean, longest
}

// hostSamples are those of one host.
func hostSamples(all []taken[observation.Hosts], name string) []taken[observation.Host] {
	out := make([]taken[observation.Host], len(all))
	for i, t := range all {
		out[i] = taken[observation.Host]{at: t.at, took: t.took, err: t.err}
		if t.err != "" {
			continue
		}
		j := slices.IndexFunc(t.data.Hosts, func(h observation.Host) bool { return h.Name == name })
		if j < 0 {
			out[i].err = "it is not in the sample"
			continue
		}
		out[i].data, out[i].err = t.data.Hosts[j], t.data.Hosts[j].Error
	}
	return out
}
