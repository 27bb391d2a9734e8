package analysis

import (
	"math"
	"slices"
	"time"

	"arqload/analysis/observation"
)

// Self is how much of its own means the generator used in the judged time.
type Self struct {
	Available bool // CPU was measured in all of the judged time
	Reason    string
	// CPUShare is the most CPU time the process used over any 5 s, as a share of what it
	// could use: wall time times the least of GOMAXPROCS and its cgroup's quota.
	CPUShare     float64
	CPUShareMean float64
	CPUs         float64       // that least number
	Throttled    int64         // cgroup periods in which it was throttled
	MachineShare float64       // mean busy share of all CPUs of the machine, of whatever process
	MachineOK    bool          // the system tells it
	GCPauseTotal time.Duration // stop-the-world pauses
	GCs          int64
	// SchedDelayP99 is how long goroutines waited for a CPU: the upper end of the bucket
	// in which the 99th percentile of the judged time lies; the runtime's buckets are about
	// a fifth wide and hold one goroutine in eight.
	SchedDelayP99 time.Duration
	HeapMax       uint64 // bytes
	RSSMax        uint64 // bytes
	GoroutinesMax int
	OpenFilesMax  int
	MaxFiles      uint64
	Gaps          []string
}

// cpuSpan is the shortest time over which CPUShare is taken.
const cpuSpan = 5 * time.Second

// SummarizeSelf reads the samples of selfhealth.
func SummarizeSelf(run *observation.Run) Self {
	var s Self
	if known, reason := asked(run, "selfhealth", ""); !known || reason != "" {
		s.Reason = "the generator did not watch itself"
		if known {
			s.Reason += ": " + reason
		}
		return s
	}
	stretches := judgedStretches(run)
	if len(stretches) == 0 {
		s.Reason = "the run reached no judged phase"
		return s
	}
	all := samples[observation.Self](run, "selfhealth")
	s.Gaps = failures(all)
	some, at := good(all, func(o *observation.Self) bool { return !slices.Contains(o.Missing, "cpu") })
	var used, could, busy, machine float64
	delays := map[float64]uint64{}
	for _, st := range stretches {
		from, to, notes, reason := st.ends(at)
		if reason != "" {
			s.Reason = reason
			return s
		}
		s.Gaps = append(s.Gaps, notes...)
		part := some[from : to+1]
		a, b := part[0], part[len(part)-1]
		used += (b.data.CPU - a.data.CPU).Duration().Seconds()
		could += (b.at - a.at).Seconds() * usable(part)
		s.Throttled += max(0, b.data.Throttled-a.data.Throttled)
		s.GCPauseTotal += (b.data.GCPauses - a.data.GCPauses).Duration()
		s.GCs += int64(b.data.GCs) - int64(a.data.GCs)
		busy += (b.data.MachineBusy - a.data.MachineBusy).Duration().Seconds()
		machine += (b.data.MachineAll - a.data.MachineAll).Duration().Seconds()
		s.CPUShare = max(s.CPUShare, peak(part))
		for i, upper := range b.data.SchedDelay.Upper {
			delays[upper] += b.data.SchedDelay.Count[i]
		}
		for i, upper := range a.data.SchedDelay.Upper {
			delays[upper] -= a.data.SchedDelay.Count[i] // counts only grow, and the bucket is there
		}
		for _, t := range part {
			s.RSSMax, s.HeapMax = max(s.RSSMax, t.data.RSSBytes), max(s.HeapMax, t.data.HeapBytes)
			s.GoroutinesMax = max(s.GoroutinesMax, t.data.Goroutines)
			s.OpenFilesMax, s.MaxFiles = max(s.OpenFilesMax, t.data.OpenFiles), t.data.MaxFiles
		}
		s.CPUs = usable(part)
	}
	s.Available = true
	if could > 0 {
		s.CPUShareMean = used / could
	}
	if machine > 0 {
		s.MachineShare, s.MachineOK = busy/machine, true
	}
	s.SchedDelayP99 = bucketQuantile(delays, 0.99)
	return s
}

// usable is how many CPUs the process could use: the least seen of GOMAXPROCS and quota.
func usable(part []taken[observation.Self]) float64 {
	cpus := math.Inf(1)
	for _, t := range part {
		cpus = min(cpus, float64(t.data.GOMAXPROCS))
		if t.data.QuotaCPUs > 0 {
			cpus = min(cpus, t.data.QuotaCPUs)
		}
	}
	return cpus
}

// peak is the largest share over any span of at least cpuSpan between two samples; over
// the whole where it is shorter.
func peak(part []taken[observation.Self]) float64 {
	last := len(part) - 1
	most := 0.0
	for i := range part {
		j := i + 1
		for j < last && part[j].at-part[i].at < cpuSpan-atEdge {
			j++
		}
		if j > last || i > 0 && part[j].at-part[i].at < cpuSpan-atEdge {
			break
		}
		wall := (part[j].at - part[i].at).Seconds()
		cpu := (part[j].data.CPU - part[i].data.CPU).Duration().Seconds()
		most = max(most, cpu/(wall*usable(part[i:j+1])))
	}
	return most
}

// bucketQuantile is the upper bound of the bucket in which the value of rank ceil(q·n) lies.
func bucketQuantile(counts map[float64]uint64, q float64) time.Duration {
	var uppers []float64
	var n uint64
	for upper, c := range counts {
		uppers, n = append(uppers, upper), n+c
	}
	slices.Sort(uppers)
	rank := uint64(math.Ceil(q * float64(n)))
	var below uint64
	for _, upper := range uppers {
		if below += counts[upper]; n > 0 && below >= rank {
			return seconds(upper)
		}
	}
	return 0
}
