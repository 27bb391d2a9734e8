package schedule

import (
	"math"
	"math/rand/v2"
	"time"
)

// Sequence gives the planned starts of arrivals one after the other, never decreasing.
// ok is false after the last one, and stays so. A Sequence belongs to one goroutine.
type Sequence interface {
	Next() (at time.Duration, ok bool)
}

// Even returns the evenly spaced arrivals: At(0), At(1), ... At(Len-1).
func (s *Schedule) Even() Sequence { return &even{s: s} }

type even struct {
	s *Schedule
	n uint64
}

func (e *even) Next() (time.Duration, bool) {
	if e.n >= e.s.count {
		return 0, false
	}
	at := e.s.At(e.n)
	e.n++
	return at, true
}

// Poisson returns arrivals as independent users make them: an inhomogeneous Poisson
// process whose intensity is the schedule's rate. The number of arrivals in [a,b) is
// Poisson distributed with mean Expected(a,b), independently of any other stretch.
//
// The k-th arrival is at
//
//	t(k) = N⁻¹(E(1) + E(2) + ... + E(k))
//
// Where:
//
//	N⁻¹  = inverse of the schedule's cumulative number of arrivals, seconds
//	E(i) = independent exponential variates of mean 1, -ln(1-U(i)), arrivals
//	U(i) = the top 53 bits of the i-th PCG output over 2^53, in [0,1)
//
// The same seed gives the same arrivals. The schedule's offset plays no part: random
// arrivals need no stagger. So that two schedules of one run are not random in step, give
// each a seed of its own.
func (s *Schedule) Poisson(seed uint64) Sequence {
	return &poisson{s: s, pcg: rand.NewPCG(seed, 0x61727161_6c6f6164)}
}

type poisson struct {
	s   *Schedule
	pcg *rand.PCG
	sum float64
}

func (p *poisson) Next() (time.Duration, bool) {
	// Not rand.ExpFloat64: its tables are nobody's promise, and a recorded seed must give
	// the same run with a later Go.
	u := float64(p.pcg.Uint64()>>11) / (1 << 53)
	p.sum -= math.Log1p(-u)
	at := p.s.inverse(p.sum, 0)
	return at, at < p.s.length
}
