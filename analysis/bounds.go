package analysis

import (
	"math"
	"math/bits"
	"time"

	"arqload/analysis/observation"
)

// moments is what pg_stat_statements tells of the calls of one statement between two
// readings: exact facts about a finite set, in seconds.
type moments struct {
	n         int64
	mean      float64
	variance  float64 // population variance: the squared deviations divided by n
	slack     float64 // what rounding may have moved the variance by, up or down
	blur      float64 // what rounding may have moved the mean by
	low, high float64 // every call lies within
	reached   bool    // one call took exactly high
}

// between computes the moments of the calls from reading a to reading b of a statement; a
// is nil where the statement was not there. ok is false where the two cannot be of one
// life: the statement was reset, or evicted and called again.
//
// PostgreSQL keeps count, total and the sum of squared deviations M2 by Welford's method
// and reports stddev = sqrt(M2/calls) (pgss.c: "not the sample variance"). The parallel form
// of Chan, Golub and LeVeque (1979), solved for the part that came in between, gives
//
//	n  = calls_b - calls_a
//	m  = (total_b - total_a)/n
//	M2 = stddev_b²·calls_b - stddev_a²·calls_a - (m - mean_a)²·calls_a·n/calls_b
//
// exactly, but for rounding: a slack of 64·2.2e-16·M2_b covers that of the deviations, and
// blur that of the mean. max is of the whole life: the interval's own is at most max_b, and
// exactly that where max rose. min likewise.
func between(a *observation.Statement, b observation.Statement) (c moments, ok bool) {
	if a == nil {
		a = &observation.Statement{Max: -1}
	} else if !a.Since.Equal(b.Since) {
		return whole(b), false
	} else if !a.MinMaxSince.Equal(b.MinMaxSince) {
		return atLeastSince(a, b), false
	}
	if b.Calls < a.Calls || b.Total < a.Total || b.Rows < a.Rows || b.Max < a.Max {
		return whole(b), false
	}
	n := b.Calls - a.Calls
	if n == 0 {
		return moments{}, b.Total == a.Total
	}
	ca, cb, cn := float64(a.Calls), float64(b.Calls), float64(n)
	m := (b.Total - a.Total) / cn
	d := m - a.Mean
	all := b.Stddev * b.Stddev * cb
	m2 := all - a.Stddev*a.Stddev*ca - d*d*ca*cn/cb
	blur := 0x1p-51 * b.Total // each of n additions to the total rounds by half a unit in its last place
	slack := 64*0x1p-52*all + 4*(math.Abs(d)+blur)*blur*ca*cn/cb
	// What rounding cannot explain shows that the readings are of two lives.
	if m2 < -slack-1e-9*all || m < b.Min-blur-1e-12 || m > b.Max+blur+1e-12 {
		return atLeastSince(a, b), false
	}
	m = min(max(m, b.Min), b.Max)
	return moments{
		n: n, mean: m, blur: blur, slack: slack / cn,
		variance: min(max(0, m2)/cn, (m-b.Min)*(b.Max-m)), // no set in [min, max] with this mean has more
		low:      b.Min, high: b.Max,
		reached: b.Max > a.Max,
	}, true
}

// atLeastSince takes as many calls as are certainly of the interval, whatever happened to
// the row in it: a counter that went on counts the difference, one that began anew more.
func atLeastSince(a *observation.Statement, b observation.Statement) moments {
	c := whole(b)
	if b.Calls >= a.Calls {
		c.n = b.Calls - a.Calls
	}
	return c
}

// whole takes a row's whole life.
func whole(b observation.Statement) moments {
	return moments{n: b.Calls, mean: b.Mean, variance: b.Stddev * b.Stddev, low: b.Min, high: b.Max, reached: true}
}

// tail is an upper bound on the share of the calls that take t or longer.
//
// With lo = low, b = high-lo, mu = mean-lo, q = variance+mu², s = t-lo it is the least of
//
//	1
//	v/(v+(t-mean)²)         for t > mean (Cantelli)
//	((b+s)·mu - q)/(b·s)    the mean of the parabola x(b+s-x)/(b·s), which is >= 1 on
//	                        [s, b] and >= 0 on [0, b]
//
// and sharp: some set with this count, mean, variance and range reaches it (De Schepper and
// Heijnen 1995; Bertsimas and Popescu 2005). A larger variance widens the second term and
// narrows the third, so slack is added in the one and taken away in the other.
func tail(mean, variance, slack, low, high, t float64) float64 {
	b, mu, s := high-low, mean-low, t-low
	if t > high {
		return 0
	}
	if s <= 0 || b <= 0 {
		return 1
	}
	u := 1.0
	if t > mean {
		d := t - mean
		v := variance + slack
		u = v / (v + d*d)
	}
	q := max(0, variance-slack) + mu*mu
	return max(0, min(u, ((b+s)*mu-q)/(b*s)))
}

// What a share of n may be off by through rounding, relative and absolute, before it is
// made a whole number of calls. Both make the bounds wider.
const (
	relative = 1e-9
	absolute = 1e-6
)

// atMost is how many calls can have taken t or longer.
func (c moments) atMost(t float64) int64 {
	if t > c.high {
		return 0
	}
	u := tail(c.mean, c.variance, c.slack, c.low, c.high, t-c.blur)
	return min(c.n, int64(float64(c.n)*u*(1+relative)+absolute))
}

// atLeast is how many calls must have taken t or longer: the bound from above, mirrored,
// on the share that took less.
func (c moments) atLeast(t float64) int64 {
	if t <= c.low {
		return c.n
	}
	u := tail(c.high-c.mean, c.variance, c.slack, 0, c.high-c.low, c.high-t-c.blur)
	n := int64(math.Ceil(float64(c.n)*(1-u*(1+relative)) - absolute))
	if c.reached && c.high >= t {
		n = max(n, 1)
	}
	return max(0, n)
}

// slowAtMost and slowAtLeast sum the bounds over statements and sub-intervals.
func slowAtMost(all []moments, t float64) (n int64) {
	for _, c := range all {
		n += c.atMost(t)
	}
	return n
}

func slowAtLeast(all []moments, t float64) (n int64) {
	for _, c := range all {
		n += c.atLeast(t)
	}
	return n
}

// allowed is how many of n calls may be slow when the q-quantile, by the rank ceil(q·n), is
// still fast: floor((1-q)·n). q is taken to nine decimals, so that 1-0.9 is a tenth.
func allowed(q float64, n int64) int64 {
	high, low := bits.Mul64(uint64(math.Round((1-q)*1e9)), uint64(n))
	quotient, _ := bits.Div64(high, low, 1e9) // no overflow: 1-q is at most 1
	return int64(quotient)
}

// upperQuantile is the smallest time, in nanoseconds, for which fewer calls than the
// quantile allows can have taken that long or longer: the quantile is proved to be below
// it. The number of slow calls falls with the time, so bisection finds it. unseen calls
// count as slow whatever the time. ok is false where there is none.
func upperQuantile(all []moments, permitted, unseen int64) (upper time.Duration, ok bool) {
	enough := func(t time.Duration) bool { return slowAtMost(all, t.Seconds())+unseen <= permitted }
	high := time.Duration(0)
	for _, c := range all {
		high = max(high, time.Duration(math.Ceil(c.high*1e9))+1)
	}
	if !enough(high) {
		return 0, false
	}
	for low := time.Duration(0); high-low > 1; {
		if mid := low + (high-low)/2; enough(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high, true
}
