package schedule_test

import (
	"math"
	"testing"
	"time"

	"arqload/scenarios/schedule"
)

func arrivals(q schedule.Sequence) []time.Duration {
	var all []time.Duration
	for at, ok := q.Next(); ok; at, ok = q.Next() {
		all = append(all, at)
	}
	return all
}

func TestPoissonCountsHaveTheMeanAndVarianceOfPoisson(t *testing.T) {
	// 200 seconds of 100/s: a second's count has mean 100 and variance 100.
	const seconds, rate = 200, 100.0
	s := schedule.New([]schedule.Segment{constant(rate, seconds*time.Second)}, 0)
	perSecond := make([]float64, seconds)
	var last time.Duration
	for i, at := range arrivals(s.Poisson(7)) {
		if at < last || at >= s.Duration() {
			t.Fatalf("arrival %d at %v after %v", i, at, last)
		}
		last = at
		perSecond[at/time.Second]++
	}
	var sum, squares float64
	for _, n := range perSecond {
		sum += n
	}
	mean := sum / seconds
	for _, n := range perSecond {
		squares += (n - mean) * (n - mean)
	}
	variance := squares / (seconds - 1)
	// Standard error of the mean: sqrt(100/200) = 0.71; of the variance: 100 sqrt(2/199) = 10.
	// Five of each; even spacing has variance 0.
	if math.Abs(mean-rate) > 3.6 {
		t.Errorf("mean count per second %v, want 100 ± 3.6", mean)
	}
	if math.Abs(variance-rate) > 50 {
		t.Errorf("variance of the counts %v, want 100 ± 50", variance)
	}
}

func TestPoissonFollowsTheRampAndThePause(t *testing.T) {
	s := schedule.New([]schedule.Segment{
		{Length: 10 * time.Second, From: 0, To: 2000}, constant(0, 10*time.Second), {Length: 10 * time.Second, From: 1000, To: 0},
	}, 0)
	var got [6]float64
	for _, at := range arrivals(s.Poisson(1)) {
		got[at/(5*time.Second)]++
	}
	// Integrals over 5 s: 500x5 = 2500, 1500x5 = 7500, pause, 750x5 = 3750, 250x5 = 1250.
	for i, want := range [6]float64{2500, 7500, 0, 0, 3750, 1250} {
		if math.Abs(got[i]-want) > 5*math.Sqrt(want) {
			t.Errorf("seconds %d to %d: %v arrivals, want %v ± %.0f", 5*i, 5*i+5, got[i], want, 5*math.Sqrt(want))
		}
	}
}

func TestPoissonSeedMakesTheRunRepeatable(t *testing.T) {
	s := schedule.New([]schedule.Segment{constant(1000, time.Second)}, 0)
	a, b, c := arrivals(s.Poisson(42)), arrivals(s.Poisson(42)), arrivals(s.Poisson(43))
	if len(a) != len(b) {
		t.Fatalf("the same seed gave %d and %d arrivals", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("arrival %d at %v and at %v with the same seed", i, a[i], b[i])
		}
	}
	if a[0] == c[0] {
		t.Error("another seed gave the same first arrival")
	}
	// Pinned: a seed recorded in an old bundle must mean the same run today.
	if want := 370081 * time.Nanosecond; a[0] != want {
		t.Errorf("first arrival of seed 42 at %d ns, want %d", a[0], want)
	}
}

func TestSequencesStayEnded(t *testing.T) {
	s := schedule.New([]schedule.Segment{constant(5, time.Second)}, 0)
	for name, q := range map[string]schedule.Sequence{"even": s.Even(), "poisson": s.Poisson(1)} {
		arrivals(q)
		for range 3 {
			if _, ok := q.Next(); ok {
				t.Errorf("%s: an arrival after the last", name)
			}
		}
	}
}

func BenchmarkAt(b *testing.B) {
	s := schedule.New([]schedule.Segment{{Length: 10 * time.Second, From: 100, To: 1000}, constant(1000, time.Hour)}, 0.3)
	for n := uint64(0); b.Loop(); n++ {
		s.At(n % s.Len())
	}
}
