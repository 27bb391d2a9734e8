package analysis

import (
	"fmt"
	"math"
	"time"

	"arqload/scenarios"
)

// judgeThroughput judges successful HTTP responses per second by a t-interval over the
// judged seconds.
func (s *Summary) judgeThroughput(r *Result) {
	p, _ := s.population(r.Objective)
	if p == nil || len(p.seconds) == 0 || s.Judged == 0 || p.Planned == 0 {
		r.Outcome, r.Reason = NoData, s.nothing(r.Objective)
		return
	}
	var rates []float64
	for _, sec := range p.seconds {
		if sec.length >= time.Second {
			rates = append(rates, float64(sec.completed)/sec.length.Seconds())
		}
	}
	r.Samples = uint64(len(rates))
	r.Observed = ptr(float64(p.CompletedOK) / s.Judged.Seconds())
	at := looksOf(s.Header)
	mean, low, high, ok := meanInterval(rates, at)
	if !ok {
		r.Outcome = Unproven
		r.more(float64(at.least()-len(rates)), float64(at.least()-len(rates)))
		r.Reason = fmt.Sprintf("%.0f/s over %s: %s", *r.Observed, duration(s.Judged), noBounds(rates, at, "whole judged seconds"))
		return
	}
	r.Low, r.High, r.Episode = ptr(max(0, low)), ptr(high), s.episode()
	r.above(fmt.Sprintf("%s/s on the average of %s", number(*r.Observed), plural(r.Samples, "second")), number)
	if r.Outcome == Unproven {
		r.Reason += "; to show a rate, plan more than it"
		s.missingAverage(r, mean, mean-low, float64(len(rates)), func(v float64) string { return number(v) + "/s" },
			func(seconds float64) string { return number(mean*seconds) + " requests at this rate" })
	}
}

// above decides an objective that demands at least its limit from Low and High.
func (r *Result) above(what string, format func(float64) string) {
	limit := r.Objective.Limit
	inside, outside := *r.Low > limit, *r.High <= limit
	if r.Objective.Op == scenarios.GreaterEqual {
		inside, outside = *r.Low >= limit, *r.High < limit
	}
	holds := fmt.Sprintf("; holds if no episode is longer than %s", duration(r.Episode))
	switch {
	case inside:
		r.Outcome = Met
		r.Reason = fmt.Sprintf("%s; with %g%% confidence at least %s%s", what, Confidence*100, format(*r.Low), holds)
	case outside:
		r.Outcome = Missed
		r.Reason = fmt.Sprintf("%s; with %g%% confidence at most %s, demanded is %s%s", what, Confidence*100, format(*r.High), format(limit), holds)
	default:
		r.Outcome, r.Episode = Unproven, 0
		r.Reason = fmt.Sprintf("%s: between %s and %s, demanded is %s", what, format(*r.Low), format(*r.High), format(limit))
	}
}

// noBounds says why a mean has none.
func noBounds(values []float64, at looks, what string) string {
	if n := at.least(); len(values) < n {
		return fmt.Sprintf("at least %d %s are needed for bounds, there are %d", n, what, len(values))
	}
	return fmt.Sprintf("the %s change so slowly that %d of them do not bound the average", what, len(values))
}

func (s *Summary) judgeCache(r *Result) {
	c := s.Cache
	if !c.Available {
		r.Outcome, r.Reason = NoData, c.Reason
		if c.OK { // a part of the reads shows nothing about the rest
			r.Reason += fmt.Sprintf("; of the %d reads that are known %s were hits", c.Hits+c.Misses, percent(c.HitRatio))
		}
		return
	}
	var hits, reads []float64
	for _, i := range c.Intervals {
		hits, reads = append(hits, float64(i.Hits)), append(reads, float64(i.Hits+i.Misses))
	}
	r.Samples = uint64(len(reads))
	if c.Hits+c.Misses == 0 {
		r.Outcome, r.Reason = NoData, "Redis counted no read in the judged time: there is no ratio"
		return
	}
	r.Observed = ptr(float64(c.Hits) / float64(c.Hits+c.Misses))
	r.BadShare = 1 - *r.Observed
	r.Bad = uint64(c.Misses)
	at := looksOf(s.Header)
	ratio, low, high, ok := ratioInterval(hits, reads, at)
	if !ok {
		r.Outcome = Unproven
		r.more(float64(at.least()-len(reads)), float64(at.least()-len(reads)))
		r.Reason = fmt.Sprintf("%s of %d reads: %s", percent(*r.Observed), c.Hits+c.Misses, noBounds(reads, at, "intervals"))
		return
	}
	// The share of misses swings in proportion, and the standard error with it: met is tested
	// with the one that it has at the limit, as a share of arrivals is.
	low = *r.Observed - (*r.Observed-low)*quieter(1-r.Objective.Limit, r.BadShare)
	// So few reads may be hits alike in every interval that these do not differ: no bound is inside of
	// the one that as many independent reads have.
	fewest, most := at.share(float64(c.Misses), float64(c.Hits+c.Misses))
	low, high = min(low, 1-most), max(high, 1-fewest)
	r.Low, r.High, r.Episode = ptr(max(0, low)), ptr(min(1, high)), s.episode()
	r.BadLow, r.BadHigh = 1-*r.High, 1-*r.Low
	r.above(fmt.Sprintf("%s of %d reads, over %s", percent(*r.Observed), c.Hits+c.Misses, plural(r.Samples, "interval")), percent)
	if r.Outcome == Unproven {
		s.missingAverage(r, ratio, ratio-low, float64(len(reads)), Roughly, func(seconds float64) string {
			return number(math.Ceil(float64(c.Hits+c.Misses)/max(s.Judged.Seconds(), 1)*seconds)) + " reads at this rate"
		})
	}
}
