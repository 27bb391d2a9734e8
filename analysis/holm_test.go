package analysis

import (
	"math"
	"testing"
)

func TestHolmByHand(t *testing.T) {
	for _, x := range []struct{ ps, want []float64 }{
		{[]float64{0.01, 0.02, 0.03, 0.6}, []float64{0.04, 0.06, 0.06, 0.6}},
		// With the one that is not known the factors are 5, 4, 3, 2, 1.
		{[]float64{0.03, 0.01, math.NaN(), 0.04, 0.02}, []float64{0.09, 0.05, 1, 0.09, 0.08}},
		{nil, nil},
	} {
		for i, got := range Holm(x.ps) {
			near(t, "p", got, x.want[i])
		}
	}
}
