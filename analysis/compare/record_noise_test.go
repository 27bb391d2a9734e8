//go:build record

package compare_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"arqload/analysis"
	"arqload/analysis/observation"
	"arqload/reports/bundle"
)

// TestRecordNoise is no test but writes noiseFile from the bundles below $ARQLOAD_NOISE:
//
//	ARQLOAD_NOISE=DIR go test -tags record -run TestRecordNoise ./analysis/compare
func TestRecordNoise(t *testing.T) {
	dir := os.Getenv("ARQLOAD_NOISE")
	if dir == "" {
		t.Fatal("ARQLOAD_NOISE names no folder of bundles")
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "*", bundle.ReportJSON))
	var b strings.Builder
	for _, p := range paths {
		run, err := bundle.Read(filepath.Dir(p))
		if err != nil || run.Footer == nil || run.Footer.Interrupted {
			t.Logf("left out: %s: %v", p, err)
			continue
		}
		sum := analysis.Summarize(run)
		fmt.Fprintf(&b, "run %s %t", run.Header.ID, len(sum.Invalid(demands(t))) == 0)
		for i := range 101 {
			d, _ := sum.Generator.Lag.Quantile(float64(i) / 100)
			fmt.Fprintf(&b, " %d", d.Microseconds()/10)
		}
		b.WriteByte('\n')
		for _, s := range run.Seconds {
			if !s.Judged {
				continue
			}
			for _, lane := range run.Header.Lanes {
				h := run.PerSecond[observation.Series{Scenario: lane.Scenario, Step: observation.All, Outcome: observation.OK, Clock: observation.Response}][s.Start]
				if h == nil || s.Scenarios[lane.Scenario].Failed > 0 {
					t.Logf("%s: second %v has no %s, or failures", run.Header.ID, s.Start, lane.Scenario)
					continue
				}
				n := int(h.Count())
				var all []int
				for r := int64(1); r <= h.Count(); r++ {
					_, high, _ := h.AtRank(r)
					all = append(all, int((high+50*time.Microsecond)/(100*time.Microsecond)))
				}
				lower := n - n/10
				kept := make([]int, 0, n)
				for d := range deciles {
					kept = append(kept, all[d*(lower-1)/(deciles-1)])
				}
				fmt.Fprintf(&b, "%s %d", lane.Scenario, n)
				before := 0
				for _, v := range append(kept, all[lower:]...) {
					fmt.Fprintf(&b, " %d", v-before)
					before = v
				}
				b.WriteByte('\n')
			}
			b.WriteString("second\n")
		}
	}
	if err := os.WriteFile(noiseFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
