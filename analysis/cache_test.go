package analysis

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"arqload/analysis/observation"
	"arqload/scenarios"
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

func TestAGapIsNamedAndTheRestIsKeptAsAPart(t *testing.T) {
	type part struct {
		edit func(s int, r *observation.Redis) error
		want string
		// Of 10 s with 9 hits and 1 miss a second and node.
		hits, misses int64
	}
	for name, c := range map[string]part{
		// b's interval from 14 s to 15 s is lost.
		"restarted": {func(s int, r *observation.Redis) error {
			if s >= 15 {
				r.Nodes[1].RunID = "life 2"
			}
			return nil
		}, "b:6379 was restarted or is another one, noticed at 15", 180 - 9, 20 - 1},
		"restarted from nothing": {func(s int, r *observation.Redis) error {
			if s >= 15 {
				n := &r.Nodes[1]
				n.RunID, n.Hits, n.Misses, n.Commands, n.Evicted = "life 2", int64(9*(s-15)), int64(s-15), int64(30*(s-15)), 0
			}
			return nil
		}, "b:6379 was restarted", 180 - 9, 20 - 1},
		"reset": {func(s int, r *observation.Redis) error {
			if s >= 15 {
				r.Nodes[0].Expired = -1
			}
			return nil
		}, "a:6379 were reset, noticed at 15", 180 - 9, 20 - 1},
		// b is known from 10 s to 14 s.
		"a node is gone": {func(s int, r *observation.Redis) error {
			if s >= 15 {
				r.Nodes = r.Nodes[:1]
			}
			return nil
		}, "b:6379 is gone: it is in no sample from 15", 90 + 4*9, 10 + 4},
		// And c from 15 s to 20 s.
		"another node": {func(s int, r *observation.Redis) error {
			if s >= 15 {
				r.Nodes[1].Address = "c:6379"
			}
			return nil
		}, "c:6379 first appears at 15", 90 + 9*9, 10 + 9},
		"a failover": {func(s int, r *observation.Redis) error {
			if s < 15 {
				r.Nodes[1].Role = "slave"
			}
			return nil
		}, "b:6379 became master, it was slave before: noticed at 15", 180, 20},
		// Both are known from 13 s to 20 s.
		"lost across the start": {func(s int, r *observation.Redis) error {
			if s > 5 && s < 13 {
				return errors.New("connection refused")
			}
			return nil
		}, "connection refused", 7 * 18, 14},
		"one node lost until the end": {func(s int, r *observation.Redis) error {
			if s > 15 {
				r.Nodes[1] = observation.RedisNode{Address: "b:6379", Error: "connection refused"}
			}
			return nil
		}, "b:6379 could not be read from 16s on: connection refused", 90 + 5*9, 10 + 5},
		"a replica that was never read": {func(s int, r *observation.Redis) error {
			r.Nodes = append(r.Nodes, observation.RedisNode{Address: "10.0.0.9:6379", Found: "a:6379", Error: "i/o timeout"})
			return nil
		}, "10.0.0.9:6379 was never read: i/o timeout", 180, 20},
		"a cluster that is not told": {func(s int, r *observation.Redis) error {
			r.Notes = []string{"not all nodes of the cluster may be known: NOPERM"}
			return nil
		}, "not all nodes of the cluster may be known", 180, 20},
	} {
		run := redis(t, runOf(), c.edit)
		got := SummarizeCache(run)
		if got.Available || got.Partial == "" || got.Hits != c.hits || got.Misses != c.misses {
			t.Errorf("%s: available %v, %d hits and %d misses; want a part with %d and %d", name, got.Available, got.Hits, got.Misses, c.hits, c.misses)
		}
		if !strings.Contains(got.Reason, c.want) {
			t.Errorf("%s: %q does not say %q", name, got.Reason, c.want)
		}
		if !slices.ContainsFunc(got.Gaps, func(g string) bool { return strings.Contains(g, c.want) }) {
			t.Errorf("%s: gaps %q do not say %q", name, got.Gaps, c.want)
		}
		for _, n := range got.Nodes {
			if n.Hits < 0 || n.Misses < 0 || n.OpsPerS < 0 || n.OpsPerS > 30 {
				t.Errorf("%s: node %+v", name, n)
			}
		}
		s := Summary{Cache: got}
		o, err := scenarios.ParseObjective("cache_hit_ratio > 85%")
		if err != nil {
			t.Fatal(err)
		}
		if r := s.JudgeObjective(o); r.Outcome != NoData || !strings.Contains(r.Reason, c.want) || !strings.Contains(r.Reason, "90% were hits") {
			t.Errorf("%s: judged %s because %q, want no data, the gap, and the part in words", name, r.Outcome, r.Reason)
		}
		if m := got.Measures["cache.evictions"]; m.Partial == "" || m.Reason != "" {
			t.Errorf("%s: evictions %+v, want a partial measure", name, m)
		}
	}
}

// Intervals that do not differ do not make many reads of few: three hits of three are likely with a
// ratio of 80%, and so is a miss of one with one of 90%.
func TestAFewReadsProveNoHitRatio(t *testing.T) {
	for _, c := range []struct {
		hits, misses int64 // of each of 20 intervals
		gate         bool
		want         Outcome
	}{{1, 0, false, Met}, {1, 0, true, Unproven}, {0, 1, true, Missed}, {1000, 0, true, Met}, {870, 130, false, Met}, {830, 170, false, Missed}} {
		s := Summary{Judged: 20 * time.Second, Cache: Cache{Available: true}}
		s.Header.Gate = c.gate
		add := func(h, m int64) {
			s.Cache.Intervals = append(s.Cache.Intervals, CacheInterval{Hits: h, Misses: m})
			s.Cache.Hits, s.Cache.Misses = s.Cache.Hits+h, s.Cache.Misses+m
		}
		add(c.hits, c.misses)
		add(c.hits, c.misses)
		if few := s.JudgeObjective(objectiveOf(t, "cache_hit_ratio > 85%")); c.hits+c.misses == 1 && few.Outcome != Unproven {
			t.Errorf("%d hits, %d misses: %s (%s)", s.Cache.Hits, s.Cache.Misses, few.Outcome, few.Reason)
		}
		for range 18 {
			add(c.hits, c.misses)
		}
		if r := s.JudgeObjective(objectiveOf(t, "cache_hit_ratio > 85%")); r.Outcome != c.want {
			t.Errorf("%d hits, %d misses, gate %v: %s (%s), want %s", s.Cache.Hits, s.Cache.Misses, c.gate, r.Outcome, r.Reason, c.want)
		}
	}
}

func TestAResetThatTheCountersHaveOutgrownShowsInTheCommands(t *testing.T) {
	c := SummarizeCache(redis(t, runOf(), func(s int, r *observation.Redis) error {
		if s%10 == 0 || s == -2 || s == 23 {
			n := &r.Nodes[0]
			n.Detailed, n.Calls = true, map[string]observation.RedisCommand{"get": {Calls: int64(s + 100)}}
			if s >= 20 {
				n.Calls["get"] = observation.RedisCommand{Calls: int64(s)} // counted anew since about 0
			}
		}
		return nil
	}))
	if c.Available || !strings.Contains(c.Reason, "the counters of Redis at a:6379 were reset between 10") {
		t.Errorf("available %v, reason %q", c.Available, c.Reason)
	}
}

func TestWithoutTwoSamplesInTheJudgedTimeThereIsNoNumber(t *testing.T) {
	got := SummarizeCache(redis(t, runOf(), func(s int, r *observation.Redis) error {
		if s > 5 {
			return errors.New("connection refused")
		}
		return nil
	}))
	if got.Available || got.OK || got.Partial != "" || got.Hits != 0 || len(got.Intervals) != 0 || len(got.Nodes) != 0 || !strings.Contains(got.Reason, "connection refused") {
		t.Errorf("%+v, want nothing but the reason", got)
	}
	for name, m := range got.Measures {
		if m.Reason == "" {
			t.Errorf("%s = %+v, want no data", name, m)
		}
	}
}

func TestANodeThatMissesSamplesInsideLosesNothing(t *testing.T) {
	c := SummarizeCache(redis(t, runOf(), func(s int, r *observation.Redis) error {
		if s == 14 || s == 15 {
			r.Nodes[1] = observation.RedisNode{Address: "b:6379", Error: "b:6379: i/o timeout"}
		}
		return nil
	}))
	if !c.Available || c.Hits != 180 || len(c.Intervals) != 8 || c.Intervals[3].Hits != 54 || c.Failed != 2 {
		t.Errorf("cache = %+v, want the same sums over 8 intervals", c)
	}
	if len(c.Gaps) != 1 || !strings.Contains(c.Gaps[0], "b:6379 could not be read from 14s to 15s (2 samples): i/o timeout") {
		t.Errorf("gaps = %q", c.Gaps)
	}
}

func TestWhatHappensOutsideTheJudgedTimeIsNamedAndVoidsNothing(t *testing.T) {
	c := SummarizeCache(redis(t, runOf(), func(s int, r *observation.Redis) error {
		if s >= 5 {
			r.Nodes[1].RunID = "life 2"
		}
		return nil
	}))
	if !c.Available || c.Hits != 180 || len(c.Gaps) != 1 || !strings.Contains(c.Gaps[0], "noticed at 5") {
		t.Errorf("available %v, %d hits, gaps %q; want all, and the restart of the warm-up named", c.Available, c.Hits, c.Gaps)
	}
}

func TestMeasuresOfTheCatalogue(t *testing.T) {
	run := redis(t, runOf(), func(s int, r *observation.Redis) error {
		for i := range r.Nodes {
			n := &r.Nodes[i]
			n.MaxMemory, n.NotCounted = 4000, 10
			n.MainCPU = observation.Seconds(time.Duration(s+2) * time.Duration(100+100*i) * time.Millisecond) // 10% and 20%
			n.OwnBlocked, n.BlockedClients = 1, 1
			n.Rejected = int64(s + 2)
		}
		r.Nodes[0].MasterOffset = int64(1000 * (s + 3))
		r.Nodes[0].Replicas = []observation.RedisReplica{{Address: "b:6379", State: "online", Offset: int64(1000 * (s + 2))}}
		r.Nodes[1].Role, r.Nodes[1].Master, r.Nodes[1].MasterLink = "slave", "a:6379", "up"
		if s == 13 {
			r.Nodes[1].Clients, r.Nodes[1].BlockedClients = 50, 4
			r.Nodes[0].Replicas[0].Offset -= 500
		}
		return nil
	})
	c := SummarizeCache(run)
	for name, want := range map[string]Measure{
		// 20 s: used 1220 each, the sample 10 ms after the end still counts as the end's.
		"cache.memory_share":           {Value: 1210. / 4000, Where: "a:6379 at 20s", N: 22},
		"cache.clients_share":          {Value: 0.5, Where: "b:6379 at 13s", N: 22},
		"cache.blocked_clients":        {Value: 3, Where: "at 13s", N: 11},
		"cache.replication_offset_lag": {Value: 1500, Where: "a:6379 at 13s", N: 11},
		"cache.evictions":              {Value: 2, N: 10},
		"cache.rejected_connections":   {Value: 20, N: 10},
		"cache.error_replies":          {Value: 0, N: 10},
	} {
		if d := cmp.Diff(want, c.Measures[name], cmpopts.IgnoreUnexported(Measure{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if got := c.Measures["cache.cpu_share"]; math.Abs(got.Value-0.2) > 1e-9 || got.Where != "b:6379" || got.N != 10 || got.Low == nil {
		t.Errorf("cpu_share = %+v, want 20%% of b:6379 with bounds", got)
	}
	if _, ok := c.Measures["cache.replication_lag"]; ok {
		t.Error("replication_lag is measured without a probe key")
	}
	for name, points := range map[string]int{"cache_hit_ratio": 23, "cache.blocked_clients": 24} {
		i := slices.IndexFunc(c.Series, func(s Series) bool { return s.Name == name && s.Of == "" })
		if i < 0 || len(c.Series[i].Points) != points {
			t.Errorf("series %s of all nodes: %v", name, c.Series)
		}
	}
	i := slices.IndexFunc(c.Series, func(s Series) bool { return s.Name == "cache.ops_per_s" && s.Of == "b:6379" })
	if i < 0 || c.Series[i].Points[0] != (Point{At: at(-2).Duration(), Length: time.Second, Value: 29}) {
		t.Errorf("no series of 29 commands in each second of b:6379")
	}
}

func TestUnlimitedMemoryHasNoShare(t *testing.T) {
	m := SummarizeCache(redis(t, runOf(), nil)).Measures
	for name, want := range map[string]string{"cache.memory_share": "maxmemory is 0 (unlimited)", "cache.replication_offset_lag": "no node has a replica", "cache.cpu_share": "does not tell the CPU time"} {
		if got := m[name]; !strings.Contains(got.Reason, want) {
			t.Errorf("%s = %+v, want no data because %q", name, got, want)
		}
	}
	one := SummarizeCache(redis(t, runOf(), func(_ int, r *observation.Redis) error { r.Nodes[0].MaxMemory = 4000; return nil })).Measures["cache.memory_share"]
	if one.Reason != "" || !strings.Contains(one.Partial, "on b:6379") {
		t.Errorf("memory_share with one limit of two = %+v, want a part that names the other", one)
	}
}

func TestProbesAreJudgedWhereTheyWerePlanned(t *testing.T) {
	run := redis(t, runOf(), func(s int, r *observation.Redis) error {
		r.Probing = true
		for i := range 10 {
			r.Probes = append(r.Probes, observation.RedisProbe{Master: "a:6379", Ago: observation.Seconds(time.Second - time.Duration(i)*100*time.Millisecond), Took: observation.Seconds(time.Millisecond)})
		}
		if s == 23 { // a stall from 19 s to 20 s told of late, what had not ended, and a lost one; the last is past the judged time
			r.Probes = []observation.RedisProbe{{Master: "a:6379", Ago: observation.Seconds(4 * time.Second), Took: observation.Seconds(3 * time.Second), AtLeast: true},
				{Master: "a:6379", Ago: observation.Seconds(3500 * time.Millisecond), Took: observation.Seconds(10 * time.Millisecond), AtLeast: true},
				{Master: "a:6379", Ago: observation.Seconds(3200 * time.Millisecond), Lost: true},
				{Master: "a:6379", Ago: observation.Seconds(2 * time.Second), Took: observation.Seconds(time.Second)}}
		}
		return nil
	})
	c := SummarizeCache(run)
	m := c.Measures["cache.replication_lag"]
	if m.Reason != "" || m.Partial != "" || m.N != 103 || c.Probes.Count != 103 || c.Probes.Lost != 2 || c.Probes.Max != 3*time.Second || c.Probes.P50 != time.Millisecond {
		t.Errorf("measure %+v, probes %+v; want 103 of the judged time, 2 lost, 3 s at most", m.N, c.Probes)
	}
	without := SummarizeCache(redis(t, runOf(), func(_ int, r *observation.Redis) error {
		r.Probing, r.ProbeNotes = true, []string{"the master a:6379 has no connected replica to wait for"}
		return nil
	})).Measures["cache.replication_lag"]
	if !strings.Contains(without.Reason, "no connected replica") {
		t.Errorf("without replicas: %+v", without)
	}
}

func TestCommandsAreDifferencesWithoutTheCollectorsOwn(t *testing.T) {
	run := redis(t, runOf(), func(s int, r *observation.Redis) error {
		if s != -2 && s != 10 && s != 15 && s != 20 && s != 23 {
			return nil
		}
		n := int64(s + 2)
		for i := range r.Nodes {
			// 10 GET a second of 50 us, of which one in ten falls in the bucket up to 1 ms.
			r.Nodes[i].Detailed = true
			r.Nodes[i].Calls = map[string]observation.RedisCommand{
				"get":  {Calls: 1000 + 10*n, Time: observation.Seconds(time.Duration(1000+10*n) * 50 * time.Microsecond), Failed: n, Rejected: 2 * n},
				"info": {Calls: n, Time: observation.Seconds(time.Millisecond)}}
			r.Nodes[i].OwnCalls = map[string]int64{"info": n}
			r.Nodes[i].Errors = map[string]int64{"WRONGTYPE": n, "ERR": 5}
			r.Nodes[i].Buckets = map[string][]observation.RedisBucket{"get": {
				{Upper: observation.Seconds(64 * time.Microsecond), Calls: 500 + 9*n}, {Upper: observation.Seconds(time.Millisecond), Calls: 1000 + 10*n}}, "info": {}}
			r.Nodes[i].Latency = map[string]observation.RedisLatency{"get": {P99: observation.Seconds(time.Duration(i+1) * time.Millisecond)}}
		}
		return nil
	})
	c := SummarizeCache(run)
	fast, slow := 64*time.Microsecond, time.Millisecond
	want := []CacheCommand{{Name: "get", Calls: 200, CallsPerS: 20, Total: 10 * time.Millisecond, Mean: 50 * time.Microsecond, Rejected: 40, Failed: 20, P50: &fast, P99: &slow, Lifetime: 2 * time.Millisecond}}
	if d := cmp.Diff(want, c.Commands); d != "" {
		t.Errorf("commands (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]int64{"WRONGTYPE": 20}, c.Errors); d != "" {
		t.Errorf("errors (-want +got):\n%s", d)
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
