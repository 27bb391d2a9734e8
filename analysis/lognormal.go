package analysis

import (
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// lognormalQuantile is the q-quantile of a mixture of lognormal distributions, one for each
// statement, weighted by its calls n, with its mean m and variance v:
//
//	s² = ln(1 + v/m²),  mu = ln m - s²/2,  P(X > t) = 1 - Phi((ln t - mu)/s)
//
// (the method of moments; Crow and Shimizu, Lognormal Distributions, 1988, ch. 2). Real
// query times need not be of that shape: an estimate, and no bound. ok is false without a call.
func lognormalQuantile(all []moments, q float64) (at time.Duration, ok bool) {
	var n float64
	var high float64
	for _, c := range all {
		n, high = n+float64(c.n), max(high, c.high)
	}
	if n == 0 {
		return 0, false
	}
	above := func(t float64) float64 {
		var sum float64
		for _, c := range all {
			switch {
			case t >= c.high: // no call took longer
			case c.variance <= 0 || c.mean <= 0:
				if c.mean > t {
					sum += float64(c.n)
				}
			default:
				s2 := math.Log1p(c.variance / (c.mean * c.mean))
				mu := math.Log(c.mean) - s2/2
				sum += float64(c.n) * (1 - distuv.UnitNormal.CDF((math.Log(t)-mu)/math.Sqrt(s2)))
			}
		}
		return sum / n
	}
	low := 0.0
	for range 60 {
		mid := (low + high) / 2
		if mid > 0 && above(mid) > 1-q {
			low = mid
		} else {
			high = mid
		}
	}
	return seconds(high), true
}
