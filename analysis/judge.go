package analysis

import (
	"fmt"
	"math"
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

// Outcome is the verdict on one objective.
type Outcome string

// The outcomes of an objective.
const (
	Met      Outcome = "met"
	Missed   Outcome = "missed"
	Unproven Outcome = "unproven"
	NoData   Outcome = "no data"
)

// Result is one objective, judged. Values are in the metric's own unit; a nil one has no
// value, and Reason says why.
type Result struct {
	Objective scenarios.Objective
	Outcome   Outcome
	Reason    string
	Observed  *float64
	Low, High *float64 // one-sided bounds, each at Confidence
	Samples   uint64   // arrivals, calls, seconds or statements, as the metric has it
	Bad       uint64   // of Samples
	BadShare  float64
	BadLow    float64 // bounds on the bad share
	BadHigh   float64
	Phi       float64 // dispersion by which counts were divided; 1: none
	// Cluster is the scope of a proof about a share, met or missed: it holds if bad ones come in
	// clusters of at most so many. 0: the proof does not depend on it.
	Cluster uint64
	// Episode is the other scope of a proof about a share or a mean: it holds if no episode
	// (a stretch of another level, a slow wave) is longer. 0: the proof does not depend on it.
	Episode        time.Duration
	MissingSeconds float64 // how much longer the run would have to be; 0: not known
	MissingSamples uint64  // likewise, how many more of Samples; 0: not known
	// ProvableShare is the largest true share of bad ones with which as many samples prove
	// the objective 9 times in 10, and DisprovableShare the smallest with which they
	// disprove it; nil: they cannot, or the objective is not about a share of samples.
	ProvableShare, DisprovableShare *float64
}

// JudgeObjective judges one objective against a summary.
func (s *Summary) JudgeObjective(o scenarios.Objective) Result {
	r := Result{Objective: o, Phi: 1}
	switch o.Metric {
	case scenarios.MetricQuantile, scenarios.MetricErrorRate, scenarios.MetricAvailability:
		s.judgeProportion(&r)
	case scenarios.MetricThroughput:
		s.judgeThroughput(&r)
	case scenarios.MetricCacheHits:
		s.judgeCache(&r)
	case scenarios.MetricDBQuery:
		s.judgeDatabase(&r)
	case scenarios.MetricSampled:
		s.judgeSampled(&r)
	case scenarios.MetricApplication:
		s.judgeApplication(&r)
	default:
		r.Outcome, r.Reason = NoData, fmt.Sprintf("this version does not know the metric %q", o.Metric)
	}
	s.atEveryLook(&r)
	return r
}

// population returns what an objective's scope selects, and whether it is a step's calls.
func (s *Summary) population(o scenarios.Objective) (p *Population, isStep bool) {
	scenario, step := o.Target()
	if scenario == "" {
		return &s.Total, false
	}
	sc := s.Scenarios[scenario]
	if sc == nil {
		return nil, false
	}
	if step == "" {
		return &sc.Population, false
	}
	return sc.Steps[step], true
}

// badCount says how many of a population's arrivals are bad for an objective: low for
// "missed", high for "met". They differ by what speaks against neither verdict: arrivals
// that the generator itself gave up, and, where no exact counter of the limit was kept
// (exact is false), the histogram's bucket that straddles it. Arrivals that were given up
// because a person stopped the run are in no number.
type badCount struct {
	all       uint64
	low, high uint64
	own       uint64 // given up by the generator: in high and in all, not in low
	exact     bool
}

func (s *Summary) bad(o scenarios.Objective, p *Population, isStep bool) badCount {
	canceled := p.Errors[observation.Canceled]
	b := badCount{all: p.OK + p.Failed - canceled, own: p.ShedSelf, exact: true}
	b.high = p.Failed - canceled
	switch o.Metric {
	case scenarios.MetricErrorRate:
	case scenarios.MetricAvailability:
		b.high = p.Unavailable()
	default:
		key, ok := s.counter(o)
		if ok {
			b.high += p.Over[key]
			break
		}
		h := p.Response
		if isStep {
			h = p.Service
		}
		low, high := h.CountOver(o.LimitDuration(), o.Op == scenarios.LessEqual)
		b.exact = false
		b.low = b.high + uint64(low) - b.own
		b.high += uint64(high)
		return b
	}
	b.low = b.high - b.own
	return b
}

// counter returns the key of the exact counter that was kept for an objective's limit.
func (s *Summary) counter(o scenarios.Objective) (key string, ok bool) {
	scenario, step := o.Target()
	key = observation.Key(o.LimitDuration(), o.Op == scenarios.LessEqual)
	for _, c := range s.Header.Counters {
		if c.Over == key && c.Step == step && (c.Scenario == "" || c.Scenario == scenario) {
			return key, true
		}
	}
	return "", false
}

// LimitShare is the share of bad ones that an objective allows.
func LimitShare(o scenarios.Objective) float64 {
	switch o.Metric {
	case scenarios.MetricQuantile, scenarios.MetricDBQuery:
		return 1 - o.Quantile
	case scenarios.MetricAvailability:
		return 1 - o.Limit
	}
	return o.Limit
}

// judgeProportion judges every objective that is a statement about a share of arrivals:
// "p99 < 2s" says that fewer than 1% take 2 s or longer, failures among them.
func (s *Summary) judgeProportion(r *Result) {
	o := r.Objective
	p, isStep := s.population(o)
	if p == nil || p.OK+p.Failed == p.Errors[observation.Canceled] {
		r.Outcome, r.Reason = NoData, s.nothing(o)
		return
	}
	b := s.bad(o, p, isStep)
	at := looksOf(s.Header)
	limit := LimitShare(o)
	d, batches, known := s.divisors(s.shares(o, p), limit)
	r.Samples, r.Bad, r.Phi = b.all, b.high, d.missed
	n := float64(b.all)
	low, lowOf, high := float64(b.low), n-float64(b.own), float64(b.high)
	r.BadShare = high / n
	r.BadLow, _ = at.share(low/d.missed, lowOf/d.missed)
	clustered := r.BadLow
	if batches >= minBatches { // before that one slow answer of the first five would be a fail of a gate
		r.BadLow = max(r.BadLow, anyhow(low, lowOf))
	}
	_, r.BadHigh = at.share(high/d.met, n/d.met)
	phi := d.met
	if math.IsInf(phi, 1) { // too early to tell
		phi = max(d.missed, gateCluster)
	}
	r.reach(at, n, phi, limit)
	inside, outside := r.BadHigh < limit, r.BadLow >= limit
	if o.Op == scenarios.LessEqual || o.Op == scenarios.GreaterEqual {
		inside, outside = r.BadHigh <= limit, r.BadLow > limit
	}
	s.ownUnit(r, p, isStep, b, d, at, inside, outside)
	scope := ""
	switch {
	case inside:
		r.Phi = d.met
		scope = s.scope(r, func(phi float64) bool { return at.below(high/phi, n/phi, limit) }, n)
	case outside && clustered < limit:
		scope = "; holds whatever clusters and episodes they come in"
	case outside:
		scope = s.scope(r, func(phi float64) bool { return at.above(low/phi, lowOf/phi, limit) }, n)
	}
	switch {
	case s.Header.Gate && batches < minBatches && !outside:
		scope += fmt.Sprintf("; before %d whole judged seconds a gate proves nothing good", minBatches)
	case !s.Header.Gate && !known && 0 < b.high && b.high < b.all:
		scope += fmt.Sprintf("; independence assumed: %d batches of whole judged seconds do not show the dispersion", batches)
	}
	if straddling := b.high - b.low - b.own; !b.exact && straddling > 0 {
		scope += fmt.Sprintf("; no exact counter of this limit was kept: %d arrivals of its histogram bucket count against either verdict", straddling)
	}
	if o.Metric == scenarios.MetricQuantile && r.Observed == nil {
		scope += fmt.Sprintf("; the %s itself lies among the failures and has no value", o.Name)
	}
	if b.own > 0 {
		scope += fmt.Sprintf("; %d arrivals that the generator itself gave up count against either verdict", b.own)
	}
	what := fmt.Sprintf("%d of %d %s", b.high, b.all, badWords(o, isStep))
	switch {
	case inside:
		r.Outcome = Met
		r.Reason = fmt.Sprintf("%s; with %g%% confidence under %s, allowed are %s%s", what, Confidence*100, percent(r.BadHigh), percent(limit), scope)
	case outside:
		r.Outcome = Missed
		r.Reason = fmt.Sprintf("%s; with %g%% confidence over %s, allowed are %s%s", what, Confidence*100, percent(r.BadLow), percent(limit), scope)
	default:
		r.Outcome = Unproven
		r.Reason = fmt.Sprintf("%s: the share lies between %s and %s, allowed are %s%s", what, percent(r.BadLow), percent(r.BadHigh), percent(limit), scope)
		s.missing(r, countedUnit(isStep), low, high, n, phi, limit)
	}
}

// countedUnit is what a share is of.
func countedUnit(isStep bool) string {
	if isStep {
		return "calls"
	}
	return "arrivals"
}

func badWords(o scenarios.Objective, isStep bool) string {
	return countedUnit(isStep) + " " + badVerb(o)
}

// episode is the longest episode for which the proofs of this run hold.
func (s *Summary) episode() time.Duration { return s.Judged / episodes }

// dispersion estimates phi for an objective over the judged seconds.
func (s *Summary) dispersion(o scenarios.Objective, p *Population) (phi float64, batches int, known bool) {
	return dispersion(s.shares(o, p))
}

// shares are the bad ones of each whole judged second: by the objective's exact counter
// where one was kept, else by the seconds' histograms.
func (s *Summary) shares(o scenarios.Objective, p *Population) []share {
	key, counted := s.counter(o)
	bad := func(sec *second) uint64 {
		t := &sec.tally
		if o.Metric == scenarios.MetricAvailability {
			return t.Unavailable()
		}
		n := t.Failed - t.Errors[observation.Canceled]
		switch {
		case o.Metric == scenarios.MetricErrorRate:
		case counted:
			n += t.Over[key]
		default:
			for _, h := range sec.judged {
				_, high := h.CountOver(o.LimitDuration(), o.Op == scenarios.LessEqual)
				n += uint64(high)
			}
		}
		return n
	}
	var shares []share
	for i := range p.seconds {
		sec := &p.seconds[i]
		if sec.length < time.Second {
			continue // batches are of whole seconds
		}
		shares = append(shares, share{bad: float64(bad(sec)), all: float64(sec.tally.OK + sec.tally.Failed - sec.tally.Errors[observation.Canceled])})
	}
	return shares
}

// ownUnit gives the observed value and its bounds in the metric's own unit. The bounds of
// a quantile are ends of histogram buckets; where the exact counter of the limit has
// decided (inside or outside), they are not let on its other side by a bucket's width.
func (s *Summary) ownUnit(r *Result, p *Population, isStep bool, b badCount, d divisors, at looks, inside, outside bool) {
	o := r.Objective
	switch o.Metric {
	case scenarios.MetricErrorRate:
		r.Observed, r.Low, r.High = ptr(r.BadShare), ptr(r.BadLow), ptr(r.BadHigh)
		return
	case scenarios.MetricAvailability:
		r.Observed, r.Low, r.High = ptr(1-r.BadShare), ptr(1-r.BadHigh), ptr(1-r.BadLow)
		return
	}
	h := p.Response
	if isStep {
		h = p.Service
	}
	// Failures stand behind every success: a rank among them has no value.
	n := int64(b.all)
	if _, v, ok := h.AtRank(hist.Rank(o.Quantile, n)); ok {
		r.Observed = ptr(v.Seconds())
	}
	low, high := quantileRanks(o.Quantile, n, d, at)
	if v, _, ok := h.AtRank(low); ok {
		r.Low = ptr(v.Seconds())
		if outside && b.exact {
			*r.Low = max(*r.Low, o.Limit)
		}
	}
	if _, v, ok := h.AtRank(high); ok {
		r.High = ptr(v.Seconds())
		if inside && b.exact {
			*r.High = min(*r.High, o.Limit)
		}
	}
}

func (s *Summary) judgeDatabase(r *Result) {
	d := s.Database
	if !d.Available {
		r.Outcome, r.Reason = NoData, d.Reason
		return
	}
	o := r.Objective
	q := d.Query(o.Quantile, o.LimitDuration(), o.Op == scenarios.LessEqual)
	low, high := q.SlowLow, q.SlowHigh
	if q.Claim == ClaimBracketed {
		low, high = q.RunningLow, q.RunningHigh
	}
	r.Samples, r.Bad = uint64(max(0, q.N)), uint64(max(0, high))
	if q.N > 0 {
		r.BadShare = min(1, float64(high)/float64(q.N))
		r.BadLow, r.BadHigh = min(1, float64(low)/float64(q.N)), r.BadShare
	}
	if q.UpperOK {
		r.High = ptr(q.Upper.Seconds())
	}
	r.Reason = fmt.Sprintf("%s: %s", q.Claim, q.Reason)
	switch {
	case q.Decision == DecisionMet:
		r.Outcome = Met
	case q.Decision == DecisionMissed:
		r.Outcome = Missed
	case q.N == 0:
		r.Outcome = NoData
	default:
		r.Outcome = Unproven
		r.Reason += "; a longer run alone does not decide it: these are bounds on all that was counted, not a sample of it"
	}
}

// nothing says why an objective has no data.
func (s *Summary) nothing(o scenarios.Objective) string {
	switch {
	case s.Judged == 0:
		return "no judged second was recorded"
	case o.Scope != "":
		return fmt.Sprintf("no arrival of %s was judged", o.Scope)
	}
	return "no arrival was judged"
}

func ptr(v float64) *float64 { return &v }

func number(v float64) string {
	if v == math.Trunc(v) || v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
