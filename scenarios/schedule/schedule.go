// Package schedule says when the n-th arrival is meant to start: constant, ramp and
// step shapes as one piecewise linear rate; arithmetic only, no clock. A [Schedule] fits
// vegeta.Pacer without importing it.
package schedule

import (
	"fmt"
	"math"
	"sort"
	"time"
)

// Segment is a stretch of time over which the rate changes linearly.
type Segment struct {
	Length   time.Duration
	From, To float64 // arrivals per second at its start and end; equal where constant
}

// Schedule plans arrivals along a piecewise linear rate. Arrivals are numbered from 0.
//
// Within a segment that begins at time T with K arrivals already planned, the rate and
// the cumulative number of arrivals are
//
//	r(x) = R0 + A x
//	N(x) = K + R0 x + A x²/2
//
// Where:
//
//	x  = time since the segment's start, seconds
//	R0 = rate at the segment's start, arrivals per second (Segment.From)
//	R1 = rate at the segment's end, arrivals per second (Segment.To)
//	L  = length of the segment, seconds (Segment.Length)
//	A  = slope of the rate, (R1 - R0)/L, arrivals per second squared
//
// The n-th arrival is planned where N reaches n + O, O being the stagger: a fraction of
// an interval, counted in arrivals so that it keeps its meaning on a ramp. Where N stands
// still (a pause at rate 0) the arrival belongs to the end of the pause: nothing is
// planned while the rate is 0.
//
// An arrival within a billionth of an arrival of a segment's edge counts as due at that
// edge (see inverse). Times are rounded to the nearest nanosecond, and every count is a count of those
// rounded times; so Len, Between and At agree exactly, and 1000/s for 10 s is 10000
// arrivals and not one more or less for a rounding error in N.
//
// A Schedule does not change and is safe for concurrent use.
type Schedule struct {
	segs   []segment
	offset float64       // O
	total  float64       // N at the end
	length time.Duration // of all segments
	count  uint64        // Len
}

// segment is a Segment of positive length in its place.
type segment struct {
	start      time.Duration // T
	before     float64       // K
	n          float64       // arrivals in this segment
	length     float64       // L
	from, to   float64       // R0, R1
	slope      float64       // A
	lengthNano time.Duration
}

// maxArrivals is where a float64 no longer tells one arrival from the next.
const maxArrivals = 1 << 53

// New returns the schedule of segs one after the other. offset, in [0,1), delays every
// arrival by that share of an interval, so that several schedules of one run do not start
// their arrivals in the same instant.
//
// New panics on a negative length, on a rate that is negative or not a number, on an
// offset outside [0,1) and on more than 2^53 arrivals: no validated plan has any of them.
func New(segs []Segment, offset float64) *Schedule {
	if !(offset >= 0 && offset < 1) {
		panic(fmt.Sprintf("schedule: offset %v is outside [0,1)", offset))
	}
	s := &Schedule{offset: offset}
	for _, g := range segs {
		if g.Length < 0 || !(g.From >= 0) || !(g.To >= 0) {
			panic(fmt.Sprintf("schedule: impossible segment %+v", g))
		}
		if g.Length == 0 {
			continue
		}
		l := g.Length.Seconds()
		n := (g.From + g.To) / 2 * l
		s.segs = append(s.segs, segment{
			start: s.length, before: s.total, n: n,
			length: l, from: g.From, to: g.To, slope: (g.To - g.From) / l, lengthNano: g.Length,
		})
		if s.length > math.MaxInt64-g.Length {
			panic("schedule: longer than a time.Duration holds")
		}
		s.length += g.Length
		s.total += n
	}
	if !(s.total < maxArrivals) {
		panic(fmt.Sprintf("schedule: %v arrivals are more than can be counted", s.total))
	}
	s.count = s.before(s.length)
	return s
}

// At returns when the n-th arrival is meant to start, counted from the schedule's start.
// For n >= Len it returns Duration: there is no such arrival.
func (s *Schedule) At(n uint64) time.Duration {
	if n >= maxArrivals {
		return s.length
	}
	return s.inverse(float64(n), s.offset)
}

// Len returns the number of arrivals: those with At(n) < Duration.
func (s *Schedule) Len() uint64 { return s.count }

// Duration returns the length of the schedule, pauses included.
func (s *Schedule) Duration() time.Duration { return s.length }

// Rate returns the rate at t in arrivals per second, at the edge of two segments that of
// the later one. It is 0 before the schedule's start and from its end on.
func (s *Schedule) Rate(t time.Duration) float64 {
	if t < 0 || t >= s.length {
		return 0
	}
	g := s.at(t)
	return g.from + g.slope*(t-g.start).Seconds()
}

// Pace is vegeta.Pacer's rule: how long to wait, at elapsed, before the arrival that
// follows hits others; stop after the last one. A late caller waits 0.
func (s *Schedule) Pace(elapsed time.Duration, hits uint64) (wait time.Duration, stop bool) {
	if hits >= s.count {
		return 0, true
	}
	return max(0, s.At(hits)-elapsed), false
}

// Between returns the number of evenly spaced arrivals planned in [a,b).
func (s *Schedule) Between(a, b time.Duration) uint64 {
	if a >= b {
		return 0
	}
	return s.before(b) - s.before(a)
}

// Expected returns the integral of the rate over [a,b): the mean number of arrivals of a
// Poisson process there, and Between without the rounding to whole arrivals.
func (s *Schedule) Expected(a, b time.Duration) float64 {
	if a >= b {
		return 0
	}
	return s.cumulative(b) - s.cumulative(a)
}

// before returns the number of arrivals with At(n) < t, at most those before the end.
// It searches At itself instead of rounding N(t), so that the two cannot disagree.
func (s *Schedule) before(t time.Duration) uint64 {
	t = min(t, s.length)
	// N arrivals have n + O < N, hence n <= ceil(N); one more for the rounding of N.
	return uint64(sort.Search(int(math.Ceil(s.total))+1, func(n int) bool { return s.At(uint64(n)) >= t }))
}

// cumulative is N(t).
func (s *Schedule) cumulative(t time.Duration) float64 {
	switch {
	case t <= 0:
		return 0
	case t >= s.length:
		return s.total
	}
	g := s.at(t)
	x := (t - g.start).Seconds()
	return g.before + x*(g.from+g.slope*x/2)
}

// at returns the segment that holds t, 0 <= t < Duration.
func (s *Schedule) at(t time.Duration) *segment {
	i := sort.Search(len(s.segs), func(i int) bool { return s.segs[i].start > t })
	return &s.segs[i-1]
}

// inverse returns the latest t with N(t) = n + offset, or Duration where N never gets so
// far. The two are passed apart because their sum loses the offset's digits at large n.
func (s *Schedule) inverse(n, offset float64) time.Duration {
	// N at a segment's edge is a sum of products and may be an ulp above the whole number
	// it stands for. An arrival due at that edge must not fall back into the segment that
	// ends there: at the end of a ramp to 0 an ulp of N is microseconds, and before a
	// pause it is the pause.
	const absolute, relative = 1e-9, 1e-14
	reach := n + offset + absolute + relative*n

	i := sort.Search(len(s.segs), func(i int) bool { return s.segs[i].before > reach }) - 1
	if i < 0 || s.total <= reach {
		return s.length
	}
	g := &s.segs[i]
	// Segments of rate 0 leave N unchanged, so the last one that begins within reach is
	// the one in which N grows past it, except at the very end, handled above.
	d := time.Duration(math.Round(g.invert((n-g.before)+offset) * 1e9))
	return g.start + min(max(d, 0), g.lengthNano)
}

// invert returns the x at which c arrivals of the segment have been planned:
//
//	c = R0 x + A x²/2   =>   x = 2c / (R0 + sqrt(R0² + 2Ac))
//
// This form of the root has no difference of nearly equal numbers while A >= 0, and none
// of its terms divides by A, so a constant rate needs no case of its own. Where the rate
// falls, R0² + 2Ac cancels towards the end; the same equation is then solved backwards
// from the end, where d = n - c arrivals remain and the slope is -A.
func (g *segment) invert(c float64) float64 {
	if g.slope < 0 {
		return g.length - root(g.n-c, g.to, -g.slope)
	}
	return root(c, g.from, g.slope)
}

// root solves c = r x + a x²/2 for x >= 0, with r and a not negative.
func root(c, r, a float64) float64 {
	if c <= 0 {
		return 0
	}
	return 2 * c / (r + math.Sqrt(r*r+2*a*c))
}
