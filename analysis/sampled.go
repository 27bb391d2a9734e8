package analysis

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"arqload/analysis/hist"
	"arqload/scenarios"
)

// judgeSampled judges a metric of the catalogue by its rule.
func (s *Summary) judgeSampled(r *Result) {
	d, _ := scenarios.Define(r.Objective.Name)
	m, ok := s.Measures[d.Name]
	if !ok {
		m = noMeasure("the plan does not name it: set system." + d.Field)
	}
	s.judgeMeasure(r, d.Rule, m)
}

func (s *Summary) judgeMeasure(r *Result, rule scenarios.Rule, m Measure) {
	if m.Reason != "" {
		r.Outcome, r.Reason = NoData, m.Reason
		return
	}
	r.Samples = uint64(m.N)
	if rule == scenarios.RuleP99 {
		s.judgeProbes(r, m)
		return
	}
	r.Observed = ptr(m.Value)
	o := r.Objective
	low, high := m.Value, orMore(m.Value, m.Partial != "")
	what := r.value(m.Value)
	switch rule {
	case scenarios.RuleMean:
		at := looksOf(s.Header)
		if s.Header.Gate {
			m.Low, m.High = m.bounds(at)
		}
		if m.Low == nil {
			r.more(float64(at.least()-m.N), float64(at.least()-m.N))
			r.Outcome, r.Reason = Unproven, fmt.Sprintf("%s over %s: %s", what, plural(r.Samples, "interval"), noBounds(make([]float64, m.N), at, "intervals"))
			return
		}
		low, high = *m.Low, *m.High
		r.Low, r.High = m.Low, m.High
		what = fmt.Sprintf("%s on the average of %s, with %g%% confidence between %s and %s", what, plural(r.Samples, "interval"), Confidence*100, r.value(low), r.value(high))
	case scenarios.RuleSum:
		if what += " counted in the judged time"; m.High != nil && m.Partial == "" {
			high = *m.High
		}
	default:
		what = fmt.Sprintf("%s at most in %s; what was between them is not known", what, plural(r.Samples, "sample"))
	}
	if m.Where != "" {
		what += " (" + m.Where + ")"
	}
	inside, outside := within(o, low, high)
	if rule == scenarios.RuleMean && o.Op == scenarios.Less && o.Limit == 1 {
		inside = m.Value < 1 // whatever its bound is: some of it was free
	}
	switch {
	case outside:
		r.Outcome = Missed
	case m.Partial != "":
		r.Outcome = Unproven
		what += ", as far as it is known: " + m.Partial
	case inside:
		r.Outcome = Met
	default:
		r.Outcome = Unproven
	}
	if rule == scenarios.RuleMean && r.Outcome != Unproven {
		r.Episode = s.episode()
		what += fmt.Sprintf(", if no episode is longer than %s", duration(r.Episode))
	}
	r.Reason = fmt.Sprintf("%s; demanded is %s %s", what, o.Op, r.value(o.Limit))
	if r.Outcome == Unproven && rule == scenarios.RuleMean && m.Partial == "" {
		// One of the two bounds may be cut off at an end of what a share can be.
		s.missingAverage(r, m.Value, max(m.Value-low, high-m.Value), float64(m.N), Roughly, nil)
	}
}

// orMore is the upper end of what a sum or a highest sample can be: where a part is missing
// it may be anything that is not less.
func orMore(v float64, partial bool) float64 {
	if partial {
		return math.Inf(1)
	}
	return v
}

// within says whether all of [low, high] satisfies an objective, or none of it.
func within(o scenarios.Objective, low, high float64) (inside, outside bool) {
	switch o.Op {
	case scenarios.Less:
		return high < o.Limit, low >= o.Limit
	case scenarios.LessEqual:
		return high <= o.Limit, low > o.Limit
	case scenarios.Greater:
		return low > o.Limit, high <= o.Limit
	case scenarios.GreaterEqual:
		return low >= o.Limit, high < o.Limit
	case scenarios.NotEqual:
		return low > o.Limit || high < o.Limit, low == o.Limit && high == o.Limit
	}
	return low == o.Limit && high == o.Limit, low > o.Limit || high < o.Limit
}

// judgeProbes judges "p99 < 100ms" of probes: fewer than 1% take 100 ms or longer. Lost
// probes count as slow for met and as nothing for missed.
func (s *Summary) judgeProbes(r *Result, m Measure) {
	o := r.Objective
	const q = 0.99
	limit := 1 - q
	h := hist.New()
	seconds := map[time.Duration]*share{}
	var all, slow, lost float64
	for _, p := range m.Probes {
		all++
		sec := seconds[p.At.Truncate(time.Second)]
		if sec == nil {
			sec = &share{}
			seconds[p.At.Truncate(time.Second)] = sec
		}
		sec.all++
		switch late := p.Value >= o.LimitDuration() && (o.Op == scenarios.Less || p.Value > o.LimitDuration()); {
		case p.Lost, p.Open && !late:
			lost++
			sec.bad++
			continue
		case late:
			slow++
			sec.bad++
		}
		h.Record(p.Value)
	}
	at := looksOf(s.Header)
	d, _, _ := s.divisors(inOrder(seconds), limit)
	r.Samples, r.Bad, r.Phi = uint64(all), uint64(slow+lost), d.missed
	r.BadShare = (slow + lost) / all
	r.BadLow, _ = at.share(slow/d.missed, all/d.missed)
	_, r.BadHigh = at.share((slow+lost)/d.met, all/d.met)
	if _, v, ok := h.AtRank(hist.Rank(q, int64(all))); ok {
		r.Observed = ptr(v.Seconds())
	}
	low, high := quantileRanks(q, int64(all), d, at)
	if v, _, ok := h.AtRank(low); ok && lost == 0 {
		r.Low = ptr(v.Seconds())
	}
	if _, v, ok := h.AtRank(high); ok {
		r.High = ptr(v.Seconds())
	}
	r.reach(at, all, d.missed, limit)
	inside, outside := r.BadHigh < limit, r.BadLow >= limit
	what := fmt.Sprintf("%.0f of %.0f probes took %s or longer", slow, all-lost, o.LimitDuration())
	if lost > 0 {
		what += fmt.Sprintf(", and %.0f of %.0f could not be taken or did not end, which count against either verdict", lost, all)
	}
	if m.Where != "" {
		what += " (" + m.Where + ")"
	}
	if m.Partial != "" {
		what += "; " + m.Partial
	}
	switch {
	case outside:
		r.Outcome = Missed
		r.Reason = fmt.Sprintf("%s; with %g%% confidence over %s, allowed are %s%s", what, Confidence*100, percent(r.BadLow), percent(limit),
			s.scope(r, func(phi float64) bool { return at.above(slow/phi, all/phi, limit) }, all))
	case inside && m.Partial == "":
		r.Outcome, r.Phi = Met, d.met
		r.Reason = fmt.Sprintf("%s; with %g%% confidence under %s, allowed are %s%s", what, Confidence*100, percent(r.BadHigh), percent(limit),
			s.scope(r, func(phi float64) bool { return at.below((slow+lost)/phi, all/phi, limit) }, all))
	default:
		r.Outcome = Unproven
		r.Reason = fmt.Sprintf("%s: the share lies between %s and %s, allowed are %s", what, percent(r.BadLow), percent(r.BadHigh), percent(limit))
		s.missing(r, "probes", slow, slow+lost, all, d.missed, limit)
	}
}

// inOrder returns the values of a map by its keys.
func inOrder(m map[time.Duration]*share) []share {
	var points []Point
	for at := range m {
		points = append(points, Point{At: at})
	}
	sortPoints(points)
	out := make([]share, len(points))
	for i, p := range points {
		out[i] = *m[p.At]
	}
	return out
}

// value prints a value in the objective's unit.
func (r *Result) value(v float64) string { return FormatValue(v, r.Objective.Unit()) }

// FormatValue prints a value with its unit.
func FormatValue(v float64, u scenarios.Unit) string {
	if math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	switch u {
	case scenarios.UnitShare:
		return percent(v)
	case scenarios.UnitSeconds:
		return duration(time.Duration(v * float64(time.Second)))
	case scenarios.UnitBytes:
		return bytesText(v)
	case scenarios.UnitPerS:
		return number(v) + "/s"
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e15 { // a count, in full
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

func bytesText(v float64) string {
	for _, u := range []struct {
		name string
		size float64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if v >= u.size {
			return strconv.FormatFloat(v/u.size, 'f', 1, 64) + " " + u.name
		}
	}
	return strconv.FormatFloat(v, 'f', -1, 64) + " B"
}
