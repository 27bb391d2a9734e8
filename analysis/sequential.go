package analysis

import (
	"fmt"
	"math"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"

	"gonum.org/v1/gonum/stat/distuv"
)

// looks says at which moments bounds must hold, and so how they are made. Each bound is
// one-sided, at Confidence.
type looks interface {
	// share bounds the share of bad ones where k of n were bad; both may be any reals with
	// 0 <= k <= n. Otherwise nothing is known: 0 and 1.
	share(k, n float64) (low, high float64)
	// below and above report whether the share is proved to be below, or above, a limit.
	below(k, n, limit float64) bool
	above(k, n, limit float64) bool
	// standardErrors is how many estimated standard errors from the mean of n values its
	// bound lies, where the error is known with so many degrees of freedom.
	standardErrors(n, degrees float64) float64
	// least is how many consecutive values must be known before anything is said of their mean.
	least() int
}

// looksOf returns how a run was looked at.
func looksOf(h observation.Header) looks {
	if h.Gate {
		return always{}
	}
	return once{}
}

// once is a look at the end of a run whose length was fixed before it began: the bounds of
// Clopper & Pearson, see [Bounds], and of Student.
type once struct{}

func (once) share(k, n float64) (low, high float64) { return Bounds(k, n, Confidence) }

func (once) below(k, n, limit float64) bool {
	return isCount(k, n) && k < n && limit > 0 && (limit >= 1 || distuv.Beta{Alpha: k + 1, Beta: n - k}.CDF(limit) > Confidence)
}

func (once) above(k, n, limit float64) bool {
	return isCount(k, n) && k > 0 && limit < 1 && (limit <= 0 || distuv.Beta{Alpha: k, Beta: n - k + 1}.CDF(limit) <= 1-Confidence)
}

func (once) standardErrors(n, degrees float64) float64 {
	if degrees <= 0 {
		return math.Inf(1)
	}
	return studentT(degrees)
}

func (once) least() int { return 2 }

func isCount(k, n float64) bool { return n > 0 && k >= 0 && k <= n }

// always is a look every second, with the run ending as soon as it shows something. Its
// bounds hold at all looks together: the chance that any of them is ever wrong is at most
// 1 - Confidence.
type always struct{}

// enough is log(1/(1-Confidence)): the logarithm of the evidence that rejects a value. The
// evidence is a martingale from 1 where the value is true, and so ever that large with a
// chance of at most 1-Confidence. Source: Ville, Étude critique de la notion de collectif (1939).
var enough = -math.Log(1 - Confidence)

// gateLeast is the least judged time after which a gate may meet anything: less says nothing about
// what comes once in several seconds, and no release waits for it.
const gateLeast = 20 * time.Second

// least: how the values hang together cannot be told from fewer.
func (always) least() int { return minBatches }

// gateCluster is the smallest cluster that a proof under a gate must allow for: with the first
// few bad ones still to come, nothing seen says that they come one by one.
const gateCluster = 3

// atEveryLook takes back what a gate would meet too early, and says what its bounds are.
func (s *Summary) atEveryLook(r *Result) {
	switch {
	case !s.Header.Gate:
	case r.Outcome == Missed && s.StoppedBy == observation.ByGate && s.Header.Uneven && averages(r.Objective):
		r.Outcome, r.Cluster, r.Episode = Unproven, 0, 0
		r.Reason += "; it is an average over a load that changes, of which a part was still to come"
	case r.Outcome == Met && s.Judged < gateLeast:
		r.Outcome, r.Cluster, r.Episode, r.MissingSeconds = Unproven, 0, 0, math.Ceil(s.early())
		r.Reason += fmt.Sprintf("; a gate meets nothing before %s of judged time", duration(gateLeast))
	case r.Episode > 0:
		r.Reason += "; the bounds hold at every look"
	case r.Outcome == Unproven && r.MissingSeconds > 0:
		r.MissingSeconds = max(r.MissingSeconds, math.Ceil(s.early()))
	}
}

// averages says whether an objective is about an average that the load itself sets.
func averages(o scenarios.Objective) bool {
	d, ok := scenarios.Define(o.Name)
	return o.Metric == scenarios.MetricThroughput || o.Metric == scenarios.MetricSampled && ok && d.Rule == scenarios.RuleMean
}

// early is for how many seconds more a gate meets nothing.
func (s *Summary) early() float64 {
	if !s.Header.Gate {
		return 0
	}
	return max(0, (gateLeast - s.Judged).Seconds())
}

// scope states for which clusters and episodes a proof about a share holds.
func (s *Summary) scope(r *Result, proved func(phi float64) bool, most float64) string {
	r.Cluster, r.Episode = max(1, largestCluster(proved, most)), s.episode()
	return fmt.Sprintf("; holds if failures come in clusters of at most %d and in episodes of at most %s", r.Cluster, duration(r.Episode))
}

// divisors are by what k and n are divided for either verdict.
type divisors struct{ met, missed float64 }

// divisors are phi by [dispersion] for missed. For met it is what would have been seen at the limit,
//
//	phi_met = 1 + (phi - 1) q^2,  q = limit/p, at least 1 and at most 2
//
// Once, because a share that swings does so in proportion, so that what is over 1 grows with it: the
// variance at the hypothesis, as in the score test (Rao, Proceedings of the Cambridge Philosophical Society
// 44, 1948), in the negative binomial's form (McCullagh & Nelder, 6.2). Once more, because a
// run that is quiet by chance has seen fewer of the high levels than there are. The second factor, and the 2
// (a run quieter than that by chance is rare, and a good system should not be doubted for being good),
// are no theorem but what TestCalibration asks for.
//
// Under a gate it is no less than gateCluster. Before phi can be estimated a gate meets
// nothing (infinite), and misses as if all bad ones of a second were one cluster: sum k_t^2 / sum
// k_t, the mean over bad ones of how many their second has.
func (s *Summary) divisors(seconds []share, limit float64) (d divisors, batches int, known bool) {
	phi, batches, known := dispersion(seconds)
	var total share
	var squares float64
	for _, s := range seconds {
		total.bad += s.bad
		total.all += s.all
		squares += s.bad * s.bad
	}
	d = divisors{phi, phi}
	if phi > 1 {
		quiet := quieter(limit, total.bad/total.all)
		d.met = 1 + (phi-1)*quiet*quiet
	}
	switch {
	case !s.Header.Gate:
	case batches < minBatches:
		d = divisors{met: math.Inf(1), missed: 1}
		if total.bad > 0 {
			d.missed = max(1, squares/total.bad)
		}
	default:
		d.met = max(d.met, gateCluster)
	}
	return d, batches, known
}

// quieter is how many times the share seen is in the limit, at least 1 and at most 2: see
// [Summary.divisors].
func quieter(limit, seen float64) float64 {
	if seen <= 0 {
		return 2
	}
	return min(max(1, limit/seen), 2)
}

// largestCluster is the largest phi >= 1, rounded down, with which something is still proved:
// the proof holds whatever the dispersion seen, if bad ones come in independent clusters of
// at most so many, of whatever sizes (see [evidenceBelow]). 0 where nothing is proved with 1.
func largestCluster(proved func(phi float64) bool, most float64) uint64 {
	if !proved(1) {
		return 0
	}
	low, high := 1.0, max(2, most)
	for high-low > 1e-3*low {
		if mid := math.Sqrt(low * high); proved(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return uint64(low * 1.001)
}
