package analysis

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Batching of consecutive values, seconds mostly, for the estimate of their variance.
const (
	maxBatches = 20
	minBatches = 10
)

// episodes is how many times the longest episode (a slow wave, or a stretch of another
// level) must fit into the judged time for [longRun] to see it for what it is: with fewer,
// a run may lie within one. TestCalibration holds the error rates up to this length.
const episodes = 15

// longRun estimates the variance of consecutive values that resemble their neighbours, from
// their deviations from the mean, each with the variance that it would have alone up to a
// factor, its weight (1 for plain values). Over B = min(20, n) batches of consecutive
// values with sums d_b and w_b of deviations and weights,
//
//	x = 1/(B-1) * sum_b d_b^2/w_b          the factor, batches taken as independent
//	growth = (1+r)/(1-r)                   what is missing because they are not
//	r = (r_1 + 1/B) / (1 - 3/B), 0 <= r    r_1: lag-1 autocorrelation of d_b/sqrt(w_b)
//	degrees = B/growth - 1, at least 2     how much is known about x, for Student's t
//
// The variance of the mean of n plain values is x*growth/n. Batches hide what is shorter than
// they are, a first-order autoregression of the batches what is longer, up to about a 15th
// of the time. Under 10 values growth is 1.
//
// Sources: batch means, Law, Simulation Modeling and Analysis, ch. 9; the growth and the number B/growth of
// independent values, Bayley & Hammersley, JRSS Supplement 8 (1946); r_1 is too small by
// (1+3r)/B, Marriott & Pope and Kendall, Biometrika 41 (1954), 390-404.
func longRun(deviations, weights []float64) (x, growth, degrees float64) {
	n := len(deviations)
	batches := min(maxBatches, n)
	if batches < 2 {
		return 0, 1, 0
	}
	d, w := make([]float64, batches), make([]float64, batches)
	for i := range deviations {
		b := i * batches / n
		d[b] += deviations[i]
		w[b] += weights[i]
	}
	var ss, lag, before float64
	for b := range d {
		z := 0.0
		if w[b] > 0 {
			z = d[b] / math.Sqrt(w[b])
		}
		ss += z * z
		lag += z * before
		before = z
	}
	size := float64(batches)
	x, growth, degrees = ss/(size-1), 1, size-1
	if batches < minBatches || ss == 0 {
		return x, growth, degrees
	}
	r := lag / ss * size / (size - 1)
	r = min(max(0, (r+1/size)/(1-3/size)), 0.99)
	growth = (1 + r) / (1 - r)
	return x, growth, max(2, size/growth-1)
}

// meanInterval returns the mean of consecutive values and its one-sided bounds, each at
// Confidence: mean -+ e s/sqrt(n), s^2/n the variance of the mean by [longRun], e the number of
// standard errors that the moments of looking ask for. ok is false where there are none: under
// at.least() values, or where these are so alike that they are hardly more than one.
func meanInterval(values []float64, at looks) (mean, low, high float64, ok bool) {
	ones := make([]float64, len(values))
	for i := range ones {
		ones[i] = 1
	}
	return ratioInterval(values, ones, at)
}

// ratioInterval returns sum(part)/sum(whole) over intervals and its one-sided bounds,
// each at Confidence: the ratio estimator, whose variance is that of
// the mean of part - r*whole, by [longRun], over mean(whole)^2. Unlike the mean of the intervals'
// own ratios it does not give an interval with ten reads the weight of one with ten
// thousand. Source: Cochran, Sampling Techniques, 3rd ed., 6.4. ok is as that of
// [meanInterval], and false where nothing was counted.
func ratioInterval(parts, wholes []float64, at looks) (ratio, low, high float64, ok bool) {
	n := float64(len(parts))
	var part, whole float64
	for i := range parts {
		part += parts[i]
		whole += wholes[i]
	}
	if len(parts) < at.least() || whole == 0 {
		return 0, 0, 0, false
	}
	ratio = part / whole
	deviations, ones := make([]float64, len(parts)), make([]float64, len(parts))
	for i := range parts {
		deviations[i], ones[i] = parts[i]-ratio*wholes[i], 1
	}
	x, growth, degrees := longRun(deviations, ones)
	errors := at.standardErrors(n/growth, degrees)
	if math.IsInf(errors, 1) {
		return ratio, 0, 0, false
	}
	half := errors * math.Sqrt(x*growth/n) / (whole / n)
	return ratio, ratio - half, ratio + half, true
}

func studentT(degrees float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: degrees}.Quantile(Confidence)
}
