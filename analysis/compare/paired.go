package compare

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Paired compares two systems that were driven in alternating slices: a[i] and b[i] ran one after
// the other, so that what the machine did meanwhile is in both. Regressed means that b is worse.
// The slices must be as many and of the same load.
//
// Per metric the differences of the pairs on the metric's scale have a t distribution over their
// own standard deviation, with as many degrees of freedom as pairs less one (Kalibera and Jones,
// Rigorous Benchmarking in Reasonable Time, ISMM 2013: the unit of repetition is the run, and the
// answer an interval on the ratio). As against a baseline, that deviation is at least what the
// slices' own seconds and the generator's lag in them say, and response times of one comparison inform each other ([moderate]).
func Paired(name string, a, b []Run, g Margins) Comparison {
	c := Comparison{Baseline: name, Paired: true, Confidence: Confidence}
	for i := range b {
		c.Runs = append(c.Runs, a[i].ID+" "+b[i].ID)
	}
	if len(b) == 0 {
		c.Warnings = []string{"no pair of slices is fit to be compared"}
		return c
	}
	c.Run = b[len(b)-1].ID
	switch {
	case len(b) == 1:
		c.Warnings = append(c.Warnings, "1 pair: how much pairs differ by themselves is not known, so no change can be called")
	case len(b) < Recommended:
		c.Warnings = append(c.Warnings, fmt.Sprintf("%d pairs of the %d recommended: only large changes can be called", len(b), Recommended))
	}
	c.Warnings = append(c.Warnings, systemChanges(a[0], b[0])...)
	decides := deciding(b[0].Load)
	var places []place
	sets, lost := collect(a, b[0])
	c.Warnings = append(c.Warnings, lost...)
	for _, s := range sets {
		k := keyOf(s.next)
		var others []Metric
		for _, r := range b {
			if m, ok := find(r, k, s.next); ok {
				others = append(others, m)
			}
		}
		if slices.ContainsFunc(b, func(r Run) bool { return amongFailures(r, k) }) {
			continue // [Comparison.endless]
		}
		if len(others) != len(b) || len(s.runs) != len(b) {
			c.Warnings = append(c.Warnings, fmt.Sprintf("not compared: %s is not known of every slice", s.next.Label()))
			continue
		}
		places = append(places, pairedPlace(s, others))
	}
	moderate(places, decides)
	for _, p := range places {
		x := p.predict(g)
		x.Decides = decides(x.Metric)
		c.Changes = append(c.Changes, x)
	}
	c.endless(a, b, decides, g)
	c.conclude()
	return c
}

// find returns a metric of a run.
func find(r Run, k key, example Metric) (Metric, bool) {
	by := map[key]Metric{}
	for _, m := range r.Metrics {
		if !m.AmongFailures {
			by[keyOf(m)] = m
		}
	}
	return in(r, by, k, example)
}

// pairedPlace puts the pairs of a metric on its scale.
func pairedPlace(s set, others []Metric) place {
	p := place{set: s, scale: scaleOf(append(append([]Metric{}, others...), s.runs...)), paired: true}
	n := float64(len(others))
	differences := make([]float64, len(others))
	for i := range others {
		x, y := p.to(s.runs[i]), p.to(others[i])
		differences[i] = y - x
		p.center += x / n
		fx, fy := p.floor(s.runs[i]), p.floor(others[i])
		late := 0.0
		if s.next.Unit == UnitSeconds {
			late = (others[i].LagS - s.runs[i].LagS) / others[i].Value
		}
		p.within += (fx*fx + fy*fy + late*late) / n
	}
	if len(others) > 1 {
		p.variance = stat.Variance(differences, nil)
	}
	p.shift = stat.Mean(differences, nil)
	p.next = others[len(others)-1]
	p.next.Value = typical(others, p.absolute)
	return p
}

// systemChanges says how the two systems differ in what may explain a difference.
func systemChanges(a, b Run) []string {
	var out []string
	for _, k := range []struct{ key, what string }{{"postgres", "PostgreSQL"}, {"redis", "Redis"}} {
		if x, y := a.Environment[k.key], b.Environment[k.key]; x != y {
			out = append(out, fmt.Sprintf("the systems differ: %s %s against %s", k.what, orNone(x), orNone(y)))
		}
	}
	return out
}

// typical is the geometric mean of what is compared by ratios, else the mean.
func typical(all []Metric, absolute bool) float64 {
	var sum float64
	absolute = absolute || anyZero(all)
	for _, m := range all {
		if absolute {
			sum += m.Value
		} else {
			sum += math.Log(m.Value)
		}
	}
	sum /= float64(len(all))
	if absolute {
		return sum
	}
	return math.Exp(sum)
}
