package scenarios_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"arqload/scenarios"
)

func TestObjectiveMeansWhatItSays(t *testing.T) {
	type o = scenarios.Objective
	for text, want := range map[string]o{
		"p99 < 2s": {Text: "p99 < 2s", Name: "p99", Metric: scenarios.MetricQuantile, Quantile: 0.99, Op: scenarios.Less, Limit: 2},
		// Spaces are normalised, the limit stays as written.
		"  p99.9<=1500ms ":              {Text: "p99.9 <= 1500ms", Name: "p99.9", Metric: scenarios.MetricQuantile, Quantile: 0.999, Op: scenarios.LessEqual, Limit: 1.5},
		"message.p50 < 1m30s":           {Text: "message.p50 < 1m30s", Scope: "message", Name: "p50", Metric: scenarios.MetricQuantile, Quantile: 0.5, Op: scenarios.Less, Limit: 90},
		"conversation/message.p95 < 1s": {Text: "conversation/message.p95 < 1s", Scope: "conversation/message", Name: "p95", Metric: scenarios.MetricQuantile, Quantile: 0.95, Op: scenarios.Less, Limit: 1},
		"a-b_1.p99.99 < 250us":          {Text: "a-b_1.p99.99 < 250us", Scope: "a-b_1", Name: "p99.99", Metric: scenarios.MetricQuantile, Quantile: 0.9999, Op: scenarios.Less, Limit: 0.00025},
		"error_rate < 0.05%":            {Text: "error_rate < 0.05%", Name: "error_rate", Metric: scenarios.MetricErrorRate, Op: scenarios.Less, Limit: 0.0005},
		"availability > 99.95%":         {Text: "availability > 99.95%", Name: "availability", Metric: scenarios.MetricAvailability, Op: scenarios.Greater, Limit: 0.9995},
		"auth.throughput >= 6000/m":     {Text: "auth.throughput >= 6000/m", Scope: "auth", Name: "throughput", Metric: scenarios.MetricThroughput, Op: scenarios.GreaterEqual, Limit: 100},
		"cache_hit_ratio > 85 %":        {Text: "cache_hit_ratio > 85%", Name: "cache_hit_ratio", Metric: scenarios.MetricCacheHits, Op: scenarios.Greater, Limit: 0.85},
		"db.deadlocks == 0":             {Text: "db.deadlocks == 0", Name: "db.deadlocks", Metric: scenarios.MetricSampled, Op: scenarios.Equal},
		"cache.memory_share<80%":        {Text: "cache.memory_share < 80%", Name: "cache.memory_share", Metric: scenarios.MetricSampled, Op: scenarios.Less, Limit: 0.8},
		"replication_lag < 100ms":       {Text: "replication_lag < 100ms", Name: "replication_lag", Metric: scenarios.MetricSampled, Op: scenarios.Less, Limit: 0.1},
		"db.temp_bytes <= 1.5MiB":       {Text: "db.temp_bytes <= 1.5MiB", Name: "db.temp_bytes", Metric: scenarios.MetricSampled, Op: scenarios.LessEqual, Limit: 1.5 * (1 << 20)},
		"db_query_p99.5 < 500ms":        {Text: "db_query_p99.5 < 500ms", Name: "db_query_p99.5", Metric: scenarios.MetricDBQuery, Quantile: 0.995, Op: scenarios.Less, Limit: 0.5},
	} {
		want.Required = true
		got, err := scenarios.ParseObjective(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		again, err := scenarios.ParseObjective(got.Text)
		if err != nil || again != got {
			t.Errorf("%q is read back as %+v, %v", got.Text, again, err)
		}
	}
}

func TestObjectiveLimitIsExactAsADuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"p99 < 2s": 2 * time.Second, "p50 < 200ms": 200 * time.Millisecond, "p50 < 1ns": 1} {
		o, err := scenarios.ParseObjective(text)
		if err != nil || o.LimitDuration() != want {
			t.Errorf("%s: %v, %v", text, o.LimitDuration(), err)
		}
	}
}

func TestOptionalObjectiveIsNotRequired(t *testing.T) {
	p := parse(t, basePlan+`objectives:
  - p99 < 2s
  - {objective: p99 < 1s, required: false}
  - {objective: auth/token.p50 < 1s, required: true}
`, nil)
	var got []bool
	for _, o := range p.Objectives {
		got = append(got, o.Required)
	}
	if diff := cmp.Diff([]bool{true, false, true}, got); diff != "" {
		t.Errorf("required (-want +got):\n%s", diff)
	}
}

func FuzzParseObjective(f *testing.F) {
	for _, s := range []string{"p99 < 2s", "conversation/message.p99.9 <= 1m", "error_rate < 0.05%", "throughput >= 1000/s", "availability>99.95 %", "db_query_p99 < 500ms", "p999 = 1", "a.b.c < <", "p99 < 1e999s", "db.deadlocks == 0", "db.temp_bytes < 1MiB", "host.cpu_share < 70%", `metric("up"){a="b"} == 1`, `metric("up") < -5%`, `metric("up") < 1h`, `x.metric("up") < 1`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := scenarios.ParseObjective(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a message")
			}
			return
		}
		if o.Metric != scenarios.MetricApplication && !(o.Limit > 0) && !(o.Limit == 0 && o.Metric == scenarios.MetricSampled && o.Op != scenarios.Less) || o.Limit-o.Limit != 0 || o.Metric == "" || o.Name == "" {
			t.Fatalf("%q accepted as %+v", text, o)
		}
		if again, err := scenarios.ParseObjective(o.Text); err != nil || again != o {
			t.Fatalf("%q is read back as %+v, %v", o.Text, again, err)
		}
	})
}
