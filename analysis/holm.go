package analysis

import (
	"cmp"
	"math"
	"slices"
)

// Holm corrects p values, in any order, for their number m: the i-th smallest (from 0) counts
// m-i times, and at least as much as the one before it. One that is not known (NaN) counts as 1.
// Source: Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
func Holm(ps []float64) []float64 {
	order, known := make([]int, len(ps)), make([]float64, len(ps))
	for i, p := range ps {
		order[i], known[i] = i, p
		if math.IsNaN(p) {
			known[i] = 1
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(known[a], known[b]) })
	out := make([]float64, len(ps))
	worst := 0.0
	for rank, i := range order {
		worst = max(worst, min(1, known[i]*float64(len(ps)-rank)))
		out[i] = worst
	}
	return out
}
