package analysis

import (
	"math"
	"slices"
)

// slope returns the Theil-Sen line through values a step apart, NaN where there is none:
// the median of the slopes of all pairs, per step, and the height at step 0, the median of
// what the slope leaves. Up to 29% of wild values do not move it. Sources: Theil,
// Indagationes Mathematicae 12 (1950); Sen, JASA 63 (1968), 1379-1389.
func slope(v line) (perStep, start float64) {
	n := len(v)
	slopes, left := make([]float64, 0, n*(n-1)/2), make([]float64, 0, n)
	for i, a := range v {
		if math.IsNaN(a) {
			continue
		}
		for j := i + 1; j < len(v); j++ {
			if !math.IsNaN(v[j]) {
				slopes = append(slopes, (v[j]-a)/float64(j-i))
			}
		}
	}
	if len(slopes) == 0 {
		return 0, math.NaN()
	}
	perStep = median(slopes)
	for i, a := range v {
		if !math.IsNaN(a) {
			left = append(left, a-perStep*float64(i))
		}
	}
	return perStep, median(left)
}

// trendP is the two-sided p of "there is no trend" in values a step apart, by Mann-Kendall
// with the correction for neighbours that resemble each other:
//
//	S    = sum_{i<j} sign(v_j - v_i)
//	Var  = (n(n-1)(2n+5) - sum t(t-1)(2t+5)) / 18     t: the size of each group of equal values
//	c    = 1 + 2/(n(n-1)(n-2)) sum_i (n-i)(n-i-1)(n-i-2) r(i)
//	z    = (S -+ 1) / sqrt(c Var)
//
// with r the autocorrelations of the ranks of what the Theil-Sen line leaves, at the lags i
// where |r| > 1.96/sqrt(n). Sources: Mann, Econometrica 13 (1945); Kendall, Rank Correlation
// Methods, ch. 4; Hamed & Rao, Journal of Hydrology 204 (1998), 182-196.
//
// Two things are added, because a minute of a slow wave looks like a trend, and Hamed and
// Rao's correction alone calls it one far more often than it says where, after Holm, one in
// a thousand counts: c is no less than that of a first-order autoregression, its bias removed
// ([persistence], of two parameters), whose coefficient is one standard error larger than
// it seems; and z is referred to t with n/c-2 degrees of freedom, since c is itself an
// estimate from few independent values. The price: in 20 s hardly any trend is found.
func trendP(v line, perStep float64) float64 {
	known := v.known()
	n := float64(len(known))
	if n < 4 {
		return 1
	}
	s := 0.0
	for i, a := range known {
		for _, b := range known[i+1:] {
			switch {
			case b > a:
				s++
			case b < a:
				s--
			}
		}
	}
	variance := n * (n - 1) * (2*n + 5)
	slices.Sort(known)
	for i := 0; i < len(known); {
		j := i
		for j < len(known) && known[j] == known[i] {
			j++
		}
		t := float64(j - i)
		variance -= t * (t - 1) * (2*t + 5)
		i = j
	}
	variance /= 18
	if variance <= 0 || s == 0 {
		return 1
	}
	c := trendPersistence(v, perStep)
	if s > 0 {
		s--
	} else {
		s++
	}
	return twoSided(s/math.Sqrt(c*variance), n/c-2)
}

// trendPersistence is c of [trendP].
func trendPersistence(v line, perStep float64) float64 {
	detrended := slices.Clone(v)
	for i := range detrended {
		detrended[i] -= perStep * float64(i)
	}
	ranks := rankedOf(detrended).all()
	left := ranks.known()
	n := float64(len(left))
	r, _ := autocorrelation(ranks, len(ranks)/2)
	sum := 0.0
	for i := 1; i < len(r); i++ {
		if k := n - float64(i); math.Abs(r[i]) > 1.96/math.Sqrt(n) && k > 2 {
			sum += k * (k - 1) * (k - 2) * r[i]
		}
	}
	hamed := 1 + 2/(n*(n-1)*(n-2))*sum
	mean := (n + 1) / 2
	for i := range left {
		left[i] -= mean
	}
	return max(1, hamed, cautious(persistence(left, 2), n))
}

// cautious returns a persistence of n values, (1+r)/(1-r), with r one standard error larger:
// sqrt((1-r^2)/n), Bartlett, JRSS Supplement 8 (1946).
func cautious(c, n float64) float64 {
	if math.IsInf(c, 1) {
		return c
	}
	r := (c - 1) / (c + 1)
	if r += math.Sqrt((1 - r*r) / n); r >= 1 {
		return math.Inf(1)
	}
	return (1 + r) / (1 - r)
}

// levelP is [pettitt] with that caution: where p is 2 exp(-x/c), it is 2 exp(-x/c') with
// c' the cautious persistence about the two levels.
func levelP(values, ranks []float64) (split int, p float64) {
	split, p = pettitt(values, ranks)
	if split == 0 {
		return 0, 1
	}
	c := persistence(aboutLevels(ranks, split), 2)
	return split, min(1, 2*math.Pow(p/2, c/cautious(c, float64(len(ranks)))))
}
