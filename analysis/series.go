package analysis

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"arqload/scenarios"
)

// Series is one quantity over the run, as a collector saw it: what a latency can be held
// against, second by second.
type Series struct {
	Name   string // db.connections.active; a name of the catalogue where it has one
	Of     string // the node, host or endpoint; empty where there is only one
	Source string // postgres, redis, host, application, generator
	Unit   scenarios.Unit
	// Points are in the order of time. A second that was not seen has no point: absence is
	// not 0.
	Points []Point
}

// Point is one value. A gauge has a Length of 0 and was read at At (the share of an interval
// is one that stands at the interval's begin); of a counter Value is
// what was counted from At to At+Length, not divided by the time.
type Point struct {
	At, Length time.Duration
	Value      float64
}

// Label is the series' name with what it is of.
func (s Series) Label() string {
	if s.Of == "" {
		return s.Name
	}
	return s.Name + " of " + s.Of
}

// judged returns the points that lie within the judged time. The samples that bound a
// stretch are taken a moment after its ends.
func (s Series) judged(stretches []stretch) []Point {
	var some []Point
	for _, p := range s.Points {
		if slices.ContainsFunc(stretches, func(st stretch) bool {
			return p.At >= st.from-atEdge && p.At+p.Length <= st.to+atEdge
		}) {
			some = append(some, p)
		}
	}
	return some
}

// Measure is one metric of the catalogue over the judged time.
type Measure struct {
	// Reason says why there is no value; empty where there is one.
	Reason string
	// Partial says why the value stands only for a part of what is asked: it can show that
	// a limit is missed, but not that it is met. Empty: it is whole.
	Partial string
	Value   float64
	Where   string // of a highest sample, or the worst of several means: node and instant
	N       int    // samples, intervals or probes
	// Low and High are one-sided bounds at Confidence of a mean; nil: not of this rule, or
	// too few intervals. High is of a sum too: what it may be at most.
	Low, High *float64
	Probes    []Probe // of RuleP99

	ratios []ratio // of RuleMean: what the bounds are of
	larger bool    // of RuleMean: larger is better
}

// Probe is one measured delay.
type Probe struct {
	At    time.Duration // when it was begun
	Value time.Duration
	// Lost says that no value came of it, by the fault of the measuring: it counts against
	// either verdict. Open says that it had not ended: it took at least Value.
	Lost, Open bool
}

// upTo adds what may have been counted beside the judged time: it counts against either verdict.
func (m *Measure) upTo(more float64) {
	if more > 0 {
		m.High = ptr(m.Value + more)
		m.Where = fmt.Sprintf("and %.0f more next to it, which may be of other load", more)
	}
}

// noMeasure is a metric without a value.
func noMeasure(reason string) Measure { return Measure{Reason: reason} }

// noMeasures gives all metrics that come from a field of the plan the same reason.
func noMeasures(field, reason string) map[string]Measure {
	all := map[string]Measure{}
	for _, d := range scenarios.Definitions() {
		if d.Field == field {
			all[d.Name] = noMeasure(reason)
		}
	}
	return all
}

// highest is the rule of RuleMax over the judged points of some series. partial says what
// is missing in them, beside what [unseen] finds.
func highest(stretches []stretch, partial string, series ...Series) Measure {
	m := Measure{Value: math.Inf(-1)}
	for _, s := range series {
		for _, p := range s.judged(stretches) {
			m.N++
			if p.Value > m.Value {
				m.Value, m.Where = p.Value, "at "+duration(p.At)
				if s.Of != "" {
					m.Where = s.Of + " " + m.Where
				}
			}
		}
	}
	if m.N == 0 {
		return noMeasure("there is no sample of it in the judged time")
	}
	m.Partial = join(partial, unseen(stretches, series))
	return m
}

// unseen says where in the judged time series have no point for longer than [nearEdge]: a
// tick that was skipped, because the sample before it took too long, is no failure of which
// anybody tells. A series without any judged point is not of it.
func unseen(stretches []stretch, series []Series) string {
	var gaps []string
	of, seen := map[string][]string{}, 0
	for _, s := range series {
		if len(s.judged(stretches)) == 0 {
			continue
		}
		seen++
		for _, g := range s.unseen(stretches) {
			if of[g] == nil {
				gaps = append(gaps, g)
			}
			of[g] = append(of[g], s.Of)
		}
	}
	for i, g := range gaps {
		if len(of[g]) < seen {
			gaps[i] += " of " + strings.Join(of[g], ", ")
		}
	}
	return strings.Join(gaps, "; ")
}

// unseen lists the parts of each stretch that lie between two points, or between an end and
// the nearest point, that are too far apart.
func (s Series) unseen(stretches []stretch) []string {
	var gaps []string
	for _, st := range stretches {
		points := s.judged([]stretch{st})
		before := st.from
		for _, p := range append(points, Point{At: st.to}) {
			if p.At-before > nearEdge || len(points) == 0 {
				gaps = append(gaps, fmt.Sprintf("no sample from %s to %s", duration(before), duration(p.At)))
			}
			before = p.At + p.Length
		}
	}
	return gaps
}

// counted is the rule of RuleSum.
func counted(stretches []stretch, partial string, series ...Series) Measure {
	m := Measure{Partial: partial}
	for _, s := range series {
		for _, p := range s.judged(stretches) {
			m.N++
			m.Value += p.Value
		}
	}
	if m.N == 0 {
		return noMeasure("there is no sample of it in the judged time")
	}
	return m
}

// averaged is the rule of RuleMean, which is of shares alone: of each series the sum of
// parts by the sum of wholes, interval by interval, with the bounds of the ratio estimator,
// none of them outside of 0 and 1: parts and wholes are read by different clocks. The worst value counts (the
// highest, or where larger is better the lowest), and so does the worst of each bound: a
// limit is met when all series are inside, and missed when one is outside. A series of
// fewer than two intervals has no bounds, and then there are none. parts and wholes have
// the same intervals. An interval across an end of the judged time is left out: partial says
// what is missing, beside what [unseen] finds.
func averaged(stretches []stretch, partial string, larger bool, parts, wholes []Series) Measure {
	partial = join(partial, unseen(stretches, parts))
	worse := func(a, b float64) bool { return (a > b) != larger }
	var worst *Measure
	var ratios []ratio
	for i, s := range parts {
		whole := map[time.Duration]float64{}
		for _, p := range wholes[i].judged(stretches) {
			whole[p.At] = p.Value
		}
		var a, b []float64
		for _, p := range s.judged(stretches) {
			if w, ok := whole[p.At]; ok && w > 0 {
				a, b = append(a, p.Value), append(b, w)
			}
		}
		if len(a) == 0 {
			continue
		}
		m := Measure{Partial: partial, Where: s.Of, N: len(a)}
		var part, all float64
		for j := range a {
			part, all = part+a[j], all+b[j]
		}
		m.Value = min(1, part/all)
		ratios = append(ratios, ratio{parts: a, wholes: b})
		if worst == nil || worse(m.Value, worst.Value) {
			worst = &m
		}
	}
	if worst == nil {
		return noMeasure("there is no interval of it in the judged time")
	}
	worst.ratios, worst.larger = ratios, larger
	worst.Low, worst.High = worst.bounds(once{})
	return *worst
}

// ratio is one series of a mean: what is divided, interval by interval.
type ratio struct{ parts, wholes []float64 }

// bounds are the worst of each bound of the series of a mean; nil where one has none.
func (m *Measure) bounds(at looks) (low, high *float64) {
	worse := func(a float64, b *float64) bool { return b == nil || (a > *b) != m.larger }
	for _, s := range m.ratios {
		_, l, h, ok := ratioInterval(s.parts, s.wholes, at)
		if !ok {
			return nil, nil
		}
		if l = min(1, max(0, l)); worse(l, low) {
			low = &l
		}
		if h = min(1, max(0, h)); worse(h, high) {
			high = &h
		}
	}
	return low, high
}

// unitOf is that of a metric of the catalogue.
func unitOf(name string) scenarios.Unit {
	d, _ := scenarios.Define(name)
	return d.Unit
}

// sortPoints sorts them by time.
func sortPoints(points []Point) {
	slices.SortStableFunc(points, func(a, b Point) int { return cmp.Compare(a.At, b.At) })
}
