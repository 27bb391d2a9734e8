package analysis

import (
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// Confidence is that of every one-sided bound in a verdict.
const Confidence = 0.95

// normal is the quantile of the standard normal distribution at Confidence.
const normal = 1.6448536269514722

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

// anyhow is a lower bound, at Confidence, on the long-run share of bad ones where k of n were bad,
// however they hang together: where the share is p on the average, k/n is ever c*p or more with a
// chance of at most 1/c. A system that breaks down for good is one long episode, of which no
// dispersion can be estimated, but twenty times what is allowed is no chance.
//
// Source: Markov's inequality for one look, the maximal ergodic theorem for all of them (Hopf, Journal of Rational
// Mechanics and Analysis 3, 1954; Petersen, Ergodic Theory, 2.2). It takes the load as steady.
func anyhow(k, n float64) float64 {
	if !isCount(k, n) {
		return 0
	}
	return (1 - Confidence) * k / n
}

// share is how many of how many were bad in one stretch of time.
type share struct{ bad, all float64 }

// dispersion returns phi, by which k and n are divided because arrivals that are near in
// time share their fate:
//
//	phi = 1 + max(0, X - 1) c (t/z)^2,  X = 1/(B-1) * sum_b (k_b - n_b p)^2 / (n_b p (1-p))
//
// X is Pearson's chi-square over its degrees of freedom, over B batches of consecutive whole
// seconds, p = sum k_b / sum n_b. c is by how much neighbouring batches that resemble each
// other let it grow, and t/z how much wider an interval is whose variance is only estimated:
// Student's quantile with the batches' degrees of freedom by the normal one; see [longRun].
// Both multiply only what is over the 1 that independent arrivals have, which needs no
// estimate. known is false where there is none: under 10 seconds, or nothing (or
// everything) bad.
// Sources: McCullagh & Nelder, Generalized Linear Models, 4.5.2; batch means as in Law,
// Simulation Modeling and Analysis, ch. 9.
func dispersion(seconds []share) (phi float64, batches int, known bool) {
	var total share
	used := make([]share, 0, len(seconds))
	for _, s := range seconds {
		if s.all > 0 {
			used = append(used, s)
		}
		total.bad += s.bad
		total.all += s.all
	}
	batches = min(maxBatches, len(used))
	if batches < minBatches || total.bad == 0 || total.bad == total.all {
		return 1, batches, false
	}
	p := total.bad / total.all
	deviations, weights := make([]float64, len(used)), make([]float64, len(used))
	for i, s := range used {
		deviations[i] = s.bad - s.all*p
		weights[i] = s.all * p * (1 - p)
	}
	x, growth, degrees := longRun(deviations, weights)
	wider := studentT(degrees) / normal
	return 1 + max(0, x-1)*growth*wider*wider, batches, true
}

// quantileRanks returns the ascending 1-based ranks whose values bound the q-quantile of
// n arrivals, each at Confidence: those at which the share at or beyond them could just
// be proved below, or above, 1-q. It inverts the test of the verdict, so that value and
// verdict agree. A rank is 0 where n is too small to have it. The result is the
// distribution-free order-statistic interval (David & Nagaraja, Order Statistics, 7.1)
// with counts divided by phi, which may differ for the two.
func quantileRanks(q float64, n int64, d divisors, at looks) (low, high int64) {
	limit, f := 1-q, float64(n)
	// The most bad ones that still prove the share below the limit.
	most := sort.Search(int(n)+1, func(k int) bool {
		return !at.below(float64(k)/d.met, f/d.met, limit)
	}) - 1
	// The fewest that prove it above.
	fewest := sort.Search(int(n)+1, func(k int) bool {
		return at.above(float64(k)/d.missed, f/d.missed, limit)
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
