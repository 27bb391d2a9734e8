package scenarios

import (
	"slices"
	"strings"
)

// didYouMean returns " (did you mean X?)" for the candidate nearest to got, and nothing
// where none is near: a wild guess costs the reader more than no guess.
func didYouMean(got string, candidates []string) string {
	best, least := "", 1+max(1, len(got)/3)
	for _, c := range candidates {
		if d := distance(got, c); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// begunWith suggests the candidates of which got is the beginning.
func begunWith(got string, candidates []string) string {
	var all []string
	for _, c := range candidates {
		if strings.HasPrefix(c, got) {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return ""
	}
	list := all[len(all)-1]
	if others := all[:len(all)-1]; len(others) > 0 {
		list = strings.Join(others, ", ") + " or " + list
	}
	return " (did you mean " + list + "?)"
}

// distance is the number of letters to insert, delete, change or swap with their
// neighbour that makes b of a (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	var last, prev []int
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		last, prev, row = prev, row, make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			change := prev[j]
			if x[i] != y[j] {
				change++
			}
			row[j+1] = min(change, prev[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], last[j-1]+1)
			}
		}
	}
	return row[len(y)]
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
