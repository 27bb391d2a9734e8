package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// judgeApplication judges metric("name"){...}: every series that matches must satisfy the
// limit, a gauge with every sample, a counter with its increase over the judged time.
func (s *Summary) judgeApplication(r *Result) {
	a := &s.Application
	r.Outcome = NoData
	selector, err := scenarios.ParseSelector(r.Objective.Name)
	if err != nil {
		r.Reason = err.Error()
		return
	}
	if !a.Available {
		r.Reason = a.Reason
		return
	}
	if r.Reason = a.unusable(selector); r.Reason != "" {
		return
	}
	var all []appValue
	var partial []string
	matched := map[string]bool{}
	for i := range a.metrics {
		m := &a.metrics[i]
		if m.selector.Name != selector.Name || !selector.Matches(m.selector.Labels) {
			continue
		}
		matched[m.Of] = true
		partial = append(partial, m.partial...)
		if lost := a.absent[m.Of]; lost != "" && !m.counter { // a counter goes on at the next sample
			partial = append(partial, lost)
		}
		if v, ok := valueOf(r.Objective, m, a.stretches); ok {
			all = append(all, v)
		}
	}
	for _, e := range a.Endpoints {
		if !matched[e.URL] && a.absent[e.URL] != "" {
			partial = append(partial, a.absent[e.URL])
		}
	}
	if len(all) == 0 {
		r.Reason = a.nothing()
		if len(partial) > 0 {
			r.Reason += "; " + strings.Join(partial, "; ")
		}
		return
	}
	a.verdict(r, all, slices.Compact(partial))
}

// nothing says why no series matched.
func (a *Application) nothing() string {
	var answered []string
	for _, e := range a.Endpoints {
		if e.Answers > 0 {
			answered = append(answered, e.URL)
		}
	}
	if len(answered) == 0 {
		return "no endpoint answered in the judged time"
	}
	has := "has"
	if len(answered) > 1 {
		has = "have"
	}
	return fmt.Sprintf("%s answered in the judged time and %s no series that matches it (a counter is often made at its first use, and a run keeps only what its own plan names)", some(answered), has)
}

// unusable says why nothing can be said of a selector whatever was sampled.
func (a *Application) unusable(s scenarios.Selector) string {
	name := func(suffix string) string { return scenarios.Selector{Name: s.Name + suffix}.String() }
	switch {
	case a.families[s.Name] == observation.AppHistogram:
		return fmt.Sprintf("%s is a histogram, which is many numbers: write %s, %s or %s{le=\"0.5\"}", s.Name, name("_count"), name("_sum"), name("_bucket"))
	case a.families[s.Name] == observation.AppSummary:
		return fmt.Sprintf("%s is a summary, whose quantiles are not those of the judged time: write %s or %s", s.Name, name("_count"), name("_sum"))
	case slices.Contains(a.tooMany, s.Name):
		return fmt.Sprintf("so many series match %s that none was kept: select fewer by their labels", s)
	}
	return ""
}

// appValue is what one series is held to.
type appValue struct {
	series  *appSeries
	value   float64
	where   string
	n       int
	outside bool // of the limit, whatever is missing
}

// worse orders values by how much they speak against an objective.
func (v *appValue) worse(o scenarios.Objective, than *appValue) bool {
	if v.outside != than.outside {
		return v.outside
	}
	return badness(o, v.value) > badness(o, than.value)
}

// valueOf is a counter's increase, or the sample of a gauge that is worst for the objective.
func valueOf(o scenarios.Objective, m *appSeries, stretches []stretch) (appValue, bool) {
	v := appValue{series: m}
	if m.counter {
		sum := counted(stretches, "", m.Series)
		v.value, v.n = sum.Value, sum.N
		_, v.outside = within(o, v.value, orMore(v.value, len(m.partial) > 0))
		return v, sum.Reason == ""
	}
	for _, p := range m.judged(stretches) {
		v.n++
		if v.n == 1 || badness(o, p.Value) > badness(o, v.value) {
			v.value, v.where = p.Value, " at "+duration(p.At)
		}
	}
	_, v.outside = within(o, v.value, v.value)
	return v, v.n > 0
}

// badness orders values by how far they are on the wrong side of a limit.
func badness(o scenarios.Objective, v float64) float64 {
	switch o.Op {
	case scenarios.Greater, scenarios.GreaterEqual:
		return -v
	case scenarios.Equal:
		return math.Abs(v - o.Limit)
	case scenarios.NotEqual:
		return -math.Abs(v - o.Limit)
	}
	return v
}

func (a *Application) verdict(r *Result, all []appValue, partial []string) {
	o := r.Objective
	worst := all[0]
	for _, v := range all {
		r.Samples += uint64(v.n)
		if v.worse(o, &worst) {
			worst = v
		}
	}
	if !math.IsInf(worst.value, 0) { // JSON has no infinity; the reason tells it
		r.Observed = ptr(worst.value)
	}
	what := r.value(worst.value) + " counted in the judged time"
	if !worst.series.counter {
		of := "highest"
		switch o.Op {
		case scenarios.Greater, scenarios.GreaterEqual:
			of = "lowest"
		case scenarios.Equal:
			of = "farthest from the limit"
		case scenarios.NotEqual:
			of = "nearest to the limit"
		}
		what = fmt.Sprintf("%s%s, the %s of %s", r.value(worst.value), worst.where, of, plural(uint64(worst.n), "sample"))
	}
	what += ", " + worst.series.Label()
	if len(all) > 1 {
		what += fmt.Sprintf(" (the worst of %d series)", len(all))
	}
	switch {
	case worst.outside:
		r.Outcome = Missed
	case len(partial) > 0:
		r.Outcome = Unproven
		what += "; as far as it is known: " + strings.Join(partial, "; ")
	default:
		r.Outcome = Met
	}
	r.Reason = fmt.Sprintf("%s; demanded is %s %s", what, o.Op, r.value(o.Limit))
}
