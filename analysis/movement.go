package analysis

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"arqload/analysis/observation"
)

const (
	// minSeconds is how many judged seconds a series and the latency must have in common.
	minSeconds = 20
	// mostLag is how many seconds apart a series and the latency are compared at most.
	mostLag = 5
	// chance is the p up to which something is listed.
	chance = 0.05
)

// Movement is what moved when the latency did: the p95 of the response times of each judged
// second, beside every series. Nothing in it says what caused what.
type Movement struct {
	// Reason says why nothing could be compared; empty where it could.
	Reason  string
	Seconds int // whole judged seconds with successes: only these have a p95
	P95     Spread
	// Change is where p95's level most likely changed; nil where it did not vary.
	Change *LevelChange
	// Looked is how many series were compared, each at up to Lags distances in time; Constant and Sparse count
	// those left out because they did not vary, or have too few seconds.
	Looked, Lags, Constant, Sparse int
	// ByChance is how many of Looked would be listed if none had to do with the latency.
	ByChance float64
	// Found are the series that moved with p95, the least likely by chance first; after them
	// those that follow from response times by arithmetic.
	Found    []Mover
	Cautions []string
}

// Spread is the distribution of the seconds' p95.
type Spread struct{ Min, Q1, Median, Q3, Max time.Duration }

// LevelChange is a change of p95's level.
type LevelChange struct {
	At            time.Duration // begin of the first second after it
	Before, After time.Duration // medians
	P             float64       // by Pettitt's test, corrected for persistence
}

// Moved says whether the change is more than the latency's usual waves.
func (m *Movement) Moved() bool { return m.Change != nil && m.Change.P < chance }

// Mover is one series that moved with p95.
type Mover struct {
	Series // without its points
	// Rate says that its values are a counter's, by the second.
	Rate bool
	// Tied says why it could not but move with response times; empty: it is free to.
	Tied string
	// Correlation is Spearman's with the p95 Lag seconds later (negative: earlier), at the lag where it
	// is strongest, over Seconds, which tell as much as Effective independent ones.
	Lag         int
	Correlation float64
	Seconds     int
	Effective   float64
	// CorrelationP is its two-sided p times the number of lags.
	CorrelationP float64
	// Level is its own change where p95's level changed; nil where that did not, or where
	// the series has no second on one side.
	Level *SeriesChange
	// P is of both ways of looking at it; Holm is that corrected for the number of series.
	P, Holm float64
}

// SeriesChange compares a series' seconds before p95's change with those after it.
type SeriesChange struct {
	Before, After float64 // medians
	Delta         float64 // Cliff's: 1 where all later values are larger, -1 where all are smaller
	P             float64
}

// Significant says whether the find stands after Holm's correction.
func (m *Mover) Significant() bool { return m.Holm < chance }

// move holds the latency of each judged second against the series.
func move(run *observation.Run, series []Series) Movement {
	w := axisOf(run)
	p95 := w.p95()
	latency := p95.known()
	m := Movement{Seconds: len(latency), Lags: 2*mostLag + 1}
	if len(latency) > 0 {
		m.P95 = spread(latency)
	}
	switch {
	case m.Seconds == 0 && w.succeeded():
		m.Reason = "the record does not hold the response times of its seconds (made by an earlier version)"
		return m
	case m.Seconds < minSeconds:
		m.Reason = fmt.Sprintf("too short: the response times of %s are known, and %d are the least that can be compared", plural(uint64(m.Seconds), "whole judged second"), minSeconds)
		return m
	case !p95.varies():
		m.Reason = fmt.Sprintf("p95 was %s in each of the %d judged seconds: there is no movement to compare with", duration(m.P95.Median), m.Seconds)
		return m
	}
	y := rankedOf(p95)
	memory := y.memory()
	m.Change = w.change(y)
	var all []Mover
	for _, s := range series {
		v, rate := w.align(s)
		for i := range v {
			if math.IsNaN(p95[i]) {
				v[i] = math.NaN()
			}
		}
		switch n := len(v.known()); {
		case n < minSeconds:
			m.Sparse++
			continue
		case !v.varies():
			m.Constant++
			continue
		}
		x := rankedOf(v)
		o := correlate(x, y, memory)
		o.Series, o.Rate, o.Tied = s, rate, tied[s.Name]
		o.Points = nil
		o.P = o.CorrelationP
		if m.Moved() {
			if o.Level = w.levels(x, m.Change.At); o.Level != nil {
				o.P = min(1, 2*min(o.CorrelationP, o.Level.P)) // Bonferroni: two tests of one series
			}
		}
		all = append(all, o)
	}
	m.Looked = len(all)
	m.ByChance = chance * float64(m.Looked)
	m.Found = listed(all)
	m.Cautions = m.cautions()
	return m
}

// correlate compares a series with the latency at each lag that leaves enough seconds.
func correlate(x, y ranked, memory []float64) Mover {
	var o Mover
	tried := 0
	for lag := -mostLag; lag <= mostLag; lag++ {
		rho, n := spearman(x, y, lag)
		if n < minSeconds || math.IsNaN(rho) {
			continue
		}
		tried++
		if a, b := math.Abs(rho), math.Abs(o.Correlation); tried == 1 || a > b || a == b && abs(lag) < abs(o.Lag) {
			o.Lag, o.Correlation, o.Seconds = lag, rho, n
		}
	}
	o.Effective = float64(o.Seconds) * thinning(x, y, memory)
	o.CorrelationP = min(1, float64(tried)*correlationP(o.Correlation, o.Effective))
	return o
}

func abs(n int) int { return max(n, -n) }

// listed returns what is unlikely by chance, in order, corrected for all that were looked at.
func listed(all []Mover) []Mover {
	slices.SortStableFunc(all, func(a, b Mover) int {
		return cmp.Or(cmp.Compare(a.P, b.P), cmp.Compare(math.Abs(b.Correlation), math.Abs(a.Correlation)))
	})
	ps := make([]float64, len(all))
	for i := range all {
		ps[i] = all[i].P
	}
	for i, p := range Holm(ps) {
		all[i].Holm = p
	}
	found := slices.DeleteFunc(all, func(o Mover) bool { return o.P >= chance })
	isTied := func(o Mover) bool { return o.Tied != "" }
	return slices.Concat(slices.DeleteFunc(slices.Clone(found), isTied), slices.DeleteFunc(found, func(o Mover) bool { return !isTied(o) }))
}

// change is p95's most likely change of level.
func (w *axis) change(y ranked) *LevelChange {
	values := y.known()
	split, p := pettitt(values, y.all().known())
	if split == 0 {
		return nil
	}
	before, after := median(values[:split]), median(values[split:])
	return &LevelChange{At: w.at(y.line, split), Before: seconds(before), After: seconds(after), P: p}
}

// levels compares a series before an instant with it after; nil where one side is empty.
func (w *axis) levels(x ranked, at time.Duration) *SeriesChange {
	ranks, n, ties := x.ranks(func(int) bool { return true })
	split := 0
	for i, v := range x.line {
		if !math.IsNaN(v) && w.start[i] < at {
			split++
		}
	}
	if split == 0 || split == n {
		return nil
	}
	values := x.known()
	c := SeriesChange{Before: median(values[:split]), After: median(values[split:])}
	c.Delta, c.P = levelChange(values, ranks.known(), split, ties)
	return &c
}

func median(v []float64) float64 { return quantile(0.5, v) }

// quantile interpolates between the order statistics.
func quantile(q float64, v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	at := q * float64(len(v)-1)
	low := int(at)
	if low+1 == len(v) {
		return v[low]
	}
	return v[low] + (at-float64(low))*(v[low+1]-v[low])
}

func spread(v []float64) Spread {
	q := func(q float64) time.Duration { return seconds(quantile(q, v)) }
	return Spread{Min: q(0), Q1: q(0.25), Median: q(0.5), Q3: q(0.75), Max: q(1)}
}

// cautions says what the list does not prove.
func (m *Movement) cautions() []string {
	if len(m.Found) == 0 {
		return nil
	}
	var c []string
	var weak, level int
	var follow []string
	for _, o := range m.Found {
		if !o.Significant() {
			weak++
		}
		if o.Level != nil && o.Level.P < o.CorrelationP {
			level++
		}
		if o.Tied != "" {
			follow = append(follow, o.Label()+" ("+o.Tied+")")
		}
	}
	if m.ByChance >= 1 || weak > 0 {
		s := fmt.Sprintf("%d series were looked at, at %d lags each: about %.2g would be listed by chance alone", m.Looked, m.Lags, m.ByChance)
		if weak > 0 {
			s += fmt.Sprintf("; %d of the %d listed cannot be told from chance once all are counted (Holm)", weak, len(m.Found))
		}
		c = append(c, s)
	}
	if level > 0 {
		c = append(c, "one change of level is one event: all that happened at that moment stands beside it alike")
	}
	if len(follow) > 0 {
		c = append(c, "what follows from response times by arithmetic comes last: "+strings.Join(follow, ", "))
	}
	return append(c, "moving together does not say what caused what: a third thing may have moved both, and counters may be published a second late")
}
