package compare

import (
	"testing"

	"arqload/analysis"
)

func TestACacheOfWhichAPartIsLostIsNotCompared(t *testing.T) {
	for partial, metrics := range map[string]int{"": 3, "a node was not read": 0} {
		s := analysis.Summary{Cache: analysis.Cache{Available: true, OK: true, Partial: partial, Hits: 90, Misses: 10, HitRatio: 0.9}}
		s.Total.Sent = 100
		var r Run
		r.cache(&s)
		if len(r.Metrics) != metrics || len(r.Watched) != min(metrics, 1) {
			t.Errorf("partial %q: %v of %v", partial, r.Metrics, r.Watched)
		}
	}
}
