package reports_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"arqload/analysis/observation"
	"arqload/reports"
)

// cacheRun is the golden run with its Redis samples changed.
func cacheRun(t *testing.T, edit func(r *observation.Redis)) *observation.Run {
	t.Helper()
	run := record(t)
	for i := range run.Samples {
		if s := &run.Samples[i]; s.Collector == "redisinfo" {
			var r observation.Redis
			must(t, json.Unmarshal(s.Data, &r))
			edit(&r)
			var err error
			s.Data, err = json.Marshal(r)
			must(t, err)
		}
	}
	return run
}

func TestTheJSONReportHasWhatEachNodeReadAndUsed(t *testing.T) {
	doc := encoded(t, report(cacheRun(t, func(r *observation.Redis) { r.Nodes[0].RSS, r.Nodes[0].Fragmentation = 3<<20, 1.5 }), nil))
	for path, want := range map[string]float64{
		// 12 s judged, 95 hits and 5 misses a second on the primary alone.
		"cache.nodes.0.intervals.#": 12, "cache.nodes.0.intervals.0.hits": 95, "cache.nodes.0.intervals.0.misses": 5, "cache.nodes.0.intervals.11.length_s": 1,
		"cache.nodes.1.intervals.#": 12, "cache.nodes.1.intervals.0.hits": 0,
		"cache.nodes.0.used_memory_rss_max_bytes": 3 << 20, "cache.nodes.0.fragmentation_ratio": 1.5, "cache.nodes.1.used_memory_rss_max_bytes": 0,
	} {
		if got := gjson.Get(doc, path); got.Type != gjson.Number || got.Num != want {
			t.Errorf("%s = %s, want %v", path, got.Raw, want)
		}
	}
	one := encoded(t, report(cacheRun(t, func(r *observation.Redis) { r.Nodes, r.Nodes[0].Replicas = r.Nodes[:1], nil }), nil))
	if got := gjson.Get(one, "cache.nodes.0.intervals").Raw; got != "[]" || gjson.Get(one, "cache.intervals.#").Int() != 12 {
		t.Errorf("a single node repeats the intervals of the cache: %s", got)
	}
	// 302 nodes of 12 intervals are 3,624.
	big := encoded(t, report(cacheRun(t, func(r *observation.Redis) {
		for i := range 300 {
			n := r.Nodes[1]
			n.Address = strings.Repeat("1", i+1) + ":6379"
			r.Nodes = append(r.Nodes, n)
		}
	}), nil))
	if n := gjson.Get(big, "cache.nodes.#").Int(); n != 302 || gjson.Get(big, "cache.nodes.0.intervals.#").Int() != 0 {
		t.Errorf("%d nodes, of which the first tells %s", n, gjson.Get(big, "cache.nodes.0.intervals").Raw)
	}
}

func TestTheSlowestOfSeveralMastersIsNamed(t *testing.T) {
	r := report(cacheRun(t, func(r *observation.Redis) {
		for _, p := range r.Probes {
			p.Master, p.Took = "10.0.0.10:6379", sec(0.5)
			r.Probes = append(r.Probes, p)
		}
	}), objectives(t, "cache.replication_lag < 100ms"))
	out := strings.Join(strings.Fields(text(t, r, reports.TextOptions{})), " ")
	if !strings.Contains(out, "from 10.0.0.10:6379, the slowest, p99 500ms") {
		t.Errorf("the report does not name it:\n%s", out)
	}
	if doc := encoded(t, r); gjson.Get(doc, "cache.probes.worst").Str != "10.0.0.10:6379" || gjson.Get(doc, "cache.probes.worst_p99_s").Num != 0.5 || gjson.Get(doc, "objectives.0.samples").Int() != 120 {
		t.Errorf("probes %s, objective %s", gjson.Get(doc, "cache.probes").Raw, gjson.Get(doc, "objectives.0").Raw)
	}
}
