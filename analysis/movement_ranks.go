package analysis

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// line is one value a second, NaN where there is none.
type line []float64

// ranked is a line with its values in ascending order, so that any part of it can be ranked
// without sorting again.
type ranked struct {
	line
	order []int // of the seconds that have a value
}

func rankedOf(v line) ranked {
	r := ranked{line: v}
	for i, x := range v {
		if !math.IsNaN(x) {
			r.order = append(r.order, i)
		}
	}
	slices.SortFunc(r.order, func(a, b int) int { return cmp.Compare(v[a], v[b]) })
	return r
}

// ranks returns the ranks of the seconds that keep allows, from 1, NaN elsewhere; equal
// values share the mean of their ranks. ties is the sum of t^3-t over groups of t equal ones.
func (r ranked) ranks(keep func(second int) bool) (ranks line, n int, ties float64) {
	ranks = empty(len(r.line))
	var group []int
	close := func() {
		t := float64(len(group))
		for _, i := range group {
			ranks[i] = float64(n) + (t+1)/2
		}
		n += len(group)
		ties += t*t*t - t
		group = group[:0]
	}
	for _, i := range r.order {
		if !keep(i) {
			continue
		}
		if len(group) > 0 && r.line[group[0]] != r.line[i] {
			close()
		}
		group = append(group, i)
	}
	close()
	return ranks, n, ties
}

// all returns the ranks of everything.
func (r ranked) all() line {
	ranks, _, _ := r.ranks(func(int) bool { return true })
	return ranks
}

// empty is a line without a value.
func empty(n int) line {
	v := make(line, n)
	for i := range v {
		v[i] = math.NaN()
	}
	return v
}

// known returns the values that are there, in the order of time.
func (v line) known() []float64 {
	return slices.DeleteFunc(slices.Clone(v), math.IsNaN)
}

// varies reports whether two of the values differ.
func (v line) varies() bool {
	k := v.known()
	return len(k) > 0 && slices.Min(k) != slices.Max(k)
}

// spearman returns Spearman's rank correlation of x with y lag seconds later, over the n
// seconds in which both have a value: Pearson's correlation of their average ranks.
// Source: Spearman, American Journal of Psychology 15 (1904); ties as in Kendall, Rank
// Correlation Methods, ch. 3. It is NaN where one of them does not vary.
func spearman(x, y ranked, lag int) (rho float64, n int) {
	both := func(i, j int) bool {
		return i >= 0 && j >= 0 && i < len(x.line) && j < len(y.line) && !math.IsNaN(x.line[i]) && !math.IsNaN(y.line[j])
	}
	a, _, _ := x.ranks(func(i int) bool { return both(i, i+lag) })
	b, _, _ := y.ranks(func(j int) bool { return both(j-lag, j) })
	p, q := a.known(), b.known()
	if len(p) < 2 {
		return math.NaN(), len(p)
	}
	return stat.Correlation(p, q, nil), len(p)
}
