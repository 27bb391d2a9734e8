package analysis

import (
	"math"
	"math/bits"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// autocorrelation returns r(0..most) of the values about the line's mean,
//
//	r(j) = (S_j/m_j) / (S_0/m_0),  S_j = sum_i (v_i-mean)(v_{i+j}-mean)
//
// over the m_j pairs of seconds, j apart, that both have a value; 0 where there is no pair.
// m is returned beside it. Both sums are taken by Fourier transform (Wiener-Khinchin).
func autocorrelation(v line, most int) (r, m []float64) {
	mean := stat.Mean(v.known(), nil)
	deviations, there := make([]float64, len(v)), make([]float64, len(v))
	for i, x := range v {
		if !math.IsNaN(x) {
			deviations[i], there[i] = x-mean, 1
		}
	}
	s, m := products(deviations, most), products(there, most)
	r = make([]float64, len(s))
	for j := range s {
		m[j] = math.Round(m[j])
		if m[j] > 0 && s[0] > 0 {
			r[j] = s[j] / m[j] * m[0] / s[0]
		}
	}
	return r, m
}

// products returns sum_i v_i v_{i+j} for j from 0 to most.
func products(v []float64, most int) []float64 {
	// The zeros keep the end from meeting the begin; a power of two is the fastest length.
	padded := make([]float64, 1<<bits.Len(uint(len(v)+most)))
	copy(padded, v)
	fft := fourier.NewFFT(len(padded))
	c := fft.Coefficients(nil, padded)
	for i, x := range c {
		c[i] = complex(real(x)*real(x)+imag(x)*imag(x), 0)
	}
	out := fft.Sequence(nil, c)[:most+1]
	for j := range out {
		out[j] /= float64(len(padded))
	}
	return out
}

// thinning returns N*/N, by which the number of seconds common to two ranked lines shrinks
// because the neighbours in each resemble each other:
//
//	1/N* = 1/N + 2/N^2 sum_{j=1..L} m_j r_x(j) r_y(j),  N* <= N
//
// with N the common seconds, m_j how many pairs of them are j seconds apart (N-j where none
// is missing), r_x and r_y the autocorrelations of the ranks, and L a fifth of the time.
// Source: Bartlett, JRSS 98 (1935), with the estimator and the L of Pyper & Peterman, Canadian Journal
// of Fisheries and Aquatic Sciences 55 (1998), 2127-2140.
//
// memory is r_y; see [ranked.memory].
func thinning(x, y ranked, memory []float64) float64 {
	both := empty(len(x.line))
	for i := range both {
		if !math.IsNaN(x.line[i]) && !math.IsNaN(y.line[i]) {
			both[i] = 1
		}
	}
	_, m := autocorrelation(both, len(memory)-1)
	sum := 1.0
	for j, r := range x.memory() {
		if j > 0 {
			sum += 2 * m[j] / m[0] * r * memory[j]
		}
	}
	return 1 / max(1, sum)
}

// memory is the autocorrelation of the ranks over a fifth of the time.
func (r ranked) memory() []float64 {
	a, _ := autocorrelation(r.all(), len(r.line)/5)
	return a
}

// correlationP is the two-sided p of a correlation of n* effective pairs: t with n*-2
// degrees of freedom, t = rho sqrt((n*-2)/(1-rho^2)); 1 where n* is not above 2. It is
// never below 2/n*!, the chance of n* pairs in perfect order: two series that each only
// change their level once have a correlation of 1 and are hardly more than two pairs.
// Source: Pyper & Peterman (1998); Kendall, Rank Correlation Methods, ch. 4 and 5.
func correlationP(rho, n float64) float64 {
	if n <= 2 || math.IsNaN(rho) {
		return 1
	}
	return max(twoSided(rho*math.Sqrt((n-2)/max(0, 1-rho*rho)), n-2), 2/math.Gamma(n+1))
}

func twoSided(t, degrees float64) float64 {
	if degrees <= 0 || math.IsNaN(t) {
		return 1
	}
	return min(1, 2*distuv.StudentsT{Sigma: 1, Nu: degrees}.Survival(math.Abs(t)))
}

// persistence returns by how much the variance of a mean grows because neighbours resemble
// each other, (1+r)/(1-r), where residuals are what the fit of some levels (or other
// parameters) has left of n values. The lag-1 autocorrelation of residuals is too small by
// about (1+3r)/n for each parameter, which is added:
//
//	r = r_1 + levels (1+3 r_1)/n,  0 <= r
//
// Sources: Tang & MacNeill, Annals of Statistics 21 (1993), 552-575 (the same factor for tests of a change
// point); Marriott & Pope and Kendall, Biometrika 41 (1954), 390-404 (the bias);
// Serinaldi & Kilsby, Stochastic Environmental Research and Risk Assessment 30 (2016), 763-777 (level
// and r must be estimated together, and r's bias removed, or every slow wave is a change).
func persistence(residuals []float64, levels float64) float64 {
	var lag, ss float64
	for i, e := range residuals {
		ss += e * e
		if i > 0 {
			lag += e * residuals[i-1]
		}
	}
	r, n := 0.0, float64(len(residuals))
	if ss > 0 {
		r = lag / ss
	}
	r = max(0, r+levels*(1+3*r)/n)
	if r >= 1 {
		return math.Inf(1)
	}
	return (1 + r) / (1 - r)
}

// pettitt looks for one change of level in consecutive values v, given with their ranks R:
//
//	U_k = 2 sum_{i<=k} R_i - k(n+1),  K = max_k |U_k|,  p = 2 exp(-6 K^2 / (c (n^3+n^2)))
//
// with n the number of values and c their ranks' persistence about the two levels (1:
// independent). Source: Pettitt, Applied Statistics 28 (1979), 126-135; good for p up to 0.5.
//
// K's own place leans to the middle of the time. split, the index of the first value after
// the change, is instead where two levels of log v leave the least squares, which is where
// (sum_{i<=k} (log v_i - mean))^2 / (k(n-k)) is largest, among the k with |U_k| >= K/2: one
// wild second at an end has no such U. Source: Hinkley, Biometrika 57 (1970), 1-17.
func pettitt(v, ranks []float64) (split int, p float64) {
	n := float64(len(ranks))
	u := make([]float64, len(ranks)) // of split k, in place k; 0 before the first and after the last
	var sum, most float64
	place := 0
	for i, r := range ranks[:max(0, len(ranks)-1)] {
		sum += r
		u[i+1] = math.Abs(2*sum - float64(i+1)*(n+1))
		if u[i+1] > most {
			place, most = i+1, u[i+1]
		}
	}
	if place == 0 {
		return 0, 1
	}
	c := persistence(aboutLevels(ranks, place), 2)
	p = min(1, 2*math.Exp(-6*most*most/(c*(n*n*n+n*n))))

	logs := make([]float64, len(v))
	for i, x := range v {
		logs[i] = math.Log(max(x, 1e-6)) // a microsecond is the least that is measured
	}
	mean := stat.Mean(logs, nil)
	var off, best float64
	split = place
	for k := 1; k < len(logs); k++ {
		off += logs[k-1] - mean
		if gain := off * off / (float64(k) * (n - float64(k))); u[k] >= most/2 && gain > best {
			split, best = k, gain
		}
	}
	return split, p
}

// aboutLevels returns the values less the mean of their side of the split.
func aboutLevels(v []float64, split int) []float64 {
	out := make([]float64, 0, len(v))
	for _, side := range [][]float64{v[:split], v[split:]} {
		mean := stat.Mean(side, nil)
		for _, x := range side {
			out = append(out, x-mean)
		}
	}
	return out
}

// levelChange compares the values before a split with those after it. delta is Cliff's: the
// share of pairs in which the later value is larger, less the share in which it is smaller;
// with n1 values before, n2 after, n in all, and ties the sum of t^3-t over equal ones,
//
//	delta = 2 U/(n1 n2) - 1,  U = sum of the later ranks - n2(n2+1)/2
//	z     = delta n1 n2/2 / sqrt(c n1 n2/12 ((n+1) - ties/(n(n-1))))
//
// with c the ranks' persistence about the two levels; z is referred to t with n/c-2 degrees
// of freedom. p is the larger of that (Mann-Whitney's, which no outlier can make small) and
// of [stepP], so that the change stands out both from noise that remembers and from a steady
// trend: much that is sampled only grows. Sources: Cliff, Psychological Bulletin 114 (1993),
// 494-509; Mann & Whitney, Annals of Mathematical Statistics 18 (1947), ties as in Lehmann,
// Nonparametrics, 1.4; Berger, Technometrics 24 (1982), for taking the larger.
func levelChange(v, ranks []float64, split int, ties float64) (delta, p float64) {
	n1, n2 := float64(split), float64(len(ranks)-split)
	n := n1 + n2
	var later float64
	for _, r := range ranks[split:] {
		later += r
	}
	delta = 2*(later-n2*(n2+1)/2)/(n1*n2) - 1
	c := persistence(aboutLevels(ranks, split), 2)
	z := delta * n1 * n2 / 2 / math.Sqrt(c*n1*n2/12*((n+1)-ties/(n*(n-1))))
	return delta, max(twoSided(z, n/c-2), stepP(v, split))
}

// stepP is the two-sided p of b in the regression v_i = a + g i + b [i >= split] + e_i, with
// the variance of b multiplied by c, the residuals' persistence, and n/c-3 degrees of
// freedom. It takes values and not ranks, since ranks bend a straight trend; they are cut at
// three interquartile ranges beyond the quartiles (Tukey, Exploratory Data Analysis, 2D).
func stepP(v []float64, split int) float64 {
	q1, q3 := quantile(0.25, v), quantile(0.75, v)
	n := float64(len(v))
	times, steps, cut := make([]float64, len(v)), make([]float64, len(v)), make([]float64, len(v))
	for i, x := range v {
		times[i], cut[i] = float64(i), x
		if q3 > q1 {
			cut[i] = min(max(x, q1-3*(q3-q1)), q3+3*(q3-q1))
		}
		if i >= split {
			steps[i] = 1
		}
	}
	// b is the slope of what a straight line leaves of the values over what it leaves of the step.
	y, d := detrended(times, cut), detrended(times, steps)
	var dd, dy, ee float64
	for i := range d {
		dd += d[i] * d[i]
		dy += d[i] * y[i]
	}
	b := dy / dd
	for i := range y {
		y[i] -= b * d[i]
		ee += y[i] * y[i]
	}
	c := persistence(y, 3)
	return twoSided(b/math.Sqrt(c*ee/(n-3)/dd), n/c-3)
}

func detrended(times, v []float64) []float64 {
	a, b := stat.LinearRegression(times, v, nil, false)
	out := make([]float64, len(v))
	for i := range v {
		out[i] = v[i] - a - b*times[i]
	}
	return out
}
