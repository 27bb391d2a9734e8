package analysis

import (
	"errors"
	"strings"
	"testing"
	"time"

	"arqload/analysis/observation"
)

// redis makes a run with two nodes that each count 9 hits, 1 miss and 30 commands a second,
// of which 1 is the collector's own.
func redis(t *testing.T, run *observation.Run, edit func(second int, r *observation.Redis) error) *observation.Run {
	t.Helper()
	for s := -2; s <= 23; s++ {
		if s > 20 && s < 23 {
			continue
		}
		done := int64(s + 2)
		var r observation.Redis
		for _, address := range []string{"a:6379", "b:6379"} {
			r.Nodes = append(r.Nodes, observation.RedisNode{Address: address, RunID: "life 1 of " + address, Version: "7.0.15", Role: "master",
				Hits: 9 * done, Misses: done, Commands: 1000 + 30*done, Own: done, Evicted: done / 10, UsedMemory: 1000 + 10*done, Clients: 5, MaxClients: 100, Keys: 7})
		}
		var err error
		if edit != nil {
			err = edit(s, &r)
		}
		put(t, run, "redisinfo", float64(s), r, err)
	}
	return run
}

func TestCacheOfAQuietRun(t *testing.T) {
	c := SummarizeCache(redis(t, runOf(), nil))
	if !c.Asked || !c.Available || !c.OK || len(c.Gaps) > 0 {
		t.Fatalf("cache = %+v, want all of it", c)
	}
	// Two nodes, 10 s: 180 hits, 20 misses, 58 commands a second but the collector's own.
	if c.Hits != 180 || c.Misses != 20 || c.HitRatio != 0.9 || c.OpsPerS != 58 || c.Evicted != 2 {
		t.Errorf("%d hits, %d misses, ratio %v, %v/s, %d evicted; want 180, 20, 0.9, 58/s, 2", c.Hits, c.Misses, c.HitRatio, c.OpsPerS, c.Evicted)
	}
	// At 20 s each node uses 1220 bytes (its sample is 10 ms after the judged time: 19 s counts).
	if c.UsedMemoryMax != 2*1210 || c.ClientsMax != 10 {
		t.Errorf("memory %d, clients %d; want 2420, 10", c.UsedMemoryMax, c.ClientsMax)
	}
	if len(c.Intervals) != 10 || c.Intervals[0] != (CacheInterval{At: at(10).Duration(), Length: time.Second, Hits: 18, Misses: 2}) {
		t.Errorf("%d intervals, first %+v; want 10 of 1 s with 18 hits and 2 misses", len(c.Intervals), c.Intervals[0])
	}
	if len(c.Nodes) != 2 || c.Nodes[1].Hits != 90 || c.Nodes[1].OpsPerS != 29 || c.Nodes[1].MaxClients != 100 {
		t.Errorf("nodes = %+v, want 90 hits and 29/s each", c.Nodes)
	}
}

func TestARatioWithoutReadsDoesNotExist(t *testing.T) {
	c := SummarizeCache(redis(t, runOf(), func(_ int, r *observation.Redis) error {
		for i := range r.Nodes {
			r.Nodes[i].Hits, r.Nodes[i].Misses = 5, 5
		}
		return nil
	}))
	if !c.Available || c.OK || c.HitRatio != 0 || c.Hits+c.Misses != 0 {
		t.Errorf("cache = %+v, want no ratio out of no reads", c)
	}
}

func TestWhatVoidsTheCacheLeavesNoNumber(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(s int, r *observation.Redis) error
		want string
	}{
		"restarted": {func(s int, r *observation.Redis) error {
			if s >= 15 {
				r.Nodes[1].RunID = "life 2"
			}
			return nil
		}, "b:6379 was restarted"},
		"reset": {func(s int, r *observation.Redis) error {
			if s >= 15 {
				r.Nodes[0].Expired = -1
			}
			return nil
		}, "a:6379 were reset"},
		"a node is gone": {func(s int, r *observation.Redis) error {
			if s >= 15 {
				r.Nodes = r.Nodes[:1]
			}
			return nil
		}, "set of Redis nodes changed"},
		"another node": {func(s int, r *observation.Redis) error {
			if s >= 15 {
				r.Nodes[1].Address = "c:6379"
			}
			return nil
		}, "set of Redis nodes changed"},
		"lost across the start": {func(s int, r *observation.Redis) error {
			if s > 5 && s < 13 {
				return errors.New("connection refused")
			}
			return nil
		}, "connection refused"},
		"one node lost until the end": {func(s int, r *observation.Redis) error {
			if s > 15 {
				r.Nodes[1] = observation.RedisNode{Address: "b:6379", Error: "connection refused"}
			}
			return nil
		}, "no sample of the judged time's end"},
	} {
		got := SummarizeCache(redis(t, runOf(), c.edit))
		if got.Available || got.OK || got.Hits != 0 || got.Misses != 0 || len(got.Intervals) != 0 || len(got.Nodes) != 0 {
			t.Errorf("%s: %+v, want nothing", name, got)
		}
		if !strings.Contains(got.Reason, c.want) {
			t.Errorf("%s: %q does not say %q", name, got.Reason, c.want)
		}
	}
}

func TestAFailedSampleInsideJoinsTwoIntervals(t *testing.T) {
	c := SummarizeCache(redis(t, runOf(), func(s int, r *observation.Redis) error {
		if s == 14 || s == 15 {
			return errors.New("timeout")
		}
		return nil
	}))
	if !c.Available || c.Hits != 180 || len(c.Intervals) != 8 || c.Intervals[3].Length != 3*time.Second || c.Intervals[3].Hits != 54 {
		t.Errorf("cache = %+v, want the same sums over 8 intervals", c)
	}
	if c.Failed != 2 || len(c.Gaps) != 1 || !strings.Contains(c.Gaps[0], "2 samples from 14s to 15s failed: timeout") {
		t.Errorf("gaps = %q, failed %d; want the two named", c.Gaps, c.Failed)
	}
}
