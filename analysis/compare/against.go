package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"arqload/analysis"
)

// Recommended is the number of runs that a baseline should have.
const Recommended = 5

// Against holds a run against the runs of a baseline. Their loads must be the same
// ([LoadChanges]); that is the caller's to ask.
func Against(name string, baseline []Run, next Run, g Margins) Comparison {
	c := Comparison{Baseline: name, Run: next.ID, Confidence: Confidence}
	for _, r := range baseline {
		c.Runs = append(c.Runs, r.ID)
		if r.ID == next.ID {
			c.Warnings = append(c.Warnings, "the run is itself in the baseline: it is compared with itself among others, and looks better than it is")
		}
	}
	c.Warnings = append(c.Warnings, few(len(baseline))...)
	c.Warnings = append(c.Warnings, EnvironmentChanges(next, baseline)...)
	sets, lost := collect(baseline, next)
	c.Warnings = append(c.Warnings, lost...)
	decides := deciding(next.Load)
	places := make([]place, len(sets))
	for i, s := range sets {
		places[i] = placed(s)
	}
	moderate(places, decides)
	for _, p := range places {
		x := p.predict(g)
		x.Decides = decides(x.Metric)
		c.Changes = append(c.Changes, x)
	}
	c.endless(baseline, []Run{next}, decides, g)
	c.rewritten()
	c.conclude()
	return c
}

// rewritten takes the vote from statements that are new and gone where the new ones are called no
// more often than those that are gone were: a release that changed a statement's text called another one
// as often. Whether they cost more is said of the database's calls and time an arrival.
func (c *Comparison) rewritten() {
	var changed []*Change
	var calls [2]float64 // of those that are gone, and new
	var count [2]int
	for i := range c.Changes {
		x := &c.Changes[i]
		if x.Metric.Kind != KindStatement || x.Metric.Name != callsPerArrival {
			continue
		}
		switch {
		case x.Metric.Value == 0 && x.Baseline > 0:
			calls[0], count[0] = calls[0]+x.Baseline, count[0]+1
		case x.Metric.Value > 0 && x.Baseline == 0:
			calls[1], count[1] = calls[1]+x.Metric.Value, count[1]+1
		default:
			continue
		}
		changed = append(changed, x)
	}
	if count[0] == 0 || count[1] == 0 || calls[1] > calls[0]+callsAtLeast {
		return
	}
	for _, x := range changed {
		x.Decides = false
	}
	c.Warnings = append(c.Warnings, fmt.Sprintf("statements have other texts than in the baseline: gone are %d with %s calls an arrival, new are %d with %s; they are shown, and count in the database's calls and time an arrival alone",
		count[0], number(calls[0]), count[1], number(calls[1])))
}

// endless adds the quantiles that have no value in a new run, since their rank lies among its
// failures, and have one in the baseline: they are undecided, not absent. How sure it is that
// more failed than in the baseline is the error rate's to say, over all arrivals.
func (c *Comparison) endless(baseline, next []Run, decides func(Metric) bool, g Margins) {
	seen := map[key]bool{}
	for _, r := range next {
		for _, m := range r.Metrics {
			k := keyOf(m)
			if !m.AmongFailures || seen[k] {
				continue
			}
			var with []Metric
			for _, b := range baseline {
				for _, x := range b.Metrics {
					if keyOf(x) == k && !x.AmongFailures {
						with = append(with, x)
					}
				}
			}
			if len(with) == 0 {
				continue
			}
			seen[k] = true
			was := typical(with, false)
			c.Changes = append(c.Changes, Change{Metric: m, Baseline: was, Change: math.Inf(1), Low: math.Inf(-1), High: math.Inf(1), Margin: g.of(m, was, false),
				Runs: len(with), P: math.NaN(), Adjusted: math.NaN(), better: math.NaN(), Decides: decides(m)})
		}
	}
}

// few says what a baseline of fewer runs than recommended cannot show.
func few(runs int) []string {
	switch {
	case runs == 0:
		return []string{"the baseline has no run: there is nothing to compare with"}
	case runs == 1:
		return []string{"the baseline has 1 run: how much runs differ by themselves is not known, so no change can be called; add 4 more"}
	case runs < Recommended:
		return []string{fmt.Sprintf("the baseline has %d runs of the %d recommended: only large changes can be called; add %d more", runs, Recommended, Recommended-runs)}
	}
	return nil
}

// set is one metric in all runs that have it.
type set struct {
	runs []Metric
	next Metric
}

type key struct {
	kind  Kind
	scope string
	name  string
}

func keyOf(m Metric) key {
	k := key{m.Kind, m.Scope, m.Name}
	if m.Kind == KindStatement {
		k.scope = canonical(m.Scope)
	}
	return k
}

// collect puts the metrics of all runs together, in the order of the new run, and says what
// cannot be compared.
func collect(baseline []Run, next Run) (sets []set, lost []string) {
	var order []key
	example := map[key]Metric{}
	index := func(r Run) map[key]Metric {
		by := map[key]Metric{}
		for _, m := range r.Metrics {
			if m.AmongFailures {
				continue // [Comparison.endless]
			}
			k := keyOf(m)
			if _, known := example[k]; !known {
				example[k] = m
				order = append(order, k)
			}
			by[k] = m
		}
		return by
	}
	now := index(next)
	past := make([]map[key]Metric, len(baseline))
	for i, r := range baseline {
		past[i] = index(r)
	}
	var gone, unknown, some int // of statements, which may be many
	for _, k := range order {
		var s set
		for i, r := range baseline {
			if m, ok := in(r, past[i], k, example[k]); ok {
				s.runs = append(s.runs, m)
			}
		}
		var ok bool
		s.next, ok = in(next, now, k, example[k])
		switch {
		case ok && len(s.runs) > 0:
			sets = append(sets, s)
			switch {
			case len(s.runs) == len(baseline) || k.name == meanTime:
			case k.kind == KindStatement:
				some++
			default:
				lost = append(lost, fmt.Sprintf("%s is known of %d of the baseline's %d runs, and compared with these alone", label(k.kind, k.scope, k.name), len(s.runs), len(baseline)))
			}
		case !ok && amongFailures(next, k): // [Comparison.endless]
		case k.name == meanTime: // of a statement that is new or gone, which its calls say
		case k.kind == KindStatement && !ok:
			gone++
		case k.kind == KindStatement:
			unknown++
		case !ok:
			lost = append(lost, fmt.Sprintf("not compared: the run has no %s, which the baseline has", label(k.kind, k.scope, k.name)))
		default:
			lost = append(lost, fmt.Sprintf("not compared: the baseline has no %s, which the run has", label(k.kind, k.scope, k.name)))
		}
	}
	if gone > 0 {
		lost = append(lost, fmt.Sprintf("not compared: the run has no statements' calls, or a part of them is lost; the baseline has those of %d", gone))
	}
	if unknown > 0 {
		lost = append(lost, fmt.Sprintf("not compared: the baseline has no statements' calls, or a part of them is lost; the run has those of %d", unknown))
	}
	if some > 0 {
		lost = append(lost, fmt.Sprintf("the calls of %d statements are not known of all of the baseline's runs, and compared with the others alone", some))
	}
	return sets, lost
}

// amongFailures reports whether the rank of a run's quantile lies among its failures.
func amongFailures(r Run, k key) bool {
	return slices.ContainsFunc(r.Metrics, func(m Metric) bool { return m.AmongFailures && keyOf(m) == k })
}

// in finds a metric in a run. A statement that is missing where all were watched was called 0
// times.
func in(r Run, by map[key]Metric, k key, example Metric) (Metric, bool) {
	m, ok := by[k]
	if ok || k.kind != KindStatement || k.name != callsPerArrival || !slices.Contains(r.Watched, watchedStatements) {
		return m, ok
	}
	example.Value = 0
	if all, ok := by[key{KindDatabase, ScopeDatabase, callsPerArrival}]; ok {
		example.N = all.N
	}
	return example, true
}

// deciding returns which metrics count for the verdict: each thing once, since every further
// test makes all of them weaker. Response times do by scenario, failures and throughput over all
// arrivals, where most of them are seen; a single step is its scenario, and how long a statement
// takes is in the database's time an arrival. The others are shown.
func deciding(l Load) func(Metric) bool {
	steps := map[string]int{}
	for _, x := range l.Lanes {
		for _, s := range x.Steps {
			steps[x.Scenario+"/"+s] = len(x.Steps)
		}
	}
	return func(m Metric) bool {
		switch m.Kind {
		case KindAll:
			return m.Unit != UnitSeconds
		case KindScenario:
			return m.Unit == UnitSeconds
		case KindStep:
			return steps[m.Scope] > 1 && m.Unit == UnitSeconds
		case KindStatement:
			return m.Name != meanTime
		}
		return true
	}
}

// The error that is allowed in all, 1 - Confidence, is shared between what users feel and what
// is seen inside: counts of calls hardly vary, need little of it, and there may be many.
const (
	outsideShare = 0.8
	insidePart   = 1 - outsideShare
)

func inside(k Kind) bool { return k == KindDatabase || k == KindStatement || k == KindCache }

// conclude corrects for the number of metrics and draws the verdicts.
func (c *Comparison) conclude() {
	for _, side := range []struct {
		inside bool
		part   float64
	}{{false, outsideShare}, {true, insidePart}} {
		var family []*Change
		var ps, goods []float64
		for i := range c.Changes {
			if x := &c.Changes[i]; x.Decides && inside(x.Metric.Kind) == side.inside {
				family, ps, goods = append(family, x), append(ps, x.P), append(goods, x.better)
			}
		}
		c.Family += len(family)
		worse, better := analysis.Holm(ps), analysis.Holm(goods)
		for i, x := range family {
			x.Adjusted = min(1, worse[i]/side.part)
			x.better = min(1, better[i]/side.part)
		}
	}
	for i := range c.Changes {
		x := &c.Changes[i]
		x.judge()
		if x.Decides && x.Verdict == Regressed {
			c.Regressed = true
		}
	}
	slices.SortStableFunc(c.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.weight(), a.weight()))
	})
	c.scarce()
	c.reason()
}

// leastBeyond is the number of arrivals of a run beyond a quantile under which it is one of the
// very slowest.
const leastBeyond = 5

// scarce says which quantiles that decide stand on a handful of arrivals. Their bounds hold, but
// are wide, and nobody should wonder why.
func (c *Comparison) scarce() {
	var names []string
	for _, x := range c.Changes {
		for _, q := range quantiles {
			if x.Decides && x.Metric.Unit == UnitSeconds && x.Metric.Name == q.name && float64(x.Metric.N)*(1-q.q) < leastBeyond {
				names = append(names, x.Metric.Label())
			}
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		c.Warnings = append(c.Warnings, fmt.Sprintf("too few arrivals: fewer than %d of a run lie beyond %s, so chance moves it much; longer runs or higher rates are needed to compare it",
			leastBeyond, strings.Join(names, ", ")))
	}
}

// judge draws the verdict on one metric. One that does not decide is judged alone, without a
// correction: it is only shown.
func (x *Change) judge() {
	alpha := 1 - Confidence
	worse, better := x.P, x.better
	if x.Decides {
		worse, better = x.Adjusted, x.better
	}
	gain := -x.Margin
	if !x.Absolute {
		gain = 1/(1+x.Margin) - 1
	}
	switch {
	case math.IsNaN(x.P):
		x.Verdict = Inconclusive
	case x.Low > 0 && x.Change >= x.Margin && worse < alpha:
		x.Verdict = Regressed
	case x.High < 0 && x.Change <= gain && better < alpha:
		x.Verdict = Improved
	case x.High < x.Margin:
		x.Verdict = Same
	default:
		x.Verdict = Inconclusive
	}
	x.Reason = x.sentence()
}

// rank orders changes for people: what decides and is worst first.
func rank(x Change) int {
	switch {
	case x.Decides && x.Verdict == Regressed:
		return 0
	case x.Decides && x.Verdict == Inconclusive:
		return 1
	case x.Decides && x.Verdict == Improved:
		return 2
	case x.Decides:
		return 3
	case x.Verdict == Regressed:
		return 4
	}
	return 5
}

// weight is a change in units of its margin.
func (x Change) weight() float64 {
	w := x.Change / max(x.Margin, 1e-9)
	if x.Verdict == Improved {
		return -w
	}
	return w
}
