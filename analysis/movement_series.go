package analysis

import (
	"math"
	"slices"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// tied says why some series of the load could not but move with response times.
var tied = map[string]string{
	"load.in_flight": "by Little's law the rate times the response time",
	"load.completed": "the arrivals less what stays in flight",
	"load.slot_wait": "a part of the response time",
	"generator.lag":  "a part of the response time",
}

// loadSeries are the load and the generator themselves, second by second, over the whole run.
func loadSeries(run *observation.Run) []Series {
	all := []Series{
		{Name: "load.arrivals", Source: "load", Unit: scenarios.UnitCount},
		{Name: "load.completed", Source: "load", Unit: scenarios.UnitCount},
		{Name: "load.new_connections", Source: "load", Unit: scenarios.UnitCount},
		{Name: "load.failed_share", Source: "load", Unit: scenarios.UnitShare},
		{Name: "load.in_flight", Source: "load", Unit: scenarios.UnitCount},
		{Name: "load.slot_wait", Source: "load", Unit: scenarios.UnitSeconds},
		{Name: "generator.lag", Source: "generator", Unit: scenarios.UnitSeconds},
	}
	for i := range run.Seconds {
		s := &run.Seconds[i]
		start, length := s.Start.Duration(), s.Length.Duration()
		if length <= 0 {
			continue
		}
		for j, n := range []uint64{s.Planned, s.Completed, s.Connections.New} {
			all[j].Points = append(all[j].Points, Point{At: start, Length: length, Value: float64(n)})
		}
		gauge := func(j int, v float64) { all[j].Points = append(all[j].Points, Point{At: start, Value: v}) }
		gauge(4, float64(s.InFlightMax))
		if s.Planned > 0 {
			gauge(3, float64(s.Failed)/float64(s.Planned))
			gauge(5, s.SlotWait.Mean.Duration().Seconds())
			gauge(6, s.Lag.Mean.Duration().Seconds())
		}
	}
	return append(all, selfSeries(run)...)
}

// selfSeries are what the generator's process used, from its own samples.
func selfSeries(run *observation.Run) []Series {
	cpu := Series{Name: "generator.cpu", Source: "generator", Unit: scenarios.UnitSeconds}
	pauses := Series{Name: "generator.gc_pauses", Source: "generator", Unit: scenarios.UnitSeconds}
	memory := Series{Name: "generator.memory", Source: "generator", Unit: scenarios.UnitBytes}
	some, _ := good[observation.Self](samples[observation.Self](run, "selfhealth"), nil)
	for i, b := range some {
		lacks := func(what string) bool { return slices.Contains(b.data.Missing, what) }
		if !lacks("rss") {
			memory.Points = append(memory.Points, Point{At: b.at, Value: float64(b.data.RSSBytes)})
		}
		if i == 0 {
			continue
		}
		a := some[i-1]
		counted := func(s *Series, from, to observation.Seconds) {
			s.Points = append(s.Points, Point{At: a.at, Length: b.at - a.at, Value: (to - from).Duration().Seconds()})
		}
		counted(&pauses, a.data.GCPauses, b.data.GCPauses)
		if !lacks("cpu") && !slices.Contains(a.data.Missing, "cpu") {
			counted(&cpu, a.data.CPU, b.data.CPU)
		}
	}
	return []Series{cpu, pauses, memory}
}

// absurd is beyond any quantity; sums and differences of less stay finite.
const absurd = 1e150

// longGap is how many empty slots stand for a longer gap: nothing is compared across it.
const longGap = 300

// axis holds the whole judged seconds of a run in slots of one second each; between two
// judged phases slots are empty.
type axis struct {
	run       *observation.Run
	stretches []stretch
	start     []time.Duration // of each slot, ascending
	index     []int           // into run.Seconds; -1: empty
}

func axisOf(run *observation.Run) *axis {
	w := &axis{run: run, stretches: judgedStretches(run)}
	for i := range run.Seconds {
		s := &run.Seconds[i]
		if !s.Judged || s.Length.Duration() != time.Second {
			continue
		}
		start := s.Start.Duration()
		if n := len(w.start); n > 0 {
			// No two whole seconds begin in the same second of the clock.
			gap := int(start/time.Second-w.start[n-1]/time.Second) - 1
			if gap < 0 {
				continue // the record has this second twice
			}
			for k := range min(gap, longGap) {
				w.start, w.index = append(w.start, w.start[n-1]+time.Duration(k+1)*time.Second), append(w.index, -1)
			}
		}
		w.start, w.index = append(w.start, start), append(w.index, i)
	}
	return w
}

// p95 is that of the successes planned in each second, in seconds.
func (w *axis) p95() line {
	v := empty(len(w.start))
	for slot, i := range w.index {
		if i >= 0 && w.run.Seconds[i].Response.Count > 0 {
			v[slot] = w.run.Seconds[i].Response.P95.Duration().Seconds()
		}
	}
	return v
}

// succeeded says whether a second has successes, and so had response times.
func (w *axis) succeeded() bool {
	return slices.ContainsFunc(w.index, func(i int) bool { return i >= 0 && w.run.Seconds[i].OK > 0 })
}

// at is the begin of the n-th second that has a value.
func (w *axis) at(v line, n int) time.Duration {
	for i, x := range v {
		if math.IsNaN(x) {
			continue
		}
		if n == 0 {
			return w.start[i]
		}
		n--
	}
	return 0
}

// slot is that of an instant; -1 where it lies in no whole judged second.
func (w *axis) slot(t time.Duration) int {
	i, found := slices.BinarySearch(w.start, t)
	if !found {
		i--
	}
	if i < 0 || w.index[i] < 0 || t >= w.start[i]+time.Second {
		return -1
	}
	return i
}

// align gives each second its value of a series: of a gauge the mean of what was read in it,
// the reading at its begin among it; of a counter what was counted by the second, in the
// interval with its middle in that second, which is the one that begins with it where
// intervals are a second long. Shares and rates are averaged and not divided by the time.
func (w *axis) align(s Series) (v line, rate bool) {
	v = empty(len(w.start))
	sum, weight := make([]float64, len(v)), make([]float64, len(v))
	for _, p := range s.judged(w.stretches) {
		if !(math.Abs(p.Value) < absurd) {
			continue // not a number, or none that can be added up
		}
		at, value, by := p.At+atEdge, p.Value, 1.0
		if p.Length > 0 {
			at, by = p.At+p.Length/2, p.Length.Seconds()
			if s.Unit == scenarios.UnitShare || s.Unit == scenarios.UnitPerS {
				value *= by
			} else {
				rate = true
			}
		}
		if i := w.slot(at); i >= 0 {
			sum[i], weight[i] = sum[i]+value, weight[i]+by
		}
	}
	for i := range v {
		if weight[i] > 0 {
			v[i] = sum[i] / weight[i]
		}
	}
	return v, rate
}
