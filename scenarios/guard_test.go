package scenarios_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"arqload/scenarios"
)

func TestAGuardMeansWhatItSays(t *testing.T) {
	for text, want := range map[string]scenarios.Guard{
		"error_rate > 50% over 200 requests":        {Text: "error_rate > 50% over 200 requests", Metric: scenarios.MetricErrorRate, Op: scenarios.Greater, Limit: 0.5, Over: 200},
		" p50>=1.5s   over 100000  requests ":       {Text: "p50 >= 1.5s over 100000 requests", Metric: scenarios.MetricQuantile, Quantile: 0.5, Op: scenarios.GreaterEqual, Limit: 1.5, Over: 100000},
		"p99.9 > 250ms over 20 requests":            {Text: "p99.9 > 250ms over 20 requests", Metric: scenarios.MetricQuantile, Quantile: 0.999, Op: scenarios.Greater, Limit: 0.25, Over: 20},
		"error_rate   >=   0.1 %  over 50 requests": {Text: "error_rate >= 0.1% over 50 requests", Metric: scenarios.MetricErrorRate, Op: scenarios.GreaterEqual, Limit: 0.001, Over: 50},
	} {
		g, err := scenarios.ParseGuard(text)
		if diff := cmp.Diff(want, g); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", text, err, diff)
		}
		again, err := scenarios.ParseGuard(g.Text)
		if err != nil || again != g {
			t.Errorf("%q is read back as %+v (%v)", g.Text, again, err)
		}
	}
}

func TestAPlanWithoutStopWhenHasNoGuard(t *testing.T) {
	for _, src := range []string{basePlan, basePlan + "stop_when:\n"} {
		p, err := scenarios.Parse("plan.yaml", []byte(src), nil)
		if err != nil || len(p.StopWhen) != 0 {
			t.Errorf("%v, %v", p, err)
		}
	}
}

func TestTooManyGuardsAreRefused(t *testing.T) {
	for n, refused := range map[int]bool{20: false, 21: true} {
		src := basePlan + "stop_when:\n"
		for i := range n {
			src += fmt.Sprintf("  - error_rate > 50%% over %d requests\n", 100+i)
		}
		if _, err := scenarios.Parse("plan.yaml", []byte(src), nil); (err != nil) != refused {
			t.Errorf("%d guards: %v", n, err)
		}
	}
}
