package analysis

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*max(1, math.Abs(want))) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestEqualValuesShareTheMeanOfTheirRanks(t *testing.T) {
	nan := math.NaN()
	r := rankedOf(line{3, 1, nan, 3, 2, 3})
	// In order 1, 2, 3, 3, 3: the three last share (3+4+5)/3.
	ranks, n, ties := r.ranks(func(int) bool { return true })
	if got := ranks.known(); !slices.Equal(got, []float64{4, 1, 4, 2, 4}) || !math.IsNaN(ranks[2]) || n != 5 || ties != 24 {
		t.Errorf("ranks %v of %d, ties %v; want 4 1 - 4 2 4 of 5 and 27-3", ranks, n, ties)
	}
	// Of a part they begin at 1 again.
	ranks, n, ties = r.ranks(func(i int) bool { return i != 1 && i != 5 })
	if got := ranks.known(); !slices.Equal(got, []float64{2.5, 2.5, 1}) || n != 3 || ties != 6 {
		t.Errorf("ranks %v of %d, ties %v; want 2.5 2.5 1 of 3 and 8-2", got, n, ties)
	}
}

func TestRankCorrelationByHand(t *testing.T) {
	// 1 - 6 sum d^2/(n(n^2-1)) with d = 1, 1, 1, 1, 0: 1 - 24/120.
	rho, n := spearman(rankedOf(line{10, 20, 30, 40, 50}), rankedOf(line{2, 1, 4, 3, 5}), 0)
	near(t, "rho", rho, 0.8)
	// One second later: (10, 20, 30, 40) beside (1, 4, 3, 5), d = 0, 1, 1, 0: 1 - 12/60.
	later, m := spearman(rankedOf(line{10, 20, 30, 40, 50}), rankedOf(line{2, 1, 4, 3, 5}), 1)
	near(t, "rho at lag 1", later, 0.8)
	if n != 5 || m != 4 {
		t.Errorf("%d and %d pairs, want 5 and 4", n, m)
	}
	if rho, _ := spearman(rankedOf(line{1, 1, 1}), rankedOf(line{1, 2, 3}), 0); !math.IsNaN(rho) {
		t.Errorf("what does not vary has the correlation %v", rho)
	}
	// t = 0.8 sqrt(3/0.36) = 2.309 with 3 degrees of freedom: 2 sided p 0.1041 (tables).
	if p := correlationP(0.8, 5); math.Abs(p-0.1041) > 5e-5 {
		t.Errorf("p %v, want 0.1041", p)
	}
	// Five pairs in perfect order: 2 of 120 orders.
	near(t, "p of a perfect correlation", correlationP(-1, 5), 2./120)
	if p := correlationP(0.99, 2); p != 1 {
		t.Errorf("p of two independent seconds is %v", p)
	}
}

func TestAutocorrelationByHand(t *testing.T) {
	// About the mean 2: -1, 1, -1, 1. r(1) = (-3/3)/(4/4), r(2) = (2/2)/(4/4).
	r, m := autocorrelation(line{1, 3, 1, 3}, 2)
	for j, want := range []float64{1, -1, 1} {
		near(t, "r", r[j], want)
		near(t, "m", m[j], float64(4-j))
	}
	// With a hole: -1, 1, -, 1, -1 about 2. One second apart are two pairs: -1 and -1. Two apart one: 1*1.
	r, m = autocorrelation(line{1, 3, math.NaN(), 3, 1}, 2)
	near(t, "r(1)", r[1], -1)
	near(t, "r(2)", r[2], 1)
	near(t, "m(1)", m[1], 2)
	near(t, "m(2)", m[2], 1)
}

func TestWhatRemembersTellsLess(t *testing.T) {
	// Ranks 1..10 about 5.5, L = 2, S_0 = 82.5; r(j) = S_j/(10-j) * 10/82.5.
	s := func(j int) (sum float64) {
		for i := 0; i+j < 10; i++ {
			sum += (float64(i) - 4.5) * (float64(i+j) - 4.5)
		}
		return sum
	}
	r1, r2 := s(1)/9*10/82.5, s(2)/8*10/82.5
	x := rankedOf(line{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	near(t, "N*/N", thinning(x, x, x.memory()), 1/(1+2*(0.9*r1*r1+0.8*r2*r2)))
	// What alternates is never taken for more seconds than there are.
	y := rankedOf(line{1, 10, 2, 9, 3, 8, 4, 7, 5, 6})
	near(t, "N*/N beside what alternates", thinning(x, y, y.memory()), 1)
}

func TestPettittByHand(t *testing.T) {
	// Ten ranks 5.5 and ten 15.5: U_10 = 2*55 - 10*21 = -100. Nothing is left about the two
	// levels, so r = 2/20 and c = 1.1/0.9.
	ranks := slices.Concat(slices.Repeat([]float64{5.5}, 10), slices.Repeat([]float64{15.5}, 10))
	split, p := pettitt(ranks, ranks)
	if split != 10 {
		t.Errorf("split after %d, want 10", split)
	}
	near(t, "p", p, 2*math.Exp(-6*100*100/(1.1/0.9*(8000+400))))
	if split, p := pettitt([]float64{1, 1, 1}, []float64{2, 2, 2}); split != 0 || p != 1 {
		t.Errorf("equal values change after %d, p %v", split, p)
	}
}

func TestCliffsDeltaByHand(t *testing.T) {
	// Of the nine pairs of 1 2 3 and 2 4 5 the later is larger in 7, smaller in 1.
	v := line{1, 2, 3, 2, 4, 5}
	ranks, _, ties := rankedOf(v).ranks(func(int) bool { return true })
	delta, p := levelChange(v, ranks, 3, ties)
	near(t, "delta", delta, 6./9)
	if p < 0.05 || p > 1 {
		t.Errorf("p of three against three is %v", p)
	}
}

func TestASeriesStandsInItsOwnSecond(t *testing.T) {
	w := axisOf(lived(step(100, 200, 10)))
	of := func(unit scenarios.Unit, points ...Point) line {
		v, _ := w.align(Series{Unit: unit, Points: points})
		return v
	}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	// The judged seconds begin at 10 s. Two readings of one second are averaged.
	v := of(scenarios.UnitCount, Point{At: ms(9003), Value: 7}, Point{At: ms(9999), Value: 1}, Point{At: ms(10400), Value: 3}, Point{At: ms(12700), Value: 8}, Point{At: ms(50003), Value: 9})
	for i, want := range []float64{2, math.NaN(), 8, math.NaN()} {
		if v[i] != want && !(math.IsNaN(v[i]) && math.IsNaN(want)) {
			t.Errorf("slot %d is %v, want %v: %v", i, v[i], want, v[:4])
		}
	}
	if n := len(v.known()); n != 2 {
		t.Errorf("%d seconds have a value, want 2: those without a reading are not 0", n)
	}
	// A counter by the second; one interval of 3 s stands in its middle.
	v, rate := w.align(Series{Unit: scenarios.UnitCount, Points: []Point{
		{At: ms(8003), Length: ms(1000), Value: 100}, {At: ms(10003), Length: ms(1000), Value: 50}, {At: ms(11003), Length: ms(3000), Value: 60}, {At: ms(14003), Length: ms(500), Value: 40}, {At: ms(14503), Length: ms(500), Value: 20}}})
	near(t, "10 s", v[0], 50)
	near(t, "12 s", v[2], 20)
	near(t, "14 s", v[4], 60)
	if !rate || len(v.known()) != 3 {
		t.Errorf("rate %v, %v", rate, v)
	}
	// A share of an interval is no count.
	v, rate = w.align(Series{Unit: scenarios.UnitShare, Points: []Point{{At: ms(10003), Length: ms(500), Value: 0.5}}})
	near(t, "share", v[0], 0.5)
	if rate {
		t.Error("a share became a rate")
	}
}

func TestTheLoadsOwnSeries(t *testing.T) {
	run := lived(step(100, 200, 10))
	sec := &run.Seconds[12]
	sec.Failed, sec.Completed, sec.InFlightMax, sec.SlotWait.Mean, sec.Lag.Mean, sec.Connections.New = 25, 90, 31, lasting(0.004), lasting(0.001), 5
	run.Seconds[13].Planned = 0
	for s, rss := range []uint64{10, 20} {
		put(t, run, "selfhealth", float64(12+s), observation.Self{CPU: lasting(0.5 * float64(s)), RSSBytes: rss, GCPauses: lasting(0.01 * float64(s)), Missing: []string{"rss"}[:s]}, nil)
	}
	w := axisOf(run)
	got := map[string]line{}
	for _, s := range loadSeries(run) {
		got[s.Name], _ = w.align(s)
	}
	for name, want := range map[string]float64{"load.arrivals": 100, "load.completed": 90, "load.new_connections": 5, "load.failed_share": 0.25, "load.in_flight": 31,
		"load.slot_wait": 0.004, "generator.lag": 0.001, "generator.cpu": 0.5, "generator.gc_pauses": 0.01, "generator.memory": 10} {
		near(t, name, got[name][2], want) // the judged time begins at 10 s
	}
	// Without arrivals nothing failed and nothing waited: there is no share, and not one of 0.
	// What this system does not tell is no 0 either.
	for _, name := range []string{"load.failed_share", "load.slot_wait", "generator.lag", "generator.memory"} {
		if v := got[name][3]; !math.IsNaN(v) {
			t.Errorf("%s of a second without is %v", name, v)
		}
	}
}

// Whatever a collector hands over, every number of the result can be written as JSON.
func TestAnySeriesLeadsToNumbers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, 0, 1, 2, math.NaN(), math.Inf(1), math.MaxFloat64, -math.MaxFloat64}))
		n := rapid.IntRange(0, 70).Draw(rt, "seconds")
		p95 := make([]float64, n)
		for i := range p95 {
			p95[i] = float64(rapid.IntRange(0, 5).Draw(rt, "p95"))
		}
		run := lived(p95)
		for i := range run.Seconds {
			if rapid.IntRange(0, 30).Draw(rt, "jump") == 0 {
				run.Seconds[i].Start += lasting(float64(rapid.SampledFrom([]int{-7, 1, 1e3, 1e9}).Draw(rt, "by")))
			}
		}
		var all []Series
		for range rapid.IntRange(0, 3).Draw(rt, "series") {
			s := Series{Name: "x", Unit: rapid.SampledFrom([]scenarios.Unit{scenarios.UnitCount, scenarios.UnitShare}).Draw(rt, "unit")}
			length := rapid.SampledFrom([]time.Duration{0, time.Second, time.Nanosecond}).Draw(rt, "length")
			for i := range n {
				s.Points = append(s.Points, Point{At: time.Duration(10+i) * time.Second, Length: length, Value: value.Draw(rt, "value")})
			}
			all = append(all, s)
		}
		m := move(run, all)
		for _, f := range m.Found {
			numbers := []float64{f.Correlation, f.Effective, f.CorrelationP, f.P, f.Holm}
			if f.Level != nil {
				numbers = append(numbers, f.Level.Before, f.Level.After, f.Level.Delta, f.Level.P)
			}
			for _, x := range numbers {
				if math.IsNaN(x) || math.IsInf(x, 0) {
					rt.Fatalf("%+v %+v", f, f.Level)
				}
			}
			if math.Abs(f.Correlation) > 1+1e-9 || f.Effective > float64(f.Seconds) || f.Holm < f.P || f.P > 1 {
				rt.Fatalf("%+v", f)
			}
		}
	})
}
