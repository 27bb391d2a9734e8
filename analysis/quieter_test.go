package analysis

import (
	"testing"
	"time"

	"arqload/analysis/observation"
)

// A system far inside its limit has seen less of what would swing at the limit: met is tested with
// the dispersion that it would have there, missed with the one that was seen.
func TestMetIsTestedWithTheDispersionAtItsLimit(t *testing.T) {
	var seconds []share
	for i := range 60 {
		bad := 0.0
		if i/3%4 == 0 { // three seconds of every twelve: 1% in all
			bad = 40
		}
		seconds = append(seconds, share{bad: bad, all: 1000})
	}
	var s Summary
	phi, _, _ := dispersion(seconds)
	if phi < 5 {
		t.Fatalf("phi is %v: the seconds do not share their fate", phi)
	}
	for limit, factor := range map[float64]float64{0.005: 1, 0.01: 1, 0.015: 1.5 * 1.5, 0.02: 4, 0.05: 4} {
		d, _, _ := s.divisors(seconds, limit)
		near(t, "of missed", d.missed, phi)
		near(t, "of met", d.met, 1+(phi-1)*factor)
	}
	// The standard error of a hit ratio goes with its misses in the same way.
	s = Summary{Judged: time.Minute, Header: observation.Header{}}
	s.Cache = Cache{Available: true, OK: true}
	for i := range 60 {
		misses := int64(20 + 20*(i%2))
		s.Cache.Intervals = append(s.Cache.Intervals, CacheInterval{Hits: 1000 - misses, Misses: misses})
		s.Cache.Hits, s.Cache.Misses = s.Cache.Hits+1000-misses, s.Cache.Misses+misses
	}
	half := func(demand string) float64 {
		r := s.JudgeObjective(objectiveOf(t, demand))
		return *r.Observed - *r.Low
	}
	at := half("cache_hit_ratio > 97%") // as many misses as there are
	near(t, "half of it, at 95.5%", half("cache_hit_ratio > 95.5%"), 1.5*at)
	near(t, "half of it, at 85%", half("cache_hit_ratio > 85%"), 2*at)
	near(t, "half of it, at 99%", half("cache_hit_ratio > 99%"), at)
}
