package analysis

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// evidenceBelow is the logarithm of the evidence that the share of bad ones is below p
// where k of n were bad: the mean likelihood of the shares q below p by that of p, with the
// density 1/(2 sqrt(q p)), which favours the small ones,
//
//	E = int_0^p q^(k-1/2) (1-q)^(n-k) dq / (2 sqrt(p) p^k (1-p)^(n-k))
//	  = B(k+1/2, n-k+1) I_p(k+1/2, n-k+1) / (2 p^(k+1/2) (1-p)^(n-k))
//
// With q = pu it is int_0^1 u^(k-1/2)/2 ((1-pu)/(1-p))^(n-k) du, which grows with p: the shares that are
// not rejected form an interval. Nothing bad proves p after n*p of about 3.8.
//
// It stays evidence where k and n are divided by phi >= 1 and bad ones come in independent
// clusters, in number as Poisson has it, of any sizes up to phi: with a < 0, (e^(am/phi)-1)/m
// is largest at m = phi, so that no mixture of smaller clusters has a larger mean than clusters
// of phi, for which the counts of clusters are those of single bad ones.
//
// Sources: Robbins, Annals of Mathematical Statistics 41 (1970), 1397-1409 (mixtures); Howard, Ramdas, McAuliffe &
// Sekhon, Annals of Statistics 49 (2021), 1055-1080, and Waudby-Smith & Ramdas, JRSS B 86 (2024),
// 1-27 (confidence sequences as their inversion).
func evidenceBelow(k, n, p float64) float64 {
	if p <= 0 {
		return 0
	}
	a, b := k+0.5, n-k+1
	return mathext.Lbeta(a, b) + logIncBeta(a, b, p) - math.Ln2 - a*math.Log(p) - (n-k)*math.Log1p(-p)
}

// evidenceAbove is the same for a share above p, with the density 1/(q log(1/p)), which gives
// every doubling of the share the same weight,
//
//	E = int_p^1 q^(k-1) (1-q)^(n-k) dq / (log(1/p) p^k (1-p)^(n-k))
//	  = B(k, n-k+1) I_(1-p)(n-k+1, k) / (log(1/p) p^k (1-p)^(n-k))
//
// With q = p^v it is int_0^1 p^(-k(1-v)) ((1-p^v)/(1-p))^(n-k) dv, which falls with p. With nothing
// bad there is no such evidence. Clusters up to phi leave it evidence, as above, with a > 0.
func evidenceAbove(k, n, p float64) float64 {
	if k <= 0 || p >= 1 {
		return math.Inf(-1)
	}
	b := n - k + 1
	return mathext.Lbeta(k, b) + logIncBeta(b, k, 1-p) - math.Log(-math.Log(p)) - k*math.Log(p) - (n-k)*math.Log1p(-p)
}

// logIncBeta is log I_x(a, b). From some 10^8 arrivals on the library's continued fraction does not come to its
// end near the mean and returns anything, less than 0 too: there is no evidence then.
func logIncBeta(a, b, x float64) float64 {
	if i := mathext.RegIncBeta(a, b, x); i > 0 {
		return math.Log(i)
	}
	return math.Inf(-1)
}

func (always) below(k, n, limit float64) bool {
	switch {
	case !isCount(k, n) || k == n || limit <= 0:
		return false
	case limit >= 1:
		return true
	}
	return limit*n > k && evidenceBelow(k, n, limit) > enough
}

func (always) above(k, n, limit float64) bool {
	switch {
	case !isCount(k, n) || k == 0 || limit >= 1:
		return false
	case limit <= 0:
		return true
	}
	return limit*n < k && evidenceAbove(k, n, limit) >= enough
}

func (always) share(k, n float64) (low, high float64) {
	if !isCount(k, n) {
		return 0, 1
	}
	low, high = 0, 1
	if k > 0 { // x = log p
		at := math.Log(k / n)
		below, _ := root(func(x float64) float64 { return evidenceAbove(k, n, math.Exp(x)) - enough }, at-80/k-40, at)
		low = math.Exp(below)
	}
	if k < n { // x = -log(1-p)
		at := -math.Log1p(-k / n)
		_, above := root(func(x float64) float64 { return enough - evidenceBelow(k, n, -math.Expm1(-x)) }, at, at+80/(n-k)+40)
		high = -math.Expm1(-above)
	}
	return low, high
}

// root narrows [low, high], between whose ends a falling f changes its sign, to a
// hundred-millionth of itself and of f's scale: by false position with Illinois' halving (Dowell & Jarratt, BIT
// 11, 1971), and by halves where that is slow. Where f does not change its sign it is the
// end that is nearest to it.
func root(f func(float64) float64, low, high float64) (below, above float64) {
	width := high - low
	atLow, atHigh := f(low), f(high)
	if !(atLow > 0) {
		return low, low
	}
	if !(atHigh < 0) {
		return high, high
	}
	kept := 0
	for i := 0; i < 200 && high-low > 1e-9*min(width, math.Abs(low)+math.Abs(high)); i++ {
		x := (low*atHigh - high*atLow) / (atHigh - atLow)
		if i%3 == 2 || !(x > low && x < high) {
			x, kept = (low+high)/2, 0
		}
		switch y := f(x); {
		case y > 0:
			low, atLow = x, y
			if kept > 0 {
				atHigh /= 2
			}
			kept = 1
		default:
			high, atHigh = x, y
			if kept < 0 {
				atLow /= 2
			}
			kept = -1
		}
	}
	return low, high
}
