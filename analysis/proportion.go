package analysis

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// Confidence is that of every one-sided bound in a verdict.
const Confidence = 0.95

// Batching of seconds for the estimate of dispersion.
const (
	maxBatches = 30
	minBatches = 10
)

// Bounds returns the one-sided Clopper-Pearson bounds, each at the given confidence, on
// the share of bad ones where k of n were bad. k and n may be any reals with 0 <= k <= n:
// dependence divides both by the dispersion.
//
//	upper = BetaInv(confidence;   k+1, n-k)    1 where k = n
//	lower = BetaInv(1-confidence; k,   n-k+1)  0 where k = 0
//
// Source: Clopper & Pearson, Biometrika 26 (1934), in the Beta form of Johnson, Kemp &
// Kotz, Univariate Discrete Distributions, 3.8.3.
//
// Where there is none (n = 0), or k is no part of n, nothing is known: 0 and 1.
func Bounds(k, n, confidence float64) (lower, upper float64) {
	if !(n > 0 && k >= 0 && k <= n) {
		return 0, 1
	}
	lower, upper = 0, 1
	if k > 0 {
		lower = distuv.Beta{Alpha: k, Beta: n - k + 1}.Quantile(1 - confidence)
	}
	if k < n {
		upper = distuv.Beta{Alpha: k + 1, Beta: n - k}.Quantile(confidence)
	}
	return lower, upper
}

// share is how many of how many were bad in one stretch of time.
type share struct{ bad, all float64 }

// dispersion returns phi, by which k and n are divided because arrivals of one second
// share their fate: Pearson's chi-square over its degrees of freedom, over
// min(30, whole seconds) batches of consecutive seconds,
//
//	phi = max(1, 1/(B-1) * sum_b (k_b - n_b p)^2 / (n_b p (1-p))),  p = sum k_b / sum n_b
//
// which for equal batches is Var(batch shares) * batch size / (p(1-p)). known is false
// where it cannot be estimated: under 10 batches, or nothing (or everything) bad.
// Source: McCullagh & Nelder, Generalized Linear Models, 4.5.2; batch means as in Law,
// Simulation Modeling and Analysis, ch. 9.
func dispersion(seconds []share) (phi float64, batches int, known bool) {
	batches = min(maxBatches, len(seconds))
	if batches < minBatches {
		return 1, batches, false
	}
	var total share
	sums := make([]share, batches)
	for i, s := range seconds {
		b := &sums[i*batches/len(seconds)]
		b.bad += s.bad
		b.all += s.all
		total.bad += s.bad
		total.all += s.all
	}
	if total.bad == 0 || total.bad == total.all {
		return 1, batches, false
	}
	p := total.bad / total.all
	var chi float64
	used := 0
	for _, b := range sums {
		if b.all == 0 {
			continue
		}
		used++
		d := b.bad - b.all*p
		chi += d * d / (b.all * p * (1 - p))
	}
	if used < minBatches {
		return 1, used, false
	}
	return math.Max(1, chi/float64(used-1)), used, true
}

// meanInterval returns the mean of consecutive values and its one-sided t bounds, each at
// Confidence: mean -+ t(n-1) s/sqrt(n/c), c as correlation has it. ok is false under two
// values.
func meanInterval(values []float64) (mean, low, high float64, ok bool) {
	n := float64(len(values))
	if n < 2 {
		return 0, 0, 0, false
	}
	for _, v := range values {
		mean += v / n
	}
	var ss float64
	for _, v := range values {
		ss += (v - mean) * (v - mean)
	}
	deviations := make([]float64, len(values))
	for i, v := range values {
		deviations[i] = v - mean
	}
	half := studentT(n-1) * math.Sqrt(correlation(deviations)*ss/(n-1)/n)
	return mean, mean - half, mean + half, true
}

// ratioInterval returns sum(part)/sum(whole) over intervals and its one-sided t bounds,
// each at Confidence: the ratio estimator, whose variance is
// sum (part - r*whole)^2 / (n(n-1)) / mean(whole)^2. Unlike the mean of the intervals'
// own ratios it does not give an interval with ten reads the weight of one with ten
// thousand. Source: Cochran, Sampling Techniques, 3rd ed., 6.4. ok is false under two
// intervals or where nothing was counted.
func ratioInterval(parts, wholes []float64) (ratio, low, high float64, ok bool) {
	n := float64(len(parts))
	var part, whole float64
	for i := range parts {
		part += parts[i]
		whole += wholes[i]
	}
	if n < 2 || whole == 0 {
		return 0, 0, 0, false
	}
	ratio = part / whole
	var ss float64
	deviations := make([]float64, len(parts))
	for i := range parts {
		deviations[i] = parts[i] - ratio*wholes[i]
		ss += deviations[i] * deviations[i]
	}
	half := studentT(n-1) * math.Sqrt(correlation(deviations)*ss/(n*(n-1))) / (whole / n)
	return ratio, ratio - half, ratio + half, true
}

// correlation returns by how much the variance of a mean of consecutive deviations grows
// because neighbours resemble each other: (1+r)/(1-r) of a first-order autoregression,
// with r the lag-1 autocorrelation; 1 where r is not above 0 or cannot be told.
// Source: Bayley & Hammersley, JRSS Supplement 8 (1946).
func correlation(deviations []float64) float64 {
	if len(deviations) < minBatches {
		return 1
	}
	var lag, ss float64
	for i, d := range deviations {
		ss += d * d
		if i > 0 {
			lag += d * deviations[i-1]
		}
	}
	if ss == 0 || lag <= 0 {
		return 1
	}
	r := min(lag/ss, 0.99)
	return (1 + r) / (1 - r)
}

func studentT(degrees float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: degrees}.Quantile(Confidence)
}

// quantileRanks returns the ascending 1-based ranks whose values bound the q-quantile of
// n arrivals, each at Confidence: those at which the share at or beyond them could just
// be proved below, or above, 1-q. It inverts the test of the verdict, so that value and
// verdict agree. A rank is 0 where n is too small to have it. The result is the
// distribution-free order-statistic interval (David & Nagaraja, Order Statistics, 7.1)
// with counts divided by phi.
func quantileRanks(q float64, n int64, phi float64) (low, high int64) {
	limit, f := 1-q, float64(n)
	// The most bad ones that still prove the share below the limit.
	most := sort.Search(int(n)+1, func(k int) bool {
		_, upper := Bounds(float64(k)/phi, f/phi, Confidence)
		return upper >= limit
	}) - 1
	// The fewest that prove it above.
	fewest := sort.Search(int(n)+1, func(k int) bool {
		lower, _ := Bounds(float64(k)/phi, f/phi, Confidence)
		return lower >= limit
	})
	// Where the ranks from n-k+1 on are bad there are k of them.
	if int64(fewest) <= n {
		low = n - int64(fewest) + 1
	}
	if most >= 0 {
		high = n - int64(most)
	}
	return low, high
}
