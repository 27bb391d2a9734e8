package compare

import (
	"math"

	"arqload/analysis"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Confidence is that of each one-sided bound.
const Confidence = analysis.Confidence

// scale carries a metric's values to where runs vary around their mean as a normal
// distribution would, and differences back to what people read. A higher value is worse.
type scale struct {
	absolute bool
	to       func(Metric) float64
	// floor is the standard deviation of one run's value below which none is believed: of
	// counting, of rounding, of the run's own seconds.
	floor func(Metric) float64
	// back returns the change between two places on the scale.
	back func(from, to float64) float64
}

// resolution is the relative width of what a recorded duration is rounded to (HdrHistogram with
// three digits); the deviation of such a rounding is width/sqrt(12).
const resolution = 1.0 / 1024

// scaleOf chooses by the metric: logarithms of what is never 0, so that changes are ratios;
// arcsines of the root of shares and roots of counts, which hold their variance whatever their
// size and take a 0 (Anscombe, Biometrika 35 (1948) 246).
func scaleOf(all []Metric) scale {
	m := all[0]
	switch {
	case m.Unit == UnitShare:
		phi := 1.0
		for _, x := range all {
			phi = max(phi, x.Phi)
		}
		n := func(m Metric) float64 { return max(1, float64(m.N)/phi) }
		at := func(y float64) float64 {
			s := math.Sin(min(max(y, 0), math.Pi) / 2)
			return s * s
		}
		return scale{absolute: true,
			to:    func(m Metric) float64 { return 2 * math.Asin(math.Sqrt((bad(m)*n(m)+0.375)/(n(m)+0.75))) },
			floor: func(m Metric) float64 { return 1 / math.Sqrt(n(m)+0.5) },
			back:  func(from, to float64) float64 { return at(to) - at(from) },
		}
	case m.Unit != UnitPerS && anyZero(all):
		n := func(m Metric) float64 { return float64(m.N) }
		at := func(y float64) float64 { y = max(y, 0) / 2; return max(0, y*y-0.375) / n(m) }
		return scale{absolute: true,
			to:    func(m Metric) float64 { return 2 * math.Sqrt(m.Value*n(m)+0.375) },
			floor: func(Metric) float64 { return 1 },
			back:  func(from, to float64) float64 { return at(to) - at(from) },
		}
	}
	sign := 1.0
	if !m.Lower {
		sign = -1
	}
	// A throughput of 0 stands as half a response: that is what one run can tell of it.
	least := math.Inf(1)
	for _, x := range all {
		if x.N > 0 && x.Value > 0 {
			least = min(least, x.Value/float64(x.N)/2)
		}
	}
	return scale{
		to: func(m Metric) float64 { return sign * math.Log(max(m.Value, least)) },
		floor: func(m Metric) float64 {
			if m.Unit == UnitSeconds {
				return math.Hypot(m.SE, resolution/math.Sqrt(12))
			}
			count := float64(m.N)
			if m.Unit == UnitPerArrival {
				count *= m.Value
			}
			return 1 / math.Sqrt(max(1, count))
		},
		back: func(from, to float64) float64 { return math.Expm1(to - from) },
	}
}

// bad is the share that is better small.
func bad(m Metric) float64 {
	if m.Lower {
		return m.Value
	}
	return 1 - m.Value
}

func anyZero(all []Metric) bool {
	for _, m := range all {
		if m.Value <= 0 {
			return true
		}
	}
	return false
}

// place is a metric of all runs on its scale.
type place struct {
	set
	scale
	center   float64 // mean of the baseline's runs
	shift    float64 // of the new run from there
	variance float64 // between the baseline's runs; of pairs, of their differences
	within   float64 // mean square of what their own seconds, or the counting, say of each
	prior    float64 // variance that other metrics of the kind suggest
	df0      float64 // degrees of freedom that this is worth; 0: nothing
	paired   bool
}

func placed(s set) place {
	p := place{set: s, scale: scaleOf(append([]Metric{s.next}, s.runs...))}
	ys := make([]float64, len(s.runs))
	for i, r := range s.runs {
		ys[i] = p.to(r)
		f := p.floor(r)
		p.within += f * f / float64(len(s.runs))
	}
	p.center = stat.Mean(ys, nil)
	p.shift = p.to(s.next) - p.center
	if len(ys) > 1 {
		p.variance = stat.Variance(ys, nil)
	}
	return p
}

// excessLag is by how much the generator of the new run was later than in the baseline's runs,
// as a share of the metric's value.
func (p place) excessLag() float64 {
	if p.next.Unit != UnitSeconds || p.absolute {
		return 0
	}
	var lag float64
	for _, r := range p.runs {
		lag += r.LagS / float64(len(p.runs))
	}
	return max(0, p.next.LagS-lag) / p.next.Value
}

// predict holds one new run against m baseline runs by a prediction interval: with the runs'
// standard deviation s on the scale, the difference of one further run from their mean varies by
// s*sqrt(1 + 1/m), and over that it has a t distribution with m-1 degrees of freedom (Hahn and
// Meeker, Statistical Intervals, 2nd ed., sec. 4.7; Whitmore, The American Statistician 40 (1986)
// 141). Its own seconds are never taken for further runs: they only say that a run cannot be
// known better than they vary.
//
//   - Where other metrics of the kind say something of how much runs vary ([moderate]), s^2 is
//     the mean of both, weighted by degrees of freedom, which add up (Smyth, Statistical
//     Applications in Genetics and Molecular Biology 3 (2004), art. 3, sec. 3).
//   - s is at least the root mean square of what the runs' own seconds (or the counting) say: a
//     few runs that happen to agree do not make a metric exact.
//   - A new run whose own seconds vary more than the baseline's did, as when the machine was held
//     up for a part of it, is known less well by as much.
//   - So is one whose generator was later than in the baseline's runs: what held it up may have
//     held up the answers, or the system beside it. Its excess lag counts as one more standard
//     deviation; it is measured without the system, so a slower system does not hide behind it.
func (p place) predict(g Margins) Change {
	m := float64(len(p.runs))
	c := Change{Metric: p.next, Baseline: typical(p.runs, p.absolute), Absolute: p.absolute, Runs: len(p.runs), P: math.NaN(), Adjusted: math.NaN(), better: math.NaN(),
		Low: math.Inf(-1), High: math.Inf(1)}
	d := p.shift
	c.Change = p.back(p.center, p.center+d)
	if p.absolute {
		// As people would subtract; the scale's own is that of the bounds.
		c.Change = bad(p.next) - bad(Metric{Lower: p.next.Lower, Value: c.Baseline})
	}
	c.Margin = g.of(p.next, c.Baseline, p.absolute)
	if m < 2 {
		return c
	}
	c.df = m - 1 + p.df0
	between := max(p.within, ((m-1)*p.variance+p.df0*p.prior)/c.df)
	c.sd = math.Sqrt(between / m)
	if !p.paired {
		own, late := p.floor(p.next), p.excessLag()
		c.sd = math.Sqrt(between + max(0, own*own-p.within) + between/m + late*late)
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: c.df}
	half := t.Quantile(Confidence) * c.sd
	c.Low, c.High = p.back(p.center, p.center+d-half), p.back(p.center, p.center+d+half)
	c.P, c.better = t.CDF(-d/c.sd), t.CDF(d/c.sd)
	return c
}
