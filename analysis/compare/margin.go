package compare

import "arqload/scenarios"

// Margins say from which size on a change matters.
type Margins struct {
	// Relative is the share by which a metric must be worse, and AtLeastS the seconds by which a
	// response time must be.
	Relative float64
	AtLeastS float64
	// Errors and Misses are the shares by which error rates and cache misses must be worse: a
	// tenth of what the plan allows.
	Errors float64
	Misses float64
}

// The margins that a plan does not say.
const (
	tenth = 0.1
	// defaultErrors and defaultMisses are the limits of the ARQ acceptance document (section 3.5).
	defaultErrors = 0.0005
	defaultMisses = 0.15
	// callsAtLeast is the number of calls or commands an arrival below which a change does not
	// matter whatever its ratio: one more call in twenty arrivals.
	callsAtLeast = 0.05
	// insideShare is the part of the least time of a response that a change of a statement's mean
	// or of the database's time an arrival must have. Users do not feel 0.1 ms, but at 1,000
	// arrivals a second it keeps a tenth of a CPU busy.
	insideShare = 0.02
)

// MarginsOf are those of a plan.
func MarginsOf(p *scenarios.Plan) Margins {
	m := Margins{Relative: p.Compare.Margin, AtLeastS: p.Compare.AtLeast.Seconds(), Errors: tenth * defaultErrors, Misses: tenth * defaultMisses}
	for _, o := range p.Objectives {
		switch {
		case o.Scope != "" || !o.Required:
		case o.Metric == scenarios.MetricErrorRate:
			m.Errors = tenth * o.Limit
		case o.Metric == scenarios.MetricCacheHits:
			m.Misses = tenth * (1 - o.Limit)
		}
	}
	return m
}

// of is the margin of a metric: relative to a baseline, or absolute in the metric's unit.
func (g Margins) of(m Metric, baseline float64, absolute bool) float64 {
	switch m.Unit {
	case UnitShare:
		if m.Kind == KindCache {
			return g.Misses
		}
		return g.Errors
	case UnitPerArrival:
		if absolute {
			return callsAtLeast
		}
		return max(g.Relative, callsAtLeast/baseline)
	case UnitSeconds:
		least := g.AtLeastS
		if m.Kind == KindStatement || m.Kind == KindDatabase {
			least *= insideShare
		}
		if absolute {
			return least
		}
		return max(g.Relative, least/baseline)
	}
	return g.Relative
}
