package compare_test

import (
	"math/rand/v2"
	"os"
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

func allSlower(d time.Duration) time.Duration { return d * 5 / 4 }

// tally counts the outcomes of comparisons of one kind.
type tally struct {
	n, regressed, p99, improved int
	bounds, above               int // lower bounds of response times, and those above 0
	chance                      int // comparisons that would be called without a margin
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
	comparisons, resamples := 100, 2
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
	pool := func(slower func(time.Duration) time.Duration) [][]compare.Run {
		out := make([][]compare.Run, len(noise))
		for i, r := range noise {
			for range resamples {
				out[i] = append(out[i], synthetic(t, r, rng, 60, slower))
			}
		}
		return out
	}
	same, tail, all := pool(unchanged), pool(tailSlower), pool(allSlower)
	var quiet, every []int
	for i := range noise {
		every = append(every, i)
		if compare.Restless(same[i][0], margins) == "" {
			quiet = append(quiet, i)
		}
	}
	if len(quiet) < 12 {
		t.Fatalf("only %d recorded runs are fit for a baseline", len(quiet))
	}
	t.Logf("%d valid recorded runs, of which a baseline takes %d; baselines of 5 runs of 60 s, %d comparisons of each kind", len(noise), len(quiet), comparisons)
	t.Logf("%-30s %-12s %10s %10s %10s %12s %14s", "the new run", "drawn from", "regressed", "p99 called", "improved", "bounds > 0", "without margin")
	for _, kind := range []struct {
		name       string
		runs       [][]compare.Run
		from       []int
		drawn      string
		most, find float64 // of comparisons: called regressed at most, p99 called at least
	}{
		{"unchanged", same, quiet, "accepted", 0.05, 0}, {"unchanged", same, every, "all valid", 0.05, 0},
		{"25% slower above 55 ms", tail, quiet, "accepted", 1, 0.9}, {"25% slower, all", all, quiet, "accepted", 1, 0.9},
		{"25% slower above 55 ms", tail, every, "all valid", 1, 0}, {"25% slower, all", all, every, "all valid", 1, 0},
	} {
		var k tally
		for range comparisons {
			next := kind.from[rng.IntN(len(kind.from))]
			var base []compare.Run
			for _, i := range rng.Perm(len(quiet)) {
				if quiet[i] != next && len(base) < compare.Recommended {
					base = append(base, same[quiet[i]][rng.IntN(resamples)])
				}
			}
			k.add(compare.Against("b", base, kind.runs[next][rng.IntN(resamples)], margins))
		}
		t.Logf("%-30s %-12s %10s %10s %10s %12s %14s", kind.name, kind.drawn, percent(k.regressed, k.n), percent(k.p99, k.n), percent(k.improved, k.n), percent(k.above, k.bounds), percent(k.chance, k.n))
		if float64(k.regressed) > kind.most*float64(k.n) {
			t.Errorf("%s, drawn from %s: %d of %d comparisons are called regressed, allowed are %g", kind.name, kind.drawn, k.regressed, k.n, kind.most*float64(k.n))
		}
		if float64(k.p99) < kind.find*float64(k.n) {
			t.Errorf("%s, drawn from %s: in %d of %d comparisons the p99 is found, at least %g should be", kind.name, kind.drawn, k.p99, k.n, kind.find*float64(k.n))
		}
	}
}
