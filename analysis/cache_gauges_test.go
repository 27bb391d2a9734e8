package analysis

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"arqload/analysis/observation"
)

var gaugeMetrics = []string{"cache.memory_share", "cache.clients_share", "cache.blocked_clients", "cache.replication_offset_lag"}

// full is a run of a master and its replica that has a value of every metric; the master's
// main thread is busy for 10% of the time.
func full(t *testing.T, edit func(s int, r *observation.Redis) error) *observation.Run {
	t.Helper()
	return redis(t, runOf(), func(s int, r *observation.Redis) error {
		for i := range r.Nodes {
			r.Nodes[i].MaxMemory = 4000
			r.Nodes[i].MainCPU = observation.Seconds(time.Duration(s+2) * 100 * time.Millisecond)
		}
		a, b := &r.Nodes[0], &r.Nodes[1]
		a.MasterOffset, a.Replicas = int64(s+2), []observation.RedisReplica{{Address: "b:6379", State: "online", Offset: int64(s + 2)}}
		b.Role, b.Master, b.MasterLink = "slave", "a:6379", "up"
		return edit(s, r)
	})
}

func TestAGaugeIsNotKnownInSamplesThatFailed(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(s int, r *observation.Redis) error
		want string
	}{
		// 12 s to 18 s of 10 s to 20 s, both among them.
		"all of it": {func(s int, r *observation.Redis) error {
			if s >= 12 && s <= 18 {
				return errors.New("i/o timeout")
			}
			return nil
		}, "7 of 11 samples failed"},
		"one node": {func(s int, r *observation.Redis) error {
			if s == 12 || s == 14 {
				r.Nodes[1] = observation.RedisNode{Address: "b:6379", Error: "b:6379: i/o timeout"}
			}
			return nil
		}, "2 of 11 samples failed"},
		"the one at the end": {func(s int, r *observation.Redis) error {
			if s == 20 {
				return errors.New("i/o timeout")
			}
			return nil
		}, "1 of 11 samples failed"},
	} {
		got := SummarizeCache(full(t, c.edit))
		for _, metric := range gaugeMetrics {
			m := got.Measures[metric]
			if m.Reason != "" || !strings.Contains(m.Partial, c.want) {
				t.Errorf("%s: %s = %+v, want it partial because %q", name, metric, m, c.want)
			}
		}
		if r := judged(t, cacheOf(got), "cache.memory_share < 90%"); r.Outcome != Unproven {
			t.Errorf("%s: memory_share is %s because %q, want it unproven", name, r.Outcome, r.Reason)
		}
		for _, metric := range []string{"cache.evictions", "cache.error_replies"} {
			if m := got.Measures[metric]; m.Reason != "" || m.Partial != "" || !got.Available {
				t.Errorf("%s: %s = %+v, want it whole: counters go on", name, metric, m)
			}
		}
	}
}

func TestAResetOfTheCountersLeavesTheRestWhole(t *testing.T) {
	for name, edit := range map[string]func(s int, r *observation.Redis) error{
		"seen at once": func(s int, r *observation.Redis) error {
			if s >= 15 {
				n := &r.Nodes[0]
				n.Hits, n.Misses, n.Commands, n.Evicted = 9*int64(s-15), int64(s-15), 30*int64(s-15), 0
			}
			return nil
		},
		"outgrown": func(s int, r *observation.Redis) error {
			if s%10 == 0 || s == -2 || s == 23 {
				n := &r.Nodes[0]
				n.Detailed, n.Calls = true, map[string]observation.RedisCommand{"get": {Calls: int64(s + 100)}}
				if s >= 20 {
					n.Calls["get"] = observation.RedisCommand{Calls: int64(s)}
				}
			}
			return nil
		},
	} {
		got := SummarizeCache(full(t, edit))
		if got.Available || !strings.Contains(got.Reason, "the counters of Redis at a:6379 were reset") {
			t.Errorf("%s: available %v because %q", name, got.Available, got.Reason)
		}
		for _, metric := range append(slices.Clone(gaugeMetrics), "cache.cpu_share") {
			if m := got.Measures[metric]; m.Reason != "" || m.Partial != "" {
				t.Errorf("%s: %s = %+v, want it whole", name, metric, m)
			}
		}
		if m := got.Measures["cache.cpu_share"]; m.N != 10 || m.Value < 0.0999 || m.Value > 0.1001 {
			t.Errorf("%s: cpu_share = %+v, want 10%% in all 10 intervals", name, m)
		}
		for _, metric := range []string{"cache.evictions", "cache.rejected_connections", "cache.error_replies"} {
			if m := got.Measures[metric]; !strings.Contains(m.Partial, "were reset") {
				t.Errorf("%s: %s = %+v, want a part", name, metric, m)
			}
		}
	}
	// What is no reset stays missing everywhere, even beside one.
	got := SummarizeCache(full(t, func(s int, r *observation.Redis) error {
		if s >= 13 {
			r.Nodes[0].Hits -= 100
		}
		if s >= 15 {
			r.Nodes[1].RunID = "life 2"
		}
		return nil
	}))
	for _, metric := range append(slices.Clone(gaugeMetrics), "cache.cpu_share") {
		if m := got.Measures[metric]; !strings.Contains(m.Partial, "b:6379 was restarted") || strings.Contains(m.Partial, "reset") {
			t.Errorf("%s = %+v, want the restart alone", metric, m)
		}
	}
}

func TestAnIntervalAcrossAnEdgeIsMissingFromTheCPUShare(t *testing.T) {
	// 10 s to 14 s are lost, in which the thread was busy for all of the time: from 9 s to
	// 15 s it used 5.5 s; after that a tenth.
	got := SummarizeCache(full(t, func(s int, r *observation.Redis) error {
		if s >= 10 && s <= 14 {
			return errors.New("i/o timeout")
		}
		if s >= 15 {
			r.Nodes[0].MainCPU += observation.Seconds(5 * time.Second)
		}
		return nil
	}))
	r := judged(t, cacheOf(got), "cache.cpu_share < 40%")
	if r.Outcome != Unproven || !strings.Contains(r.Reason, "a:6379: the sample at the judged time's start is missing") {
		t.Errorf("cpu_share is %s because %q, want it unproven", r.Outcome, r.Reason)
	}
	if !got.Available || got.Hits != 9*2*11 { // from 9 s to 20 s
		t.Errorf("available %v, %d hits; want those from 9 s on", got.Available, got.Hits)
	}
}

func TestASampleThatTookLongIsNotThatOfItsEdge(t *testing.T) {
	run := redis(t, runOf(), nil)
	for i := range run.Samples {
		if run.Samples[i].At == at(10) {
			run.Samples[i].Took = observation.Seconds(600 * time.Millisecond) // read at 10.61 s, or anywhen before
		}
	}
	c := SummarizeCache(run)
	if !c.Available || c.Hits != 9*2*11 || !slices.ContainsFunc(c.Gaps, func(g string) bool { return strings.Contains(g, "the sample at the judged time's start is missing") }) {
		t.Errorf("available %v, %d hits, gaps %q; want them counted from 9 s on", c.Available, c.Hits, c.Gaps)
	}
}
