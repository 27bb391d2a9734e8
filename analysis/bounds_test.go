package analysis

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"arqload/analysis/observation"
)

// counter keeps a statement's counters as PostgreSQL does: milliseconds, Welford's sums,
// population deviation. It is read as the collector reads it: in seconds.
type counter struct {
	calls                    int64
	total, mean, m2, lo, top float64
}

func (c *counter) add(ms float64) {
	c.calls++
	c.total += ms
	if c.calls == 1 {
		c.mean, c.m2, c.lo, c.top = ms, 0, ms, ms
		return
	}
	old := c.mean
	c.mean += (ms - old) / float64(c.calls)
	c.m2 += (ms - old) * (ms - c.mean)
	c.lo, c.top = min(c.lo, ms), max(c.top, ms)
}

func (c *counter) row() observation.Statement {
	s := observation.Statement{StatementKey: observation.StatementKey{UserID: 1, DBID: 1, QueryID: 1, TopLevel: true}}
	s.Calls, s.Rows = c.calls, c.calls
	s.Total, s.Mean, s.Min, s.Max = c.total/1000, c.mean/1000, c.lo/1000, c.top/1000
	if c.calls > 1 {
		s.Stddev = math.Sqrt(c.m2/float64(c.calls)) / 1000
	}
	return s
}

// intervals runs calls (in ms) through a counter with a history and reads it at the splits.
func intervals(t interface{ Errorf(string, ...any) }, c *counter, calls []float64, splits []int) []moments {
	var out []moments
	read := func(a *observation.Statement) *observation.Statement {
		b := c.row()
		if m, ok := between(a, b); !ok {
			t.Errorf("a sound history was refused: %+v to %+v", a, b)
		} else if m.n > 0 {
			out = append(out, m)
		}
		return &b
	}
	var last *observation.Statement
	if c.calls > 0 {
		row := c.row()
		last = &row
	}
	for i, ms := range calls {
		c.add(ms)
		if slices.Contains(splits, i) {
			last = read(last)
		}
	}
	read(last)
	return out
}

func countSlow(calls []float64, limit float64) (n int64) {
	for _, ms := range calls {
		if ms/1000 >= limit {
			n++
		}
	}
	return n
}

func TestTheBoundsHoldForEverySetOfCalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.OneOf(
			rapid.Float64Range(0.001, 2000),
			rapid.SampledFrom([]float64{1, 10, 499.999, 500, 500.001, 700}),
		)
		history := rapid.SliceOfN(one, 0, 30).Draw(t, "history")
		calls := rapid.SliceOfN(one, 1, 60).Draw(t, "calls")
		splits := rapid.SliceOfN(rapid.IntRange(0, len(calls)-1), 0, 5).Draw(t, "splits")
		limit := rapid.OneOf(rapid.Float64Range(0.0001, 2.1), rapid.SampledFrom([]float64{0.001, 0.5, 0.7})).Draw(t, "limit")
		var c counter
		for _, ms := range history {
			c.add(ms)
		}
		all := intervals(t, &c, calls, splits)
		slow := countSlow(calls, limit)
		if hi := slowAtMost(all, limit); slow > hi {
			t.Fatalf("%d calls took %v s or longer, at most %d are said to", slow, limit, hi)
		}
		if lo := slowAtLeast(all, limit); slow < lo {
			t.Fatalf("%d calls took %v s or longer, at least %d are said to", slow, limit, lo)
		}
		permitted := int64(len(calls)) / 10
		upper, ok := upperQuantile(all, permitted, 0)
		if !ok || countSlow(calls, upper.Seconds()) > permitted {
			t.Fatalf("%d of %d calls take %v or longer, %d at most are said to", countSlow(calls, upper.Seconds()), len(calls), upper, permitted)
		}
	})
}

// Slack on the variance must go both ways: found by the test above in its 78,709th set.
func TestRoundingNarrowsNoBound(t *testing.T) {
	var c counter
	all := intervals(t, &c, []float64{499.999, 500, 500.001}, nil)
	if lo, hi := slowAtLeast(all, 0.5), slowAtMost(all, 0.5); lo > 2 || hi < 2 {
		t.Errorf("2 of 3 calls took 0.5 s or longer, said are %d to %d", lo, hi)
	}
}

func TestTheBoundsAreMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c counter
		calls := rapid.SliceOfN(rapid.Float64Range(0.01, 1000), 1, 40).Draw(t, "calls")
		all := intervals(t, &c, calls, nil)
		a, b := rapid.Float64Range(0, 1.1).Draw(t, "a"), rapid.Float64Range(0, 1.1).Draw(t, "b")
		if a > b {
			a, b = b, a
		}
		if slowAtMost(all, a) < slowAtMost(all, b) || slowAtLeast(all, a) < slowAtLeast(all, b) {
			t.Fatalf("more calls over %v than over %v: at most %d and %d, at least %d and %d", b, a,
				slowAtMost(all, b), slowAtMost(all, a), slowAtLeast(all, b), slowAtLeast(all, a))
		}
	})
}

// A billion earlier calls leave about 6 of 16 digits: the bounds must still hold.
func TestTheBoundsHoldAfterALongHistory(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, sd := range []float64{0, 0.001, 1, 500} {
		for range 200 {
			c := counter{calls: 1e9, total: 2e12, mean: 2000, m2: sd * sd * 1e9, lo: 1, top: 4000}
			if sd == 0 {
				c.lo, c.top = 2000, 2000
			}
			calls := make([]float64, 1+rng.IntN(200))
			for i := range calls {
				calls[i] = max(1, 2000+sd*rng.NormFloat64())
			}
			all := intervals(t, &c, calls, []int{len(calls) / 2})
			for _, limit := range []float64{1.9, 2, 2.001, 2.5} {
				slow := countSlow(calls, limit)
				if lo, hi := slowAtLeast(all, limit), slowAtMost(all, limit); slow < lo || slow > hi {
					t.Errorf("deviation %v ms: %d of %d calls took %v s or longer, said are %d to %d", sd, slow, len(calls), limit, lo, hi)
				}
			}
		}
	}
}

// The mixes of , made instead of measured. Each says how one statement's
// calls are spread; the program knows only what PostgreSQL would tell.
func TestKnownMixes(t *testing.T) {
	const calls = 20_000
	// fast calls take about 2 ms, as pg_sleep(0.002) does, or 2 to 8 ms.
	fast := func(r *rand.Rand) float64 { return 2 + 0.1*r.ExpFloat64() }
	spread := func(r *rand.Rand) float64 { return 2 + 6*r.Float64() }
	rare := func(share, slow float64, others func(*rand.Rand) float64) func(*rand.Rand) float64 {
		return func(r *rand.Rand) float64 {
			if r.Float64() < share {
				return slow + 5*r.Float64()
			}
			return others(r)
		}
	}
	exponential := func(mean, most float64) func(*rand.Rand) float64 {
		return func(r *rand.Rand) float64 { return min(most, 0.5+mean*r.ExpFloat64()) }
	}
	for _, c := range []struct {
		name  string
		mix   []func(*rand.Rand) float64 // one a statement
		want  Decision
		upper time.Duration // p99 is proved to be below
	}{
		{"A: five statements, one of them slow", []func(*rand.Rand) float64{
			exponential(2, 60), exponential(5, 120), exponential(12, 205), fast, rare(0.0096, 600, fast),
		}, DecisionMet, 400 * time.Millisecond},
		{"B: 1.5% take 700 ms", []func(*rand.Rand) float64{rare(0.015, 700, fast)}, DecisionMissed, 710 * time.Millisecond},
		{"C: 0.4% take 700 ms", []func(*rand.Rand) float64{rare(0.004, 700, fast)}, DecisionMet, 60 * time.Millisecond},
		{"B with fast calls of different lengths: the same sums fit under 1% and over", []func(*rand.Rand) float64{rare(0.015, 700, spread)}, DecisionUndecided, 710 * time.Millisecond},
		{"F: a fat tail that ends at 450 ms", []func(*rand.Rand) float64{exponential(60, 450)}, DecisionMet, 450*time.Millisecond + 1},
	} {
		rng := rand.New(rand.NewPCG(7, 7))
		var all []moments
		var times []float64
		for _, draw := range c.mix {
			var cnt counter
			for range 1000 {
				cnt.add(draw(rng)) // before the window
			}
			one := make([]float64, calls)
			for i := range one {
				one[i] = draw(rng)
			}
			times = append(times, one...)
			var splits []int
			for i := range 12 { // a reading every 2 s of 24 s
				splits = append(splits, (i+1)*calls/12-1)
			}
			all = append(all, intervals(t, &cnt, one, splits)...)
		}
		d := Database{StatementsOK: true, work: all, Counters: DatabaseCounters{OK: true}}
		got := d.Query(0.99, 500*time.Millisecond, false)
		n := float64(len(times))
		t.Logf("%s: true share %.3f%%, proved %.3f%% to %.3f%%, p99 < %v", c.name, 100*float64(countSlow(times, 0.5))/n,
			100*float64(got.SlowLow)/n, 100*float64(got.SlowHigh)/n, got.Upper)
		if got.Decision != c.want || (got.Claim == ClaimProved) != (c.want != DecisionUndecided) || got.N != int64(len(times)) {
			t.Errorf("%s: %+v, want proved %s", c.name, got, c.want)
		}
		if slow := countSlow(times, 0.5); slow < got.SlowLow || slow > got.SlowHigh {
			t.Errorf("%s: %d slow calls are not within %d..%d", c.name, slow, got.SlowLow, got.SlowHigh)
		}
		if !got.UpperOK || got.Upper > c.upper || countSlow(times, got.Upper.Seconds()) > int64(n)/100 {
			t.Errorf("%s: p99 proved below %v, want a true bound of at most %v", c.name, got.Upper, c.upper)
		}
	}
}

func TestAllowedCountsAreExact(t *testing.T) {
	for _, c := range []struct {
		q       float64
		n, want int64
	}{
		{0.99, 100, 1}, {0.99, 99, 0}, {0.99, 299, 2}, {0.9, 10, 1}, {0.95, 20, 1}, {0.999, 1000, 1}, {0.999, 999, 0},
		{0.5, 2, 1}, {0.99, 9_000_000_000_000, 90_000_000_000}, {0.9995, 2000, 1}, {0, 5, 5},
	} {
		if got := allowed(c.q, c.n); got != c.want {
			t.Errorf("allowed(%v, %d) = %d, want %d", c.q, c.n, got, c.want)
		}
	}
}

func TestRowsOfTwoLivesAreRefused(t *testing.T) {
	base := observation.Statement{Calls: 10, Total: 1, Mean: 0.1, Stddev: 0.01, Min: 0.08, Max: 0.12, Rows: 10}
	since := base
	since.Since = time.Unix(1, 0)
	for name, change := range map[string]func(*observation.Statement){
		"calls went back":                func(s *observation.Statement) { s.Calls = 9 },
		"total went back":                func(s *observation.Statement) { s.Calls, s.Total = 20, 0.5 },
		"the maximum fell":               func(s *observation.Statement) { s.Calls, s.Total, s.Max = 20, 2, 0.11 },
		"time without calls":             func(s *observation.Statement) { s.Total = 1.1 },
		"a mean above the maximum":       func(s *observation.Statement) { s.Calls, s.Total = 11, 1.2 },
		"a mean below the minimum":       func(s *observation.Statement) { s.Calls, s.Total, s.Rows = 30, 1.5, 30 },
		"less deviation than before":     func(s *observation.Statement) { s.Calls, s.Total, s.Stddev = 20, 2, 0.001 },
		"counted since another time":     func(s *observation.Statement) { s.Calls, s.Total, s.Since = 20, 2, time.Unix(9, 0) },
		"minimum and maximum were reset": func(s *observation.Statement) { s.Calls, s.Total, s.MinMaxSince = 20, 2, time.Unix(9, 0) },
		"evicted and called 25 times since": func(s *observation.Statement) {
			*s = observation.Statement{Calls: 25, Total: 0.9, Mean: 0.036, Min: 0.03, Max: 0.12, Rows: 25}
		},
	} {
		after := base
		change(&after)
		if m, ok := between(&base, after); ok {
			t.Errorf("%s: taken for %+v", name, m)
		}
	}
}
