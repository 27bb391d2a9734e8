package analysis

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

func TestProvableIsTheFewestGoodArrivals(t *testing.T) {
	for _, c := range []struct {
		limit float64
		n     uint64
	}{{0.5, 5}, {0.05, 59}, {0.01, 299}, {0.001, 2995}, {0.0005, 5990}} {
		if got := Provable(c.limit); got != c.n {
			t.Errorf("Provable(%v) = %d, want %d", c.limit, got, c.n)
		}
		if _, u := Bounds(0, float64(c.n), Confidence); u >= c.limit {
			t.Errorf("%d good arrivals bound the share by %v, not below %v", c.n, u, c.limit)
		}
		if _, u := Bounds(0, float64(c.n-1), Confidence); u < c.limit {
			t.Errorf("%d good arrivals already prove %v", c.n-1, c.limit)
		}
	}
}

func TestErrorRateDecisionsAtKnownCounts(t *testing.T) {
	// How many bad of n still prove < 0.05%, and how many disprove it.
	for _, c := range []struct{ n, pass, fail float64 }{{60_000, 20, 40}, {300_000, 129, 171}, {600_000, 271, 330}, {3_600_000, 1730, 1871}} {
		_, u := Bounds(c.pass, c.n, Confidence)
		_, next := Bounds(c.pass+1, c.n, Confidence)
		if u >= 0.0005 || next < 0.0005 {
			t.Errorf("n=%v: %v bad bound the share by %v, %v by %v; the limit should lie between", c.n, c.pass, u, c.pass+1, next)
		}
		l, _ := Bounds(c.fail, c.n, Confidence)
		before, _ := Bounds(c.fail-1, c.n, Confidence)
		if l < 0.0005 || before >= 0.0005 {
			t.Errorf("n=%v: %v bad have the lower bound %v, %v have %v; the limit should lie between", c.n, c.fail, l, c.fail-1, before)
		}
	}
}

func TestBoundsHoldTheirDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 5000).Draw(t, "n")
		k := rapid.Int64Range(0, n).Draw(t, "k")
		l, u := Bounds(float64(k), float64(n), Confidence)
		// P(X <= k | upper) = 5% and P(X >= k | lower) = 5%.
		if k < n {
			if p := (distuv.Binomial{N: float64(n), P: u}).CDF(float64(k)); math.Abs(p-0.05) > 1e-6 {
				t.Fatalf("P(X<=%d | n=%d, p=%v) = %v, want 0.05", k, n, u, p)
			}
		}
		if k > 0 {
			if p := 1 - (distuv.Binomial{N: float64(n), P: l}).CDF(float64(k-1)); math.Abs(p-0.05) > 1e-6 {
				t.Fatalf("P(X>=%d | n=%d, p=%v) = %v, want 0.05", k, n, l, p)
			}
		}
		if !(l <= float64(k)/float64(n) && float64(k)/float64(n) <= u) {
			t.Fatalf("%d/%d is outside %v..%v", k, n, l, u)
		}
	})
}

func TestDispersionSeesFailuresInBursts(t *testing.T) {
	even, burst := make([]share, 20), make([]share, 20)
	for i := range even {
		even[i] = share{bad: 1, all: 1000}
		burst[i] = share{all: 1000}
	}
	burst[7].bad = 20
	if phi, b, ok := dispersion(even); phi != 1 || b != 20 || !ok {
		t.Errorf("even: phi %v over %d batches, %v", phi, b, ok)
	}
	// p = 0.001: 19 batches give (0-1)^2/0.999, one gives (20-1)^2/0.999; x = 380/0.999/19 = 20.02.
	// Neighbours: (17 - 2*19)/380 = -0.055, so growth is 1 and t has 19 degrees: 1.7291.
	// 1 + 19.02 (1.7291/1.6449)^2 = 22.02.
	if phi, _, ok := dispersion(burst); math.Abs(phi-22.02) > 0.01 || !ok {
		t.Errorf("burst: phi %v, want 22.02", phi)
	}
	if _, _, ok := dispersion(burst[:9]); ok {
		t.Error("phi was estimated from 9 seconds")
	}
	if _, _, ok := dispersion(make([]share, 20)); ok {
		t.Error("phi was estimated from no arrivals")
	}
}

func TestBadTimesThatLastLetTheDispersionGrow(t *testing.T) {
	// Ten seconds with ten bad ones each: every other second, and in a row.
	apart, together := make([]share, 20), make([]share, 20)
	for i := range apart {
		apart[i] = share{bad: float64(10 * (i % 2)), all: 1000}
		together[i] = share{bad: float64(10 * (i / 10)), all: 1000}
	}
	// p = 0.005, x = 20 * 5^2/4.975 / 19 = 5.29 in both. Apart: neighbours are opposite, growth is 1, and phi
	// 1 + 4.29 (1.7291/1.6449)^2 = 5.74. Together: r_1 = 17/20 * 20/19 = 0.89, which less bias is over 0.99.
	a, _, _ := dispersion(apart)
	b, _, _ := dispersion(together)
	if math.Abs(a-5.74) > 0.01 || b < 20*a {
		t.Errorf("apart: phi %v, want 5.74; in a row: %v, want far more", a, b)
	}
}

func TestNeededArrivalsProveTheLimit(t *testing.T) {
	n, ok := needed(once{}, 2, 10_000, 1, 0.0005)
	if !ok {
		t.Fatal("0.02% can prove < 0.05%")
	}
	if _, u := Bounds(0.0002*n, n, Confidence); u >= 0.0005 {
		t.Errorf("%v arrivals at 0.02%% bound the share by %v", n, u)
	}
	if _, ok := needed(once{}, 10, 10_000, 1, 0.0005); ok {
		t.Error("0.1% can never prove < 0.05%")
	}
}

func TestMeanIntervalAgainstATable(t *testing.T) {
	// 1..5: mean 3, s = sqrt(2.5), t(4, 95%) = 2.1318; half = 2.1318*sqrt(2.5/5) = 1.5074.
	mean, low, high, ok := meanInterval([]float64{1, 2, 3, 4, 5}, once{})
	if !ok || mean != 3 || math.Abs(low-1.4926) > 1e-3 || math.Abs(high-4.5074) > 1e-3 {
		t.Errorf("got %v in %v..%v", mean, low, high)
	}
	if _, _, _, ok := meanInterval([]float64{1}, once{}); ok {
		t.Error("one value has no interval")
	}
}

func TestRatioIntervalWeighsByReads(t *testing.T) {
	// 90 of 100 and 0 of 1: the ratio is 90/101, not the mean of 0.9 and 0.
	r, _, _, ok := ratioInterval([]float64{90, 0}, []float64{100, 1}, once{})
	if !ok || math.Abs(r-90.0/101) > 1e-12 {
		t.Errorf("ratio %v, want %v", r, 90.0/101)
	}
	if _, _, _, ok := ratioInterval([]float64{0, 0}, []float64{0, 0}, once{}); ok {
		t.Error("no reads have no ratio")
	}
}
