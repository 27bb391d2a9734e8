package compare

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat"
)

// leastForPrior is the number of metrics below which they say nothing of each other.
const leastForPrior = 3

// moderate gives the response times that decide a prior for how much runs differ: five runs alone
// say little of a variance, and what makes one run slower than another (the machine, its
// neighbours) moves all response times alike. The model is that of Smyth (2004), with a trend:
//
//	variance of metric g between runs = common + within_g
//
// within_g being what the runs' own seconds say of it, and common >= 0 the mean of what is left
// (the estimator by moments). Around that the metrics' true variances scatter as a scaled inverse
// chi-square with df0 degrees of freedom: the more their observed variances scatter beyond what
// chance does, the less the prior is worth (his eq. in sec. 6.2, by trigamma functions).
//
// The metrics of one run are no independent witnesses, so df0 is at most what the runs
// themselves are worth, m-1.
func moderate(places []place, decides func(Metric) bool) {
	var group []*place
	m := 0
	for i := range places {
		p := &places[i]
		if k := p.next.Kind; decides(p.next) && p.next.Unit == UnitSeconds && (k == KindScenario || k == KindStep) && len(p.runs) > 1 {
			m = max(m, len(p.runs))
			group = append(group, p)
		}
	}
	if len(group) < leastForPrior {
		return
	}
	common := 0.0
	for _, p := range group {
		common += (p.variance - p.within) / float64(len(group))
	}
	common = max(0, common)
	var logs []float64
	for _, p := range group {
		if len(p.runs) == m && p.variance > 0 && common+p.within > 0 {
			logs = append(logs, math.Log(p.variance/(common+p.within)))
		}
	}
	if len(logs) < leastForPrior {
		return
	}
	df := float64(m - 1)
	df0 := df
	if rest := stat.Variance(logs, nil) - trigamma(df/2); rest > 0 {
		df0 = min(df, 2*inverseTrigamma(rest))
	}
	for _, p := range group {
		p.prior, p.df0 = common+p.within, df0
	}
}

// trigamma is the second derivative of the logarithm of the gamma function: Hurwitz' zeta(2, x).
func trigamma(x float64) float64 { return mathext.Zeta(2, x) }

// inverseTrigamma returns the x > 0 at which trigamma is y, by bisection: it only falls.
func inverseTrigamma(y float64) float64 {
	low, high := 1e-8, 1e8
	for range 200 {
		mid := math.Sqrt(low * high)
		if trigamma(mid) > y {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}
