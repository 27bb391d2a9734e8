package compare_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"arqload/analysis/compare"
)

// margins are those of a plan that says nothing.
var margins = compare.Margins{Relative: 0.1, AtLeastS: 0.005, Errors: 0.00005, Misses: 0.015}

// The changes whose detection is measured. The recorded p95 is about 50 ms, the p99 about 70 ms.
func unchanged(d time.Duration) time.Duration { return d }

func tailSlower(d time.Duration) time.Duration {
	if d < 55*time.Millisecond {
		return d
	}
	return d * 5 / 4
}

// byTheMargin makes runs slower by a tenth: never to be called the same. Where every response time is, each
// quantile is, and how much it varies in itself stays.
func byTheMargin(all [][]compare.Run) [][]compare.Run {
	var out [][]compare.Run
	for _, runs := range all {
		var slower []compare.Run
		for _, r := range runs {
			r.Metrics = slices.Clone(r.Metrics)
			for i := range r.Metrics {
				if r.Metrics[i].Unit == compare.UnitSeconds {
					r.Metrics[i].Value *= 1.1
				}
			}
			slower = append(slower, r)
		}
		out = append(out, slower)
	}
	return out
}

func allSlower(d time.Duration) time.Duration { return d * 5 / 4 }

// tally counts the outcomes of comparisons of one kind.
type tally struct {
	n, regressed, p99, improved int
	bounds, above               int // lower bounds of response times, and those above 0
	chance                      int // comparisons that would be called without a margin
	tenths, same                int // response times with a margin of 10%, and those called the same
}

func (k *tally) add(c compare.Comparison) {
	k.n++
	p99, better, chance := false, false, false
	for _, x := range c.Changes {
		if !x.Decides {
			continue
		}
		p99 = p99 || x.Metric.Name == "p99" && x.Verdict == compare.Regressed
		better = better || x.Verdict == compare.Improved
		if x.Metric.Unit == compare.UnitSeconds {
			k.bounds++
			if x.Low > 0 {
				k.above++
			}
			if near(x.Margin, 0.1, 1e-6) { // the others' is that of 5 ms
				k.tenths++
				if x.Verdict == compare.Same {
					k.same++
				}
			}
			chance = chance || x.Adjusted < 1-compare.Confidence
		}
	}
	for _, is := range []struct {
		so bool
		n  *int
	}{{c.Regressed, &k.regressed}, {p99, &k.p99}, {better, &k.improved}, {chance, &k.chance}} {
		if is.so {
			*is.n++
		}
	}
}

func percent(k, n int) string {
	return strconv.FormatFloat(100*float64(k)/float64(n), 'f', 1, 64) + "%"
}

// TestCalibratedOnRecordedNoise compares runs that are made of recorded ones, baseline and new
// run always of different ones: of a system with itself, and with one that became slower. The
// baseline's five runs are of those that `baseline add` takes; the new run also of the others
// that are valid, on which other work on the machine lay.
// ARQLOAD_CALIBRATE=5000 makes so many comparisons of each kind.
func TestCalibratedOnRecordedNoise(t *testing.T) {
	comparisons, resamples := 200, 1
	if n, err := strconv.Atoi(os.Getenv("ARQLOAD_CALIBRATE")); err == nil {
		comparisons, resamples = n, 8
	}
	rng := rand.New(rand.NewPCG(42, 1))
	var noise []noiseRun
	for _, r := range readNoise(t) {
		if r.valid {
			noise = append(noise, r)
		}
	}
	// pool makes runs of each recorded one; steady are those that a baseline takes.
	pool := func(slower func(time.Duration) time.Duration) (all, steady [][]compare.Run) {
		for _, r := range noise {
			var a, s []compare.Run
			for range resamples {
				x := synthetic(t, r, rng, 60, slower)
				a = append(a, x)
				if compare.Restless(x, margins) == "" {
					s = append(s, x)
				}
			}
			all, steady = append(all, a), append(steady, s)
		}
		return all, steady
	}
	same, steady := pool(unchanged)
	tail, steadyTail := pool(tailSlower)
	slow, steadySlow := pool(allSlower)
	steadyTenth := byTheMargin(steady)
	fit := 0
	for _, runs := range steady {
		if len(runs) > 0 {
			fit++
		}
	}
	if fit < 9 {
		t.Fatalf("only %d recorded runs are fit for a baseline", fit)
	}
	// draw takes a run made of another recorded one than those that are taken.
	draw := func(from [][]compare.Run, taken map[int]bool) compare.Run {
		for {
			i := rng.IntN(len(from))
			if len(from[i]) > 0 && !taken[i] {
				taken[i] = true
				return from[i][rng.IntN(len(from[i]))]
			}
		}
	}
	t.Logf("%d valid recorded runs, of which a baseline takes %d; runs of 60 s, %d comparisons of each kind", len(noise), fit, comparisons)
	t.Logf("%-8s %-30s %-12s %10s %10s %10s %12s %14s %8s", "baseline", "the new run", "drawn from", "regressed", "p99 called", "improved", "bounds > 0", "without margin", "same")
	for _, kind := range []struct {
		name       string
		from       [][]compare.Run
		drawn      string
		runs       int     // of the baseline
		most, find float64 // of comparisons: called regressed at most, p99 called at least
	}{
		{"unchanged", steady, "accepted", 5, 0.05, 0}, {"unchanged", same, "all valid", 5, 0.05, 0},
		{"25% slower above 55 ms", steadyTail, "accepted", 5, 1, 0.9}, {"25% slower, all", steadySlow, "accepted", 5, 1, 0.9},
		{"25% slower above 55 ms", tail, "all valid", 5, 1, 0}, {"25% slower, all", slow, "all valid", 5, 1, 0},
		{"unchanged", same, "all valid", 3, 0.05, 0}, {"25% slower above 55 ms", steadyTail, "accepted", 3, 1, 0},
		{"unchanged", same, "all valid", 2, 0.05, 0}, {"25% slower above 55 ms", steadyTail, "accepted", 2, 1, 0},
		{"10% slower, all", steadyTenth, "accepted", 5, 1, 0}, {"10% slower, all", steadyTenth, "accepted", 3, 1, 0}, {"10% slower, all", steadyTenth, "accepted", 2, 1, 0},
	} {
		var k tally
		for range comparisons {
			taken := map[int]bool{}
			next := draw(kind.from, taken)
			var base []compare.Run
			for range kind.runs {
				base = append(base, draw(steady, taken))
			}
			k.add(compare.Against("b", base, next, margins))
		}
		t.Logf("%-8d %-30s %-12s %10s %10s %10s %12s %14s %8s", kind.runs, kind.name, kind.drawn, percent(k.regressed, k.n), percent(k.p99, k.n), percent(k.improved, k.n), percent(k.above, k.bounds), percent(k.chance, k.n), percent(k.same, k.tenths))
		if float64(k.regressed) > kind.most*float64(k.n) {
			t.Errorf("%d runs, %s, drawn from %s: %d of %d comparisons are called regressed, allowed are %g", kind.runs, kind.name, kind.drawn, k.regressed, k.n, kind.most*float64(k.n))
		}
		// A twentieth by right; those of one comparison move together, so 200 comparisons tell it to some 2%.
		if kind.name == "10% slower, all" && float64(k.same) > 0.09*float64(k.tenths) {
			t.Errorf("%d runs: of %d response times that are worse by their margin %d are called the same", kind.runs, k.tenths, k.same)
		}
		if float64(k.p99) < kind.find*float64(k.n) {
			t.Errorf("%d runs, %s, drawn from %s: in %d of %d comparisons the p99 is found, at least %g should be", kind.runs, kind.name, kind.drawn, k.p99, k.n, kind.find*float64(k.n))
		}
	}
}
