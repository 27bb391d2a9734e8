package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

const (
	// largeChange is the least relative change over the window that is worth a warning: the
	// margin at which a later run counts as worse than its baseline.
	largeChange = 0.10
	// mostPoints bounds the pairs of a long run: its seconds are averaged in so many groups.
	mostPoints = 150
)

// Steadiness says whether what was judged held still while it was judged: a p95 that slides
// through the window is a number of when the run was stopped.
type Steadiness struct {
	Phases []PhaseSteadiness // the judged phases that were reached, in order
	Trends []Trend           // of the phases that could be looked at
}

// PhaseSteadiness is one judged phase.
type PhaseSteadiness struct {
	Phase string
	// Reason says why it cannot be told; empty where it can.
	Reason  string
	Seconds int // whole seconds in it
	Looked  int // series
}

// Trend is one series over one judged phase, whose load was constant.
type Trend struct {
	Series // without its points
	Phase  string
	Rate   bool // its values are a counter's, by the second
	// From and To are the ends of the Theil-Sen line, not below 0: what a wild second does
	// not move. Where it is rather one change of level, they are the medians before and after At.
	From, To float64
	At       time.Duration // of a change of level, on the run's clock
	Level    bool          // it is one
	N        int           // values, a second each or the mean of a few
	// P is of "it held its level": twice the smaller p of the trend ([trendP]) and of one
	// change of level ([levelP]), Bonferroni for two looks; 1: it did not vary.
	P        float64
	Holm     float64 // corrected for all trends of the run
	Steady   bool    // not both significant and large
	Doubtful bool    // large, and significant alone but not once all are counted
}

// Change is the relative one over the window; ok is false where it began at 0.
func (t *Trend) Change() (change float64, ok bool) {
	if t.From <= 0 {
		return 0, false
	}
	return (t.To - t.From) / t.From, true
}

// Words says what it did: "p95 rose 40% over the window (from 82ms to 115ms)".
func (t *Trend) Words(over string) string {
	verb := "rose"
	if t.To < t.From {
		verb = "fell"
	}
	by := ""
	if c, ok := t.Change(); ok {
		by = fmt.Sprintf(" %.0f%%", 100*math.Abs(c))
	}
	if t.Level {
		over = " at " + duration(t.At)
	}
	return fmt.Sprintf("%s %s%s%s (from %s to %s)", t.Label(), verb, by, over, t.value(t.From), t.value(t.To))
}

// value prints a value in the series' unit, with three digits: a line through noise has no more.
func (t *Trend) value(v float64) string {
	if t.Unit != scenarios.UnitBytes && v != 0 {
		digits := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
		v = math.Round(v*digits) / digits
	} else {
		v = math.Round(v)
	}
	return FormatValue(v, t.Unit)
}

// watch is a series whose trend is looked at, and the least change that matters: what is
// smaller is noise of a shared machine, whatever its share of a small value.
type watch struct {
	name  string
	least float64 // in its unit
	rises bool    // only a rise matters: less memory or fewer connections do no harm
}

var watches = []watch{
	{"p50", 0.005, false}, // 5 ms: as between a run and its baseline
	{"p95", 0.005, false},
	{"p99", 0.005, false},
	{"load.in_flight", 5, false},
	{"load.backlog", 10, true},
	{"load.slot_wait", 0.005, false},
	{"load.failed_share", 0.001, false}, // one arrival in a thousand
	{"generator.memory", 32 << 20, true},
	{"cache.used_memory", 32 << 20, true},
	{"cache.clients", 10, true},
	{"host.memory_share", 0.02, true},
	{"db.connections.used_share", 0.05, true},
}

// steadiness looks for trends in each judged phase by itself.
func steadiness(run *observation.Run, series []Series) Steadiness {
	var s Steadiness
	series = slices.Concat(quantileSeries(run), series)
	for _, ph := range run.Header.Phases {
		w := axisOfPhase(run, ph)
		if !ph.Judged || len(w.start) == 0 {
			continue
		}
		p := PhaseSteadiness{Phase: ph.Name, Seconds: len(w.start)}
		switch {
		case !constantLoad(run, ph):
			p.Reason = "the load itself was not constant, so a trend is expected: steadiness is not judged"
		case p.Seconds < minSeconds:
			p.Reason = fmt.Sprintf("too short to tell: %s, and %d are the least", plural(uint64(p.Seconds), "whole second"), minSeconds)
		default:
			for _, o := range watches {
				for _, x := range series {
					if x.Name != o.name {
						continue
					}
					if t, ok := w.trend(x); ok {
						t.Phase = ph.Name
						s.Trends = append(s.Trends, t)
						p.Looked++
					}
				}
			}
			if p.Looked == 0 {
				p.Reason = "no series has enough values in it"
			}
		}
		s.Phases = append(s.Phases, p)
	}
	s.decide()
	return s
}

// decide corrects for all that was looked at, and says which trends are significant and large.
func (s *Steadiness) decide() {
	var vary []int // what does not vary cannot be found
	var ps []float64
	for i := range s.Trends {
		if s.Trends[i].P < 1 {
			vary, ps = append(vary, i), append(ps, s.Trends[i].P)
		}
		s.Trends[i].Holm = 1
	}
	for k, p := range Holm(ps) {
		s.Trends[vary[k]].Holm = p
	}
	for i := range s.Trends {
		t := &s.Trends[i]
		t.Steady = t.Holm >= chance || !t.large()
		t.Doubtful = t.Steady && t.P < chance && t.large()
	}
}

// large reports whether the change is worth a warning.
func (t *Trend) large() bool {
	i := slices.IndexFunc(watches, func(w watch) bool { return w.name == t.Name })
	if i < 0 || watches[i].rises && t.To < t.From {
		return false
	}
	change, ok := t.Change()
	return math.Abs(t.To-t.From) >= watches[i].least && (!ok || math.Abs(change) >= largeChange)
}

// trend fits one series; ok is false where it has too few values.
func (w *axis) trend(x Series) (t Trend, ok bool) {
	v, rate := w.align(x)
	n := len(v.known())
	if n < minSeconds {
		return t, false
	}
	t = Trend{Series: x, Rate: rate, P: 1}
	t.Points = nil
	// Groups that are as many as can be, of equal length.
	size := (len(v) + mostPoints - 1) / mostPoints
	v = grouped(v, size)
	t.N = len(v.known())
	perStep, start := slope(v)
	t.From, t.To = max(0, start), max(0, start+perStep*float64(len(v)-1))
	if !v.varies() {
		return t, true
	}
	values := v.known()
	t.P = trendP(v, perStep)
	if split, p := levelP(values, rankedOf(v).all().known()); split > 0 && p < t.P {
		t.P, t.Level, t.At = p, true, w.start[place(v, split)*size]
		t.From, t.To = median(values[:split]), median(values[split:])
	}
	t.P = min(1, 2*t.P)
	return t, true
}

// place is that of the n-th value that is there.
func place(v line, n int) int {
	for i, x := range v {
		if math.IsNaN(x) {
			continue
		}
		if n == 0 {
			return i
		}
		n--
	}
	return 0
}

// grouped returns the means of size values each; a rest that is shorter is left out.
func grouped(v line, size int) line {
	if size == 1 {
		return v
	}
	out := empty(len(v) / size)
	for i := range out {
		sum, n := 0.0, 0
		for _, x := range v[i*size : (i+1)*size] {
			if !math.IsNaN(x) {
				sum, n = sum+x, n+1
			}
		}
		if n > 0 {
			out[i] = sum / float64(n)
		}
	}
	return out
}

// quantileSeries are those of the response times of the successes planned in each second,
// and the arrivals that were due and not started at its end.
func quantileSeries(run *observation.Run) []Series {
	all := []Series{
		{Name: "p50", Source: "load", Unit: scenarios.UnitSeconds}, {Name: "p95", Source: "load", Unit: scenarios.UnitSeconds},
		{Name: "p99", Source: "load", Unit: scenarios.UnitSeconds}, {Name: "load.backlog", Source: "load", Unit: scenarios.UnitCount},
	}
	for i := range run.Seconds {
		s := &run.Seconds[i]
		at := s.Start.Duration()
		all[3].Points = append(all[3].Points, Point{At: at, Value: float64(s.Backlog)})
		if s.Response.Count == 0 {
			continue
		}
		for j, q := range []observation.Seconds{s.Response.P50, s.Response.P95, s.Response.P99} {
			all[j].Points = append(all[j].Points, Point{At: at, Value: q.Duration().Seconds()})
		}
	}
	return all
}

// axisOfPhase is the axis of one phase alone.
func axisOfPhase(run *observation.Run, ph observation.Phase) *axis {
	one := *run
	one.Seconds = nil
	for i := range run.Seconds {
		if s := &run.Seconds[i]; s.Start >= ph.Start && s.Start < ph.End {
			one.Seconds = append(one.Seconds, *s)
		}
	}
	w := axisOf(&one)
	w.stretches = nil
	if n := len(w.start); n > 0 {
		w.stretches = []stretch{{from: w.start[0], to: w.start[n-1] + time.Second}}
	}
	return w
}

// constantLoad reports whether a phase's rate did not change. Records of before the header
// said its shape are told by what was planned in each whole second: evenly spaced arrivals
// of each lane differ by one at most, random ones by chance.
func constantLoad(run *observation.Run, ph observation.Phase) bool {
	if ph.Shape != "" {
		return ph.Shape == observation.Constant
	}
	var planned []float64
	for i := range run.Seconds {
		if s := &run.Seconds[i]; s.Start >= ph.Start && s.Start < ph.End && s.Length.Duration() == time.Second {
			planned = append(planned, float64(s.Planned))
		}
	}
	if len(planned) == 0 {
		return true
	}
	middle, spread := median(planned), float64(len(run.Header.Lanes)+1)
	if run.Header.Poisson {
		spread += 5 * math.Sqrt(median(planned))
	}
	return slices.Max(planned)-middle <= spread && middle-slices.Min(planned) <= spread
}

// Warnings has one for each phase that was not steady.
func (s *Steadiness) Warnings() []string {
	var all []string
	for _, ph := range s.Phases {
		over := " over the window"
		if len(s.Phases) > 1 {
			over = fmt.Sprintf(" over the phase %q", ph.Phase)
		}
		var moved []string
		for i := range s.Trends {
			if t := &s.Trends[i]; t.Phase == ph.Phase && !t.Steady {
				moved = append(moved, t.Words(over))
				if !t.Level {
					over = "" // once is enough
				}
			}
		}
		if len(moved) > 0 {
			all = append(all, "not steady: "+strings.Join(moved, ", ")+": what is judged here still moved, so a shorter or longer run would give other numbers")
		}
	}
	return all
}
