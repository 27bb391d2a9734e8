package analysis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// lived is a run of 10 s warm-up and then one judged second for each p95, in ms; 0: no
// arrival of that second succeeded.
func lived(p95 []float64) *observation.Run {
	end := 10 + float64(len(p95))
	run := &observation.Run{
		Header: observation.Header{Phases: []observation.Phase{phase("warm-up", 0, 10, false), phase("steady", 10, end, true)}},
		Footer: &observation.Footer{Ended: lasting(end + 1)},
	}
	for s := range int(end) {
		sec := observation.Second{Start: lasting(float64(s)), Length: lasting(1), Phase: "warm-up", Response: observation.Quantiles{Count: 100, P95: lasting(5)}}
		sec.Planned = 100
		if s >= 10 {
			sec.Phase, sec.Judged = "steady", true
			sec.Response = observation.Quantiles{P95: lasting(p95[s-10] / 1000)}
			if p95[s-10] > 0 {
				sec.Response.Count = 100
			}
		}
		run.Seconds = append(run.Seconds, sec)
	}
	return run
}

func lasting(s float64) observation.Seconds { return observation.Seconds(math.Round(s * 1e9)) }

// gauge is a series read at each whole second from the judged time's begin on, as a
// sampler does: a few milliseconds late.
func gauge(name string, values []float64) Series {
	s := Series{Name: name, Source: "postgres", Unit: scenarios.UnitCount}
	for i, v := range values {
		if !math.IsNaN(v) {
			s.Points = append(s.Points, Point{At: time.Duration(10+i)*time.Second + 3*time.Millisecond, Value: v})
		}
	}
	return s
}

// wave is a first-order autoregression of variance 1.
func wave(r *rand.Rand, n int, rho float64) []float64 {
	v := make([]float64, n)
	x := r.NormFloat64()
	for i := range v {
		v[i] = x
		x = rho*x + math.Sqrt(1-rho*rho)*r.NormFloat64()
	}
	return v
}

// latency turns a wave into milliseconds about 100.
func latency(v []float64) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = 100 * math.Exp(v[i]/5)
	}
	return out
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func TestChanceFindsStayRareAmongManySeries(t *testing.T) {
	const runs, series = 100, 30
	r := seeded(1)
	withFind, listed := 0, 0
	for range runs {
		run := lived(latency(wave(r, 60, 0.8)))
		var all []Series
		for i := range series {
			all = append(all, gauge(fmt.Sprint("s", i), wave(r, 60, 0.8)))
		}
		m := move(run, all)
		if m.Looked != series || m.ByChance != 1.5 {
			t.Fatalf("%d series looked at, %v expected by chance; want 30 and 30*0.05", m.Looked, m.ByChance)
		}
		listed += len(m.Found)
		if len(m.Found) > 0 && m.Found[0].Significant() {
			withFind++
		}
	}
	t.Logf("%d of %d runs have a significant find, %.2f series are listed in each", withFind, runs, float64(listed)/runs)
	if share := float64(withFind) / runs; share > 0.1 {
		t.Errorf("%.0f%% of runs with nothing in them had a significant find, want at most 10%%", share*100)
	}
	if mean := float64(listed) / runs; mean > 1.5 {
		t.Errorf("%.2f series listed by chance in a run, more than the 1.5 that the report announces", mean)
	}
}

func TestASeriesThatLeadsIsFoundFirstWithItsLag(t *testing.T) {
	const runs = 40
	r := seeded(2)
	right := 0
	for range runs {
		// p95 follows the locks of two seconds before.
		locks := wave(r, 62, 0.5)
		p95 := make([]float64, 60)
		for i := range p95 {
			p95[i] = 100 * math.Exp((locks[i]+0.4*r.NormFloat64())/5)
		}
		all := []Series{gauge("locks", locks[2:])} // at second i p95 knows locks[i] = read at i-2
		for i := range 30 {
			all = append(all, gauge(fmt.Sprint("s", i), wave(r, 60, 0.5)))
		}
		if m := move(lived(p95), all); len(m.Found) > 0 {
			if f := m.Found[0]; f.Name == "locks" && f.Lag == 2 && f.Correlation > 0.7 && f.Significant() {
				right++
			}
		}
	}
	t.Logf("right in %d of %d runs", right, runs)
	if right < runs*9/10 {
		t.Errorf("the series that leads was first, 2 s ahead and significant in %d of %d runs", right, runs)
	}
}

func TestAChangeOfLevelIsFoundWhereItHappened(t *testing.T) {
	const runs = 40
	r := seeded(3)
	near, first := 0, 0
	for range runs {
		when := 15 + r.IntN(30)
		p95, conns := latency(wave(r, 60, 0.3)), wave(r, 60, 0.3)
		for i := when; i < 60; i++ {
			p95[i] *= 2
			conns[i] += 5
		}
		all := []Series{gauge("connections", conns)}
		for i := range 30 {
			all = append(all, gauge(fmt.Sprint("s", i), wave(r, 60, 0.3)))
		}
		m := move(lived(p95), all)
		if !m.Moved() || (m.Change.At-time.Duration(10+when)*time.Second).Abs() > 2*time.Second {
			continue
		}
		near++
		if len(m.Found) > 0 && m.Found[0].Name == "connections" && m.Found[0].Level.Delta > 0.9 {
			first++
		}
	}
	t.Logf("%d of %d changes found within 2 s, what changed beside them first %d times", near, runs, first)
	if near < runs*9/10 || first < runs*9/10 {
		t.Errorf("of %d changes %d were found within 2 s, and what changed beside them came first %d times", runs, near, first)
	}
}

func TestLatencyThatOnlyWavesHasNotChangedItsLevel(t *testing.T) {
	r := seeded(4)
	moved := 0
	for range 400 {
		m := move(lived(latency(wave(r, 60, 0.8))), nil)
		if m.Moved() {
			moved++
		}
	}
	t.Logf("%d of 400", moved)
	if moved > 40 {
		t.Errorf("%d of 400 latencies without a change have one", moved)
	}
}

// Much that is sampled only grows: it is larger after any instant than before it.
func TestWhatOnlyGrowsDidNotMoveWithAStep(t *testing.T) {
	r := seeded(5)
	for _, n := range []int{60, 600} {
		found := 0
		for range 40 {
			p95, memory := latency(wave(r, n, 0)), wave(r, n, 0)
			for i := range n {
				if i >= n/2 {
					p95[i] *= 2
				}
				memory[i] += 6 * float64(i) / float64(n)
			}
			m := move(lived(p95), []Series{gauge("memory", memory)})
			if !m.Moved() {
				t.Fatal("p95 doubled and that is no change")
			}
			found += len(m.Found)
		}
		if found > 6 {
			t.Errorf("over %d s a series that only grows was listed in %d of 40 runs", n, found)
		}
	}
}

// step is 20 s of one value and 20 s of another, with a little alternation so that nothing
// is exactly constant.
func step(low, high, by float64) []float64 {
	v := make([]float64, 40)
	for i := range v {
		v[i] = low + by*float64(i%2)
		if i >= 20 {
			v[i] = high + by*float64(i%2)
		}
	}
	return v
}

func TestBeforeAndAfterAreMedians(t *testing.T) {
	m := move(lived(step(100, 200, 10)), []Series{gauge("locks", step(2, 9, 1)), gauge("flat", make([]float64, 40)), gauge("short", step(1, 2, 0)[:19])})
	// 105 is the median of ten 100 and ten 110.
	if c := m.Change; !m.Moved() || c.At != 30*time.Second || c.Before != 105*time.Millisecond || c.After != 205*time.Millisecond {
		t.Errorf("the change is %+v, want from 105 ms to 205 ms at 30 s", c)
	}
	if m.P95 != (Spread{Min: 100e6, Q1: 107.5e6, Median: 155e6, Q3: 202.5e6, Max: 210e6}) {
		t.Errorf("the spread is %+v", m.P95)
	}
	if m.Looked != 1 || m.Constant != 1 || m.Sparse != 1 || len(m.Found) != 1 {
		t.Fatalf("%d looked at, %d constant, %d sparse, %d found; want one each", m.Looked, m.Constant, m.Sparse, len(m.Found))
	}
	if f := m.Found[0]; f.Level == nil || f.Level.Before != 2.5 || f.Level.After != 9.5 || f.Level.Delta != 1 || f.Lag != 0 || f.Points != nil {
		t.Errorf("found %+v with %+v, want from 2.5 to 9.5 with every later value larger", f, f.Level)
	}
	if f := m.Found[0]; f.P != 2*min(f.CorrelationP, f.Level.P) || f.P == 0 || f.Holm != f.P {
		t.Errorf("p %v of %v and %v, after Holm %v: looking twice counts twice, and one series is corrected for one", f.P, f.CorrelationP, f.Level.P, f.Holm)
	}
	if all := strings.Join(m.Cautions, "\n"); !strings.Contains(all, "one change of level is one event") || !strings.Contains(all, "does not say what caused what") {
		t.Errorf("the cautions are %q", all)
	}
}

func TestNothingIsComparedWhereThereIsTooLittle(t *testing.T) {
	p95 := step(100, 200, 10)
	for i := range p95 {
		if i >= 19 {
			p95[i] = 0 // no success: no p95, and not one of 0
		}
	}
	if m := move(lived(p95), []Series{gauge("locks", step(2, 9, 1))}); m.Seconds != 19 || !strings.Contains(m.Reason, "19 whole judged seconds") || m.Found != nil || m.Change != nil {
		t.Errorf("19 s: %+v", m)
	}
	flat := make([]float64, 40)
	for i := range flat {
		flat[i] = 50
	}
	if m := move(lived(flat), []Series{gauge("locks", step(2, 9, 1))}); !strings.Contains(m.Reason, "p95 was 50ms in each of the 40") || m.Found != nil {
		t.Errorf("constant: %+v", m)
	}
	if m := move(&observation.Run{}, nil); m.Reason == "" {
		t.Errorf("an empty record: %+v", m)
	}
}

// A series is looked at in the seconds that have a p95, and only there.
func TestASecondWithoutSuccessesIsNotCompared(t *testing.T) {
	p95, locks := step(100, 200, 10), make([]float64, 40)
	p95[7], locks[7] = 0, 5
	if m := move(lived(p95), []Series{gauge("locks", locks)}); m.Seconds != 39 || m.Constant != 1 || m.Looked != 0 {
		t.Errorf("%d s, %d constant, %d looked at; want 39, 1 and 0", m.Seconds, m.Constant, m.Looked)
	}
}

// One wild second neither is the change of level nor hides one.
func TestOneWildSecondIsNoChangeOfLevel(t *testing.T) {
	p95, locks, other := step(100, 200, 10), step(20, 90, 1), make([]float64, 40)
	p95[0] = 60000
	locks[4] = 1e9
	for i := range other {
		other[i] = float64(i % 3)
	}
	other[25] = 1e9
	m := move(lived(p95), []Series{gauge("locks", locks), gauge("other", other)})
	if !m.Moved() || m.Change.At != 30*time.Second {
		t.Errorf("the change is %+v, want at 30 s", m.Change)
	}
	if len(m.Found) != 1 || m.Found[0].Name != "locks" || m.Found[0].Level.P > 0.01 {
		t.Errorf("found %+v, want the locks alone", m.Found)
	}
}

func TestWhatFollowsFromResponseTimesComesLast(t *testing.T) {
	inFlight, locks := gauge("load.in_flight", step(20, 40, 2)), step(2, 9, 1)
	locks[3], locks[30] = 9, 2 // less clear than the other
	m := move(lived(step(100, 200, 10)), []Series{inFlight, gauge("locks", locks)})
	if len(m.Found) != 2 || m.Found[0].Name != "locks" || m.Found[1].Tied == "" || m.Found[1].P >= m.Found[0].P {
		t.Fatalf("found %+v", m.Found)
	}
	if !strings.Contains(strings.Join(m.Cautions, "\n"), "load.in_flight (by Little's law") {
		t.Errorf("the cautions do not say so: %q", m.Cautions)
	}
}

// Two judged phases, 100 s apart: the last second of one is not beside the first of the other.
func TestNothingIsComparedAcrossAGap(t *testing.T) {
	run := lived(step(100, 200, 10))
	run.Header.Phases = []observation.Phase{phase("one", 10, 30, true), phase("pause", 30, 130, false), phase("two", 130, 150, true)}
	for i := range run.Seconds {
		if i >= 30 {
			run.Seconds[i].Start += lasting(100)
		}
	}
	s := gauge("locks", step(2, 9, 1))
	for i := range s.Points {
		if i >= 20 {
			s.Points[i].At += 100 * time.Second
		}
	}
	w := axisOf(run)
	if len(w.start) != 140 {
		t.Fatalf("%d slots, want 140 of which 40 are judged", len(w.start))
	}
	v, _ := w.align(s)
	_, n := spearman(rankedOf(v), rankedOf(w.p95()), 1)
	if n != 38 { // each phase loses one
		t.Errorf("%d pairs a second apart, want 38", n)
	}
	if m := move(run, []Series{s}); m.Change == nil || m.Change.At != 130*time.Second {
		t.Errorf("the change is %+v, want at 130 s", m.Change)
	}
}

// A record of before the seconds had response times has successes in them.
func TestARecordWithoutResponseTimesDoesNotCallTheRunShort(t *testing.T) {
	run := lived(make([]float64, 30))
	if m := move(run, nil); !strings.HasPrefix(m.Reason, "too short: the response times of 0 whole judged seconds") {
		t.Errorf("no success at all: %q", m.Reason)
	}
	for i := range run.Seconds {
		run.Seconds[i].OK = 100
	}
	if m, want := move(run, nil), "the record does not hold the response times of its seconds (made by an earlier version)"; m.Reason != want {
		t.Errorf("%q, want %q", m.Reason, want)
	}
}
