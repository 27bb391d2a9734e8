package compare_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"arqload/analysis/compare"
)

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

// TestCalibratedOnRecordedNoise compares runs that are made of recorded ones, baseline and new
// run always of different ones: of a system with itself, and of one that became slower.
// ARQLOAD_CALIBRATE=5000 makes so many comparisons of each kind.
func TestCalibratedOnRecordedNoise(t *testing.T) {
	noise := readNoise(t)
	comparisons, resamples := 200, 2
	if n, err := strconv.Atoi(os.Getenv("ARQLOAD_CALIBRATE")); err == nil {
		comparisons, resamples = n, 8
	}
	rng := rand.New(rand.NewPCG(42, 1))
	pool := func(slower func(time.Duration) time.Duration) [][]compare.Run {
		out := make([][]compare.Run, len(noise))
		for i, r := range noise {
			for range resamples {
				out[i] = append(out[i], synthetic(t, r, rng, 60, slower))
			}
		}
		return out
	}
	null := pool(unchanged)
	t.Logf("%d recorded runs, baselines of 5 runs of 60 s, %d comparisons of each kind", len(noise), comparisons)
	t.Logf("%-34s %12s %12s %14s %12s", "the new run", "regressed", "p99 called", "p99 'same'", "improved")
	for _, kind := range []struct {
		name string
		runs [][]compare.Run
	}{{"unchanged", null}, {"25% slower above 55 ms (p99)", pool(tailSlower)}, {"25% slower, all", pool(allSlower)}} {
		var regressed, called, same, improved, bounds, above, anyChance int
		by := map[string]int{}
		for range comparisons {
			pick := rng.Perm(len(noise))[:6]
			var base []compare.Run
			for _, i := range pick[1:] {
				base = append(base, null[i][rng.IntN(resamples)])
			}
			c := compare.Against("b", base, kind.runs[pick[0]][rng.IntN(resamples)], margins)
			if c.Regressed {
				regressed++
			}
			p99, better, all := false, false, true
			chance := false
			for _, x := range c.Changes {
				if !x.Decides {
					continue
				}
				if x.Verdict == compare.Regressed {
					by[x.Metric.Label()]++
				}
				if x.Metric.Unit == compare.UnitSeconds {
					bounds++
					if x.Low > 0 {
						above++
					}
					chance = chance || x.Adjusted < 0.05
				}
				better = better || x.Verdict == compare.Improved
				if x.Metric.Name == "p99" {
					p99 = p99 || x.Verdict == compare.Regressed
					all = all && x.Verdict == compare.Same
				}
			}
			if chance {
				anyChance++
			}
			if p99 {
				called++
			}
			if all {
				same++
			}
			if better {
				improved++
			}
		}
		share := func(k int) string { return strconv.FormatFloat(100*float64(k)/float64(comparisons), 'f', 1, 64) + "%" }
		t.Logf("%-34s %12s %12s %14s %12s  %v", kind.name, share(regressed), share(called), share(same), share(improved), by)
		t.Logf("%-34s lower bounds above 0: %.1f%%; without the margin regressed: %s", "", 100*float64(above)/float64(bounds), share(anyChance))
	}
}

var _ = strings.TrimSpace
