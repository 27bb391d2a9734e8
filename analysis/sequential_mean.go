package analysis

import "math"

// precision is c^2 of [always.standardErrors]: the distance that is looked for, in standard deviations of one value,
// is normal about 0 with variance 1/c^2.
const precision = 1.0

// standardErrors inverts the evidence that mu is not the mean of x_1..x_n, which are normal
// with unknown variance,
//
//	G = sqrt(c^2/(n+c^2)) (1 - S^2/((n+c^2)V))^(-n/2),  S = sum(x_i-mu), V = sum (x_i-mu)^2
//
// With m and s their mean and standard deviation (n-1) and t = sqrt(n)(m-mu)/s it is S^2/V = n t^2/(n-1+t^2);
// with h = n-1 degrees of freedom, A = (alpha^2 c^2/(n+c^2))^(1/(h+1)) and D = (1-A)(n+c^2),
//
//	G < 1/alpha  where  t^2 < h D/(n-D);  everywhere where n <= D
//
// alpha is twice 1-Confidence: G rejects on either side, on each as often by symmetry, and a run
// ends with the first. Where h is less than n-1, because the error is that of fewer batches,
// it takes the place of n-1 in t's distribution; that the bound then still holds at every
// look is not a theorem but simulated (TestCalibration).
// Sources: Lai, Annals of Statistics 4 (1976), 265-280; Wang & Ramdas, Anytime-valid t-tests and
// confidence sequences for Gaussian means with unknown variance (2024).
func (always) standardErrors(n, degrees float64) float64 {
	if degrees <= 0 {
		return math.Inf(1)
	}
	const alpha = 2 * (1 - Confidence)
	a := math.Pow(alpha*alpha*precision/(n+precision), 1/(degrees+1))
	d := (1 - a) * (n + precision)
	if d >= n {
		return math.Inf(1)
	}
	return math.Sqrt(degrees * d / (n - d))
}
