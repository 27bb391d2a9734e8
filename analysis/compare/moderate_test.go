package compare

import (
	"math"
	"testing"
)

func TestTrigammaAndItsInverse(t *testing.T) {
	for x, want := range map[float64]float64{1: math.Pi * math.Pi / 6, 0.5: math.Pi * math.Pi / 2, 2: math.Pi*math.Pi/6 - 1} {
		if got := trigamma(x); math.Abs(got-want) > 1e-9 {
			t.Errorf("trigamma(%g) = %g, want %g", x, got, want)
		}
	}
	for _, x := range []float64{0.01, 0.7, 2.5, 40, 1e4} {
		if got := inverseTrigamma(trigamma(x)); math.Abs(got-x) > 1e-6*x {
			t.Errorf("the inverse of trigamma(%g) is %g", x, got)
		}
	}
}

// placesOf are response times with the given variances between five runs.
func placesOf(within float64, variances ...float64) []place {
	var all []place
	for _, v := range variances {
		m := Metric{Kind: KindScenario, Scope: "s", Name: "p99", Unit: UnitSeconds, Value: 1, N: 1, Lower: true}
		all = append(all, place{set: set{runs: []Metric{m, m, m, m, m}, next: m}, variance: v, within: within})
	}
	return all
}

func every(Metric) bool { return true }

func TestThePriorIsWorthLessWhereMetricsDisagree(t *testing.T) {
	// Alike to within what chance does with 4 degrees of freedom: worth as much as the runs, 4.
	alike := placesOf(0, 0.0010, 0.0012, 0.0008, 0.0011, 0.0009, 0.0010)
	moderate(alike, every)
	if p := alike[0]; p.df0 != 4 || math.Abs(p.prior-0.001) > 1e-12 {
		t.Errorf("alike: prior %g worth %g, want 0.001 worth 4", p.prior, p.df0)
	}
	apart := placesOf(0, 1e-6, 1e-2, 1e-6, 1e-2, 1e-6, 1e-2)
	moderate(apart, every)
	if p := apart[0]; p.df0 > 0.5 {
		t.Errorf("metrics whose variances differ 10,000-fold share a prior worth %g", p.df0)
	}
	// What the runs' own seconds explain is no variance that all have in common.
	own := placesOf(0.0012, 0.0010, 0.0012, 0.0008, 0.0011, 0.0009, 0.0010)
	moderate(own, every)
	if p := own[0]; p.prior != 0.0012 {
		t.Errorf("prior %g, want that of the seconds, 0.0012", p.prior)
	}
	two := placesOf(0, 0.001, 0.001)
	moderate(two, every)
	if two[0].df0 != 0 {
		t.Error("two metrics make a prior")
	}
}
