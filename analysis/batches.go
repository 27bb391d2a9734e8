package analysis

import (
	"math"
	"time"

	"arqload/analysis/hist"
)

// runBatches is into how many stretches of seconds a run is cut at most to see how much its
// own numbers vary.
const runBatches = 30

// Quantile returns the q-quantile of the population's arrivals, failures counted as slower than
// every success: of response time, of a step service time. ok is false where there is none, or
// where its rank lies among the failures.
func (p *Population) Quantile(q float64) (d time.Duration, ok bool) {
	h := p.clock()
	if h == nil {
		return 0, false
	}
	_, d, ok = h.AtRank(hist.Rank(q, h.Count()+int64(p.Failed)))
	return d, ok && h.Count() > 0
}

// clock is the histogram of successes on the clock that is judged.
func (p *Population) clock() *hist.Histogram {
	if p.Response != nil {
		return p.Response
	}
	return p.Service
}

// QuantileError returns the standard error of the logarithm of [Population.Quantile] that comes
// from this run's own seconds: how much the quantile would move if other seconds like them had
// been seen. It says nothing of what differs between runs. ok is false where the record has no
// histograms by the second, or fewer than 10 seconds.
//
// The share of arrivals at or over the quantile is taken in batches of consecutive seconds, which keeps
// together what one stall made slow (batch means: Law, Simulation Modeling and Analysis, ch. 9),
// and its standard error is carried to the quantile's scale by reading the quantiles at q -+ that
// error (Woodruff, JASA 47 (1952) 635).
func (p *Population) QuantileError(q float64) (se float64, ok bool) {
	limit, ok := p.Quantile(q)
	if !ok || len(p.seconds) < 10 {
		return 0, false
	}
	h := p.clock()
	total := h.Count() + int64(p.Failed)
	from, _, _ := h.AtRank(hist.Rank(q, total)) // the begin of the bucket that limit is the end of
	batches := min(runBatches, len(p.seconds))
	over, n := make([]float64, batches), make([]float64, batches)
	seen := false
	for i := range p.seconds {
		sec, b := &p.seconds[i], i*batches/len(p.seconds)
		over[b] += float64(sec.tally.Failed)
		n[b] += float64(sec.tally.OK + sec.tally.Failed)
		for _, h := range sec.judged {
			_, high := h.CountOver(from, false)
			over[b] += float64(high)
			seen = true
		}
	}
	if !seen {
		return 0, false
	}
	share := ratioError(over, n)
	at := func(q float64) (float64, bool) {
		_, d, ok := h.AtRank(hist.Rank(min(max(q, 0), 1), total))
		return d.Seconds(), ok && d > 0
	}
	low, okLow := at(q - share)
	high, okHigh := at(q + share)
	mid := limit.Seconds()
	switch {
	case !okLow || mid <= 0:
		return 0, false
	case !okHigh: // beyond the last success: what is below must do for both sides
		return math.Log(mid / low), true
	}
	return math.Log(high/low) / 2, true
}

// ratioError is the standard error of sum(k)/sum(n) over batches (the ratio estimator; Cochran,
// Sampling Techniques, 3rd ed., eq. 2.46), at least that of independent arrivals.
func ratioError(k, n []float64) float64 {
	var sumK, sumN float64
	for i := range k {
		sumK, sumN = sumK+k[i], sumN+n[i]
	}
	if sumN == 0 || len(k) < 2 {
		return 0
	}
	p := sumK / sumN
	var squares float64
	for i := range k {
		d := k[i] - p*n[i]
		squares += d * d
	}
	b := float64(len(k))
	return math.Sqrt(max(b/(b-1)*squares/(sumN*sumN), p*(1-p)/sumN))
}

// FailureDispersion returns by how much failures come together: the variance of their number in a
// second over its mean, at least 1. A burst of ten in one second of sixty gives 10: it is one
// event, not ten. (The index of dispersion: Cox and Lewis, The Statistical Analysis of Series of
// Events, 1966, sec. 6.3.)
func (p *Population) FailureDispersion() float64 {
	if p.Failed == 0 || len(p.seconds) < 2 {
		return 1
	}
	n := float64(len(p.seconds))
	var sum, squares float64
	for i := range p.seconds {
		k := float64(p.seconds[i].tally.Failed)
		sum, squares = sum+k, squares+k*k
	}
	mean := sum / n
	return max(1, (squares-n*mean*mean)/(n-1)/mean)
}
