package analysis

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

func TestTheSlopeIsTheMedianOfAllPairs(t *testing.T) {
	// 1 2 3 100 5: the pairs' slopes are 1 1 33 1, 1 49 1, 97 1, -95 : six of ten are 1.
	perStep, start := slope(line{1, 2, 3, 100, 5})
	if perStep != 1 || start != 1 {
		t.Errorf("slope %v from %v, want 1 from 1: one wild value moved it", perStep, start)
	}
	// A second without a value keeps its place.
	if perStep, start = slope(line{10, math.NaN(), 14, 16}); perStep != 2 || start != 10 {
		t.Errorf("slope %v from %v, want 2 from 10", perStep, start)
	}
	if perStep, start = slope(line{math.NaN(), 3}); perStep != 0 || !math.IsNaN(start) {
		t.Errorf("slope %v from %v of one value, want no line", perStep, start)
	}
}

func TestMannKendallAgainstItsTable(t *testing.T) {
	// Ten values in order but for one swapped pair: S = 43, Var = 10*9*25/18 = 125, z = 42/11.18 = 3.757.
	// c is at least that of r = 2*(1+0)/10 + a standard error, so p is that of a smaller z; a
	// perfect line leaves nothing, whose ranks are all equal.
	v := line{1, 2, 3, 4, 5, 6, 7, 8, 10, 9}
	perStep, _ := slope(v)
	c := trendPersistence(v, perStep)
	z := 42 / math.Sqrt(125*c)
	if got, want := trendP(v, perStep), twoSided(z, 10/c-2); math.Abs(got-want) > 1e-12 || c < 1 {
		t.Errorf("p = %v, want %v (c %v)", got, want, c)
	}
	// Pairs 1 1 2 2 .. 10 10: S = 45*4 = 180, Var = (20*19*45 - 10*(2*1*9))/18 = 940.
	v = nil
	for i := range 20 {
		v = append(v, float64(1+i/2))
	}
	perStep, _ = slope(v)
	c = trendPersistence(v, perStep)
	if got, want := trendP(v, perStep), twoSided(179/math.Sqrt(940*c), 20/c-2); math.Abs(got-want) > 1e-12 {
		t.Errorf("p = %v with ties, want %v (c %v)", got, want, c)
	}
	if got := trendP(line{1, 1, 1, 1, 1}, 0); got != 1 {
		t.Errorf("p = %v of a constant, want 1", got)
	}
}

func TestATrendIsTheSameInEveryUnitAndDirection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := line(rapid.SliceOfN(rapid.Float64Range(1, 1000), 20, 60).Draw(t, "v"))
		by := rapid.SampledFrom([]float64{0.5, 2, 1024}).Draw(t, "by") // exact in binary
		scaled, back := make(line, len(v)), make(line, len(v))
		for i, x := range v {
			scaled[i], back[len(v)-1-i] = x*by, x
		}
		perStep, start := slope(v)
		s, st := slope(scaled)
		if math.Abs(s-perStep*by) > 1e-9*by || math.Abs(st-start*by) > 1e-9*by*1000 {
			t.Fatalf("slope %v from %v; times %v it is %v from %v", perStep, start, by, s, st)
		}
		if a, b := trendP(v, perStep), trendP(scaled, s); math.Abs(a-b) > 1e-9 {
			t.Fatalf("p %v, and %v in another unit", a, b)
		}
		r, _ := slope(back)
		if math.Abs(r+perStep) > 1e-9 {
			t.Fatalf("slope %v, backwards %v", perStep, r)
		}
	})
}

// steadyRun is a run of one judged phase with a second for each p50 in ms; p95 and p99 and
// what is in flight follow from the other waves.
func steadyRun(n int, of func(name string) []float64) *observation.Run {
	run := lived(make([]float64, n))
	p50, p95, p99, flight := of("p50"), of("p95"), of("p99"), of("load.in_flight")
	for i := range n {
		s := &run.Seconds[10+i]
		s.Response = observation.Quantiles{Count: 100, P50: lasting(p50[i] / 1000), P95: lasting(p95[i] / 1000), P99: lasting(p99[i] / 1000)}
		s.InFlightMax = int(flight[i])
	}
	return run
}

func TestNothingThatOnlyWavesIsCalledUnsteady(t *testing.T) {
	const runs = 250
	for _, rho := range []float64{0, 0.5, 0.9} {
		r := seeded(21)
		unsteady := 0
		for range runs {
			// Each about 100 with waves of 20%, and six gauges beside them, all independent.
			of := func(string) []float64 { return latency(wave(r, 60, rho)) }
			run := steadyRun(60, of)
			var more []Series
			for _, name := range []string{"cache.clients", "db.connections.used_share"} {
				for range 3 {
					more = append(more, gauge(name, of("")))
				}
			}
			s := steadiness(run, append(loadSeries(run), more...))
			if s.Phases[0].Reason != "" || s.Phases[0].Looked < 10 {
				t.Fatalf("%+v", s.Phases)
			}
			if len(s.Warnings()) > 0 {
				unsteady++
			}
		}
		t.Logf("rho %v: %d of %d runs are called not steady", rho, unsteady, runs)
		if share := float64(unsteady) / runs; share > 0.05 {
			t.Errorf("rho %v: %.1f%% of runs without a trend are called not steady, want at most 5%%", rho, share*100)
		}
	}
}

func TestARiseOfTwoFifthsInAMinuteIsFound(t *testing.T) {
	const runs = 50
	r := seeded(22)
	found := 0
	var text string
	for range runs {
		rising := func(name string) []float64 {
			v := make([]float64, 60)
			for i := range v {
				v[i] = 82 * (1 + 0.1*r.NormFloat64())
				if name == "p95" {
					v[i] *= 1 + 0.4*float64(i)/59
				}
			}
			return v
		}
		run := steadyRun(60, rising)
		s := steadiness(run, loadSeries(run))
		if w := s.Warnings(); len(w) == 1 && strings.HasPrefix(w[0], "not steady: p95 rose ") {
			found, text = found+1, w[0]
			tr := s.Trends[1]
			if c, _ := tr.Change(); math.Abs(tr.From-0.082) > 0.012 || math.Abs(c-0.4) > 0.25 || tr.N != 60 {
				t.Errorf("p95 from %v by %v of %d values, want about 0.082 by 0.4 of 60", tr.From, c, tr.N)
			}
		}
	}
	t.Logf("found in %d of %d: %s", found, runs, text)
	if found < runs*9/10 {
		t.Errorf("found in %d of %d runs", found, runs)
	}
}

// straight is a p95 that goes from one value to another, in ms, with a little noise.
func straight(n int, from, to float64) []float64 {
	r := seeded(23)
	v := make([]float64, n)
	for i := range v {
		v[i] = (from + (to-from)*float64(i)/float64(n-1)) * (1 + 0.01*r.NormFloat64())
	}
	return v
}

func steadyOf(p95 []float64) (Steadiness, *observation.Run) {
	run := steadyRun(len(p95), func(name string) []float64 {
		if name == "p95" {
			return p95
		}
		return straight(len(p95), 50, 50)
	})
	return steadiness(run, loadSeries(run)), run
}

func TestASignificantTrendThatIsSmallIsSteady(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to float64 // ms
		steady   bool
	}{
		{"9% of 100ms", 100, 109, true},
		{"14% of 100ms", 100, 114, false},
		{"a fall of 40%", 100, 60, false},
		{"60% of 5ms are 3ms", 5, 8, true},
		{"120% of 5ms are 6ms", 5, 11, false},
	} {
		s, _ := steadyOf(straight(60, c.from, c.to))
		tr := s.Trends[1]
		if tr.Name != "p95" || tr.Steady != c.steady || tr.Holm > 0.01 {
			t.Errorf("%s: steady %v, want %v: %+v", c.name, tr.Steady, c.steady, tr)
		}
		if got := len(s.Warnings()) == 0; got != c.steady {
			t.Errorf("%s: warnings %q", c.name, s.Warnings())
		}
	}
}

func TestAWarningSaysHowMuchFromWhatToWhat(t *testing.T) {
	s, _ := steadyOf(straight(60, 82.1, 115))
	if w, want := strings.Join(s.Warnings(), "|"), "not steady: p95 rose 40% over the window (from 82ms to 115ms): what is judged"; !strings.HasPrefix(w, want) {
		t.Errorf("%q, want %q", w, want)
	}
}

func TestAPhaseThatIsShortOrMeantToMoveIsNotCalledUnsteady(t *testing.T) {
	rising := straight(19, 50, 150)
	s, _ := steadyOf(rising)
	if len(s.Warnings()) != 0 || !strings.HasPrefix(s.Phases[0].Reason, "too short to tell: 19 whole seconds, and 20") {
		t.Errorf("19 s: %q, %+v", s.Warnings(), s.Phases)
	}
	_, run := steadyOf(straight(60, 50, 150))
	for _, shape := range []observation.Shape{observation.Ramp, observation.Steps} {
		run.Header.Phases[1].Shape = shape
		s := steadiness(run, loadSeries(run))
		if len(s.Warnings()) != 0 || len(s.Trends) != 0 || !strings.Contains(s.Phases[0].Reason, "a trend is expected") {
			t.Errorf("%s: %q, %+v", shape, s.Warnings(), s.Phases)
		}
	}
	// A record of before shapes were kept: a ramp is seen by what was planned.
	run.Header.Phases[1].Shape = ""
	for i := range 60 {
		run.Seconds[10+i].Planned = uint64(100 + 2*i)
	}
	if s := steadiness(run, nil); !strings.Contains(s.Phases[0].Reason, "a trend is expected") {
		t.Errorf("an old record's ramp: %+v", s.Phases)
	}
	run.Header.Phases[1].Shape = observation.Constant // it knows better
	if s := steadiness(run, nil); s.Phases[0].Reason != "" || len(s.Warnings()) != 1 {
		t.Errorf("constant: %+v, %q", s.Phases, s.Warnings())
	}
}

func TestJudgedPhasesAreLookedAtOneByOne(t *testing.T) {
	// 50 ms for 30 s and 100 ms for 30 s: each is steady, and both together would not be.
	run := steadyRun(60, func(string) []float64 { return append(straight(30, 50, 50), straight(30, 100, 100)...) })
	if s := steadiness(run, nil); len(s.Warnings()) != 1 || !strings.HasPrefix(s.Warnings()[0], "not steady: p50 rose 100% at 40s (from 50") {
		t.Errorf("one phase: %q", s.Warnings())
	}
	run.Header.Phases = []observation.Phase{phase("warm-up", 0, 10, false), phase("low", 10, 40, true), phase("high", 40, 70, true)}
	s := steadiness(run, nil)
	if len(s.Warnings()) != 0 || len(s.Phases) != 2 || s.Phases[1].Phase != "high" || s.Phases[1].Seconds != 30 {
		t.Errorf("two phases: %q, %+v", s.Warnings(), s.Phases)
	}
}

func TestALeakIsFoundAndItsEndIsNot(t *testing.T) {
	leak := func(from, to float64) Series {
		s := gauge("cache.used_memory", straight(60, from, to))
		s.Of, s.Unit = "10.0.0.8:6379", scenarios.UnitBytes
		return s
	}
	run := steadyRun(60, func(string) []float64 { return straight(60, 50, 50) })
	s := steadiness(run, []Series{leak(100<<20, 200<<20)})
	if w := strings.Join(s.Warnings(), "|"); !strings.Contains(w, "not steady: cache.used_memory of 10.0.0.8:6379 rose ") || !strings.Contains(w, "MiB") {
		t.Errorf("%q", w)
	}
	if s := steadiness(run, []Series{leak(200<<20, 100<<20)}); len(s.Warnings()) != 0 {
		t.Errorf("memory that is given back is %q", s.Warnings())
	}
}

func TestALongRunIsLookedAtInGroups(t *testing.T) {
	r := seeded(24)
	p95 := make([]float64, 3600)
	for i := range p95 {
		p95[i] = (50 + 20*float64(i)/3599) * (1 + 0.2*r.NormFloat64())
	}
	begun := time.Now()
	s, _ := steadyOf(p95)
	t.Logf("an hour took %v", time.Since(begun))
	tr := s.Trends[1]
	if c, _ := tr.Change(); tr.N != 150 || tr.Steady || math.Abs(c-0.4) > 0.1 {
		t.Errorf("%+v, changed by %v; want 150 values of 24 s, and 40%%", tr, c)
	}
	if got := fmt.Sprint(grouped(line{1, 3, math.NaN(), 5, math.NaN(), math.NaN(), 9}, 2)); got != "[2 5 NaN]" {
		t.Errorf("grouped: %v, want [2 5 NaN]", got)
	}
}

func TestALargeTrendThatOnlyHolmForgivesIsDoubtful(t *testing.T) {
	s := Steadiness{Trends: []Trend{
		{Series: Series{Name: "p95"}, From: 0.1, To: 0.2, P: 0.03},
		{Series: Series{Name: "p99"}, From: 0.1, To: 0.101, P: 0.03},
		{Series: Series{Name: "p50"}, From: 0.1, To: 0.2, P: 0.2},
		{Series: Series{Name: "load.in_flight"}, From: 100, To: 200, P: 0.001},
	}}
	s.decide()
	// Holm of 0.001 0.03 0.03 0.2: 0.004 0.09 0.09 0.2.
	for i, want := range []struct {
		holm             float64
		steady, doubtful bool
	}{{0.09, true, true}, {0.09, true, false}, {0.2, true, false}, {0.004, false, false}} {
		if x := s.Trends[i]; math.Abs(x.Holm-want.holm) > 1e-12 || x.Steady != want.steady || x.Doubtful != want.doubtful {
			t.Errorf("%s: %v %v %v, want %v", x.Name, x.Holm, x.Steady, x.Doubtful, want)
		}
	}
}

// A trend and one change of level are two looks at one series, and the better counts twice.
func TestTwoLooksCountTwice(t *testing.T) {
	for _, to := range []float64{100, 100.5, 101, 102} {
		s, run := steadyOf(straight(60, 100, to))
		v := empty(60)
		for i := range v {
			v[i] = run.Seconds[10+i].Response.P95.Duration().Seconds()
		}
		perStep, _ := slope(v)
		_, level := levelP(v.known(), rankedOf(v).all().known())
		if tr, want := s.Trends[1], min(1, 2*min(trendP(v, perStep), level)); tr.Name != "p95" || math.Abs(tr.P-want) > 1e-12 {
			t.Errorf("to %v: p %v, not %v", to, tr.P, want)
		}
	}
}
