package analysis

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// Power is how often a run of a stated size proves, or disproves, what it is said to be
// able to: 9 times in 10.
const Power = 0.9

// Reach is what a number of arrivals can tell about a share of bad ones and its limit,
// whatever they will show: the smallest differences that a run of that size sees. Shares
// are fractions of arrivals. It takes arrivals to be independent of each other, or to
// come in clusters of the given dispersion, and a steady share.
type Reach struct {
	// Proves is the largest true share with which the limit is proved 9 times in 10; nil
	// where not even only good ones prove it.
	Proves *float64
	// Disproves is the smallest true share, above the limit, with which it is disproved 9
	// times in 10; nil where not even only bad ones disprove it.
	Disproves *float64
	// Sees is the smallest true share of which one bad arrival at least is seen at Confidence.
	Sees float64
}

// The judge takes the dispersion from the run itself, and arrivals that are independent
// seldom show 1 exactly: what is over it costs power, and more so for met, where few are bad. A
// reach is therefore that of a dispersion of so much at least. No theorem gives these, but
// TestTheJudgeKeepsWhatAPlanIsPromised: with them the judge decides 9 times in 10 or more.
const (
	doubtMet    = 2.0
	doubtMissed = 1.35
)

// ReachOf returns the reach of n arrivals at dispersion phi, which is 1 before a run, by
// one look at its end: that of n/phi independent ones ([exactReach]), phi at least doubtMet or
// doubtMissed. Where no bad one is seen there is no dispersion to estimate: what n good
// arrivals prove, a true share of which none is seen 9 times in 10, is proved in any case.
func ReachOf(n, phi, limit float64) Reach { return reachOf(once{}, n, phi, limit) }

func reachOf(at looks, n, phi, limit float64) Reach {
	if !(n > 0) || !(phi > 0) || !(limit > 0 && limit < 1) {
		return Reach{Sees: 1}
	}
	met, missed := exactReach(at, n/max(phi, doubtMet), limit), exactReach(at, n/max(phi, doubtMissed), limit)
	m := n / phi
	r := Reach{Proves: met.Proves, Disproves: missed.Disproves, Sees: exactReach(at, m, limit).Sees}
	if at.below(0, m, limit) {
		if none := -math.Expm1(math.Log(Power) / m); r.Proves == nil || *r.Proves < none {
			r.Proves = &none
		}
	}
	return r
}

// exactReach returns that of m independent arrivals whose dispersion is known. With c the
// most bad ones whose upper bound is below the limit, and d the fewest whose lower bound is not,
//
//	P(X <= c | m, proves)    = Power    proves    = BetaInv(1-Power; c+1, m-c)
//	P(X >= d | m, disproves) = Power    disproves = BetaInv(Power;   d,   m-d+1)
//	P(X >= 1 | m, sees)      = Confidence
//
// X binomial. The bounds are those of the judge; the tails are in the Beta form of Johnson,
// Kemp & Kotz, Univariate Discrete Distributions, 3.4.
func exactReach(at looks, m, limit float64) Reach {
	if !(m > 0) {
		return Reach{Sees: 1}
	}
	r := Reach{Sees: -math.Expm1(math.Log(1-Confidence) / m)}
	// Both bounds grow with the number of bad ones.
	if c := float64(sort.Search(int(m)+1, func(k int) bool { return !at.below(float64(k), m, limit) }) - 1); c >= 0 {
		r.Proves = ptr(distuv.Beta{Alpha: c + 1, Beta: m - c}.Quantile(1 - Power))
	}
	if d := float64(sort.Search(int(m)+1, func(k int) bool { return at.above(float64(k), m, limit) })); d <= m {
		r.Disproves = ptr(distuv.Beta{Alpha: d, Beta: m - d + 1}.Quantile(Power))
	}
	return r
}

// Words says it of what is counted, in the same form before a run and after it.
func (r Reach) Words(bad string) string {
	proves, do := "cannot prove it, whatever it sees", bad
	if r.Proves != nil {
		do = "do"
		proves = fmt.Sprintf("proves it (9 times in 10) if truly at most %s %s", Roughly(*r.Proves), bad)
	}
	if r.Disproves == nil {
		return proves + ", and cannot disprove it"
	}
	return proves + fmt.Sprintf(", and disproves it if at least %s %s", Roughly(*r.Disproves), do)
}

// Roughly prints a share with two significant digits: 0.027%.
func Roughly(share float64) string {
	two, err := strconv.ParseFloat(strconv.FormatFloat(share*100, 'g', 2, 64), 64)
	if err != nil {
		two = share * 100
	}
	return strconv.FormatFloat(two, 'f', -1, 64) + "%"
}

// Provable returns the least number of arrivals, all of them good, that proves a share
// below the limit: 1-0.05^(1/n) < limit. It is about 3/limit.
func Provable(limit float64) uint64 {
	n := math.Floor(math.Log(1-Confidence)/math.Log1p(-limit)) + 1
	return uint64(n)
}

// GateProves returns after how much judged time a gate that looks every second proves a share
// below the limit where nothing bad is seen, at so many arrivals a second: when its own
// bounds do, allowing for the smallest cluster, and not before it meets anything at all. ok is
// false where no time is enough.
func GateProves(limit, perS float64) (after time.Duration, ok bool) {
	n, ok := least(float64(Provable(limit)), func(n float64) bool { return always{}.below(0, n/gateCluster, limit) })
	if !ok || !(perS > 0) {
		return 0, false
	}
	return max(gateLeast, time.Duration(math.Ceil(n/perS))*time.Second), true
}

// needed returns how many arrivals would prove that the share of bad ones is below the
// limit if it stays as observed, at the given dispersion; ok is false where no number
// would, because the observed share is not below the limit.
func needed(at looks, k, n, phi, limit float64) (arrivals float64, ok bool) {
	p := 0.0
	if n > 0 {
		p = k / n
	}
	if p >= limit {
		return 0, false
	}
	return least(n, func(n float64) bool { return at.below(p*n/phi, n/phi, limit) })
}

// damning returns how many arrivals would prove that the share of bad ones is over the
// limit if it stays as observed; ok is false where it is not over it.
func damning(at looks, k, n, phi, limit float64) (arrivals float64, ok bool) {
	if !(n > 0) || k/n <= limit {
		return 0, false
	}
	p := k / n
	return least(n, func(n float64) bool { return at.above(p*n/phi, n/phi, limit) })
}

// least returns the smallest number that is enough, looked for from a guess on; ok is
// false where none is found up to 1e15. What is enough must stay so for every larger one.
func least(guess float64, enough func(n float64) bool) (n float64, ok bool) {
	low, high := 0.0, math.Max(guess, 1)
	for !enough(high) {
		low, high = high, high*2
		if high > 1e15 {
			return 0, false
		}
	}
	for high-low > 1 && high-low > 1e-6*high {
		if mid := (low + high) / 2; enough(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return math.Ceil(high), true
}

// reach notes what n arrivals can see, for the report.
func (r *Result) reach(at looks, n, phi, limit float64) Reach {
	x := reachOf(at, n, phi, limit)
	r.ProvableShare, r.DisprovableShare = x.Proves, x.Disproves
	return x
}

// missing says how much more would decide an unproven share of which at least low and at
// most high of n were bad, and what n can see at all. unit is what is counted.
func (s *Summary) missing(r *Result, unit string, low, high, n, phi, limit float64) {
	at := looksOf(s.Header)
	want, ok := needed(at, high, n, phi, limit)
	if ok && s.Judged > 0 {
		want = max(want, n+s.early()*n/s.Judged.Seconds())
	}
	would := "would prove it if the share stays"
	if !ok {
		r.Reason += "; a longer run would not prove it unless fewer are bad"
		want, ok = damning(at, low, n, phi, limit)
		would = "would disprove it if the share stays"
	}
	if ok && s.Judged > 0 && n > 0 {
		r.more(want-n, (want-n)/(n/s.Judged.Seconds()))
		r.Reason += fmt.Sprintf("; about %.0f s more at this rate (%.0f more %s) %s", r.MissingSeconds, float64(r.MissingSamples), unit, would)
	}
	size := fmt.Sprintf("%.0f %s", n, unit)
	if phi > 1 {
		size += fmt.Sprintf(" that share their fate as these did (phi %.2g)", phi)
	}
	r.Reason += fmt.Sprintf("; a run of %s %s", size, r.reach(at, n, phi, limit).Words("are bad"))
}

// more sets what is missing, rounded up.
func (r *Result) more(samples, seconds float64) {
	r.MissingSamples, r.MissingSeconds = uint64(math.Ceil(max(0, samples))), math.Ceil(max(0, seconds))
}

// margin is how far from its limit the average of n intervals must truly lie to be told
// from it 9 times in 10, where single intervals vary by sd about it:
//
//	(t(n-1; Confidence) + t(n-1; Power)) sd/sqrt(n) * doubtMean(n)
//
// the usual approximation of the noncentral t. Source: Cochran, Sampling Techniques, 3rd ed.,
// 4.8; Desu & Raghavarao, Sample Size Methodology, 2.2.
func margin(sd, n float64) float64 { return exactMargin(sd, n) * doubtMean(n) }

// doubtMean is what the judge's own estimate of how much neighbours resemble each other
// costs where they do not; like doubtMet no theorem, but what TestTheJudgeKeepsTheMarginOfAMean asks for.
func doubtMean(n float64) float64 { return 1.2 + 3/n }

func exactMargin(sd, n float64) float64 {
	if n < 2 {
		return math.Inf(1)
	}
	power := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(Power)
	return (studentT(n-1) + power) * sd / math.Sqrt(n)
}

// Margin is [margin] in units of the standard deviation between intervals.
func Margin(n float64) float64 { return margin(1, n) }

// intervalsFor returns the smallest number of intervals whose average lies surely within gap of
// the truth, n = (t(n-1) sd/gap)^2 by iteration from the normal quantile; ok is false where no number up to 1e15 does.
func intervalsFor(sd, gap float64) (n float64, ok bool) {
	n = math.Pow(normal*sd/gap, 2)
	for range 20 {
		if !(n < 1e15) { // also where gap is 0
			return 0, false
		}
		before := n
		if n = math.Pow(studentT(max(2, math.Ceil(n))-1)*sd/gap, 2); math.Abs(n-before) < 0.01*before {
			break
		}
	}
	return max(2, math.Ceil(n)), true
}

// missingAverage says how much longer an average over n intervals would have to be taken
// to decide an objective, from its mean and half, the way from there to a one-sided bound,
// and how far from the limit it can see at all. The spread, neighbours' resemblance in it,
// is taken as observed:
//
//	sd = half sqrt(n) / t(n-1),  enough: t(n'-1) sd/sqrt(n') < |mean-limit|
//
// counted is what the intervals hold in words, given seconds of it; nil: nothing to say.
func (s *Summary) missingAverage(r *Result, mean, half, n float64, format func(float64) string, counted func(seconds float64) string) {
	if n < 2 || !(half >= 0) {
		return
	}
	o := r.Objective
	sd := half * math.Sqrt(n) / studentT(n-1)
	gap := math.Abs(mean - o.Limit)
	every := s.Judged.Seconds() / n
	satisfied, _ := within(o, mean, mean)
	want, ok := intervalsFor(sd, gap)
	switch {
	case !ok:
		r.Reason += "; it is at its limit: no longer run decides it unless it changes"
	case want > n:
		r.more(want-n, (want-n)*every)
		would := "prove it"
		if !satisfied {
			would = "disprove it"
		}
		what := ""
		if counted != nil {
			what = " (" + counted(r.MissingSeconds) + ")"
		}
		r.Reason += fmt.Sprintf("; about %.0f s more%s would %s if it and its spread stay", r.MissingSeconds, what, would)
	}
	r.Reason += fmt.Sprintf("; %.0f intervals with this spread tell it from its limit (9 times in 10) if it is truly %s or more away", n, format(margin(sd, n)))
}
