package analysis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"arqload/analysis/observation"
)

// replicated makes a run of the master a with as many replicas as are named, which is
// probed ten times a second; each replica lacks 40 bytes.
func replicated(t *testing.T, replicas []string, edit func(s int, r *observation.Redis) error) *observation.Run {
	t.Helper()
	return redis(t, runOf(), func(s int, r *observation.Redis) error {
		r.Nodes = r.Nodes[:1]
		master := &r.Nodes[0]
		master.MasterOffset = int64(1000 * (s + 3))
		for _, address := range replicas {
			master.Replicas = append(master.Replicas, observation.RedisReplica{Address: address, State: "online", Offset: master.MasterOffset - 40})
			r.Nodes = append(r.Nodes, observation.RedisNode{Address: address, RunID: "life of " + address, Version: "7.0.15", Role: "slave", Master: "a:6379", MasterLink: "up",
				Commands: int64(30 * (s + 2)), MaxClients: 100, Clients: 5})
		}
		r.Probing = true
		r.Probes = probesOf("a:6379", 40, time.Millisecond) // 400 in the judged time: enough to prove 99%
		return edit(s, r)
	})
}

// probesOf are n probes that were begun in the second before a sample.
func probesOf(master string, n int, took time.Duration) (all []observation.RedisProbe) {
	for i := range n {
		ago := time.Second - time.Duration(i)*time.Second/time.Duration(n)
		all = append(all, observation.RedisProbe{Master: master, Ago: observation.Seconds(ago), Took: observation.Seconds(took)})
	}
	return all
}

func cacheOf(c Cache) *Summary { return &Summary{Cache: c, Measures: c.Measures} }

func TestALostReplicaProvesNothingOfReplication(t *testing.T) {
	without := func(r *observation.Redis, address string) {
		m := &r.Nodes[0]
		m.Replicas = slices.DeleteFunc(m.Replicas, func(r observation.RedisReplica) bool { return r.Address == address })
	}
	for name, c := range map[string]struct {
		replicas []string
		edit     func(s int, r *observation.Redis) error
		want     string // empty: both objectives are met
	}{
		"none is lost": {[]string{"b:6379", "c:6379"}, func(int, *observation.Redis) error { return nil }, ""},
		"lost before and after the judged time": {[]string{"b:6379", "c:6379"}, func(s int, r *observation.Redis) error {
			if s < 9 || s > 21 {
				without(r, "b:6379")
				r.Nodes[1].MasterLink = "down"
			}
			return nil
		}, ""},
		"the only one's link is cut": {[]string{"b:6379"}, func(s int, r *observation.Redis) error {
			if s >= 14 {
				without(r, "b:6379")
				r.Nodes[1].MasterLink = "down"
			}
			return nil
		}, "the replica b:6379 had no link to its master a:6379 at 14s (down)"},
		"a link that was cut before": {[]string{"b:6379", "c:6379"}, func(s int, r *observation.Redis) error {
			if s >= 5 && s < 12 {
				without(r, "b:6379")
				r.Nodes[1].MasterLink = "down"
			}
			return nil
		}, "the replica b:6379 had no link to its master a:6379 at 10s (down)"},
		"one of two is no longer listed": {[]string{"b:6379", "c:6379"}, func(s int, r *observation.Redis) error {
			if s >= 14 && s < 16 {
				without(r, "c:6379")
			}
			return nil
		}, "the replica c:6379 is missing at its master a:6379 at 14s"},
		"at the last sample of the judged time": {[]string{"b:6379", "c:6379"}, func(s int, r *observation.Redis) error {
			if s >= 20 {
				without(r, "c:6379")
			}
			return nil
		}, "the replica c:6379 is missing at its master a:6379 at 20s"},
		"one of two is filled again": {[]string{"b:6379", "c:6379"}, func(s int, r *observation.Redis) error {
			if s == 14 {
				r.Nodes[0].Replicas[1].State = "wait_bgsave"
			}
			return nil
		}, "the replica c:6379 was in state wait_bgsave at its master a:6379 at 14s"},
	} {
		got := SummarizeCache(replicated(t, c.replicas, c.edit))
		if !got.Available {
			t.Errorf("%s: the counters are a part because %s", name, got.Reason)
		}
		for _, objective := range []string{"cache.replication_offset_lag < 1MiB", "cache.replication_lag < 100ms"} {
			switch r := judged(t, cacheOf(got), objective); {
			case c.want == "" && (r.Outcome != Met || len(got.Gaps) > 0):
				t.Errorf("%s: %s is %s because %q, gaps %q; want it met", name, objective, r.Outcome, r.Reason, got.Gaps)
			case c.want != "" && (r.Outcome != Unproven || !strings.Contains(r.Reason, c.want)):
				t.Errorf("%s: %s is %s because %q, want it unproven because %q", name, objective, r.Outcome, r.Reason, c.want)
			}
		}
		if c.want != "" && !slices.ContainsFunc(got.Gaps, func(g string) bool { return strings.Contains(g, c.want) }) {
			t.Errorf("%s: gaps %q do not say %q", name, got.Gaps, c.want)
		}
		if m := got.Measures["cache.blocked_clients"]; m.Partial != "" {
			t.Errorf("%s: blocked_clients is a part because %s", name, m.Partial)
		}
	}
}

func TestEachMastersReplicasAreJudgedByThemselves(t *testing.T) {
	many := func(edit func(s int, r *observation.Redis)) Cache {
		return SummarizeCache(redis(t, runOf(), func(s int, r *observation.Redis) error {
			r.Probing = true
			for i := range 40 {
				r.Probes = append(r.Probes, probesOf(fmt.Sprintf("m%02d:6379", i), 40, time.Millisecond)...)
			}
			edit(s, r)
			return nil
		}))
	}
	one := func(r *observation.Redis, i int) []observation.RedisProbe { return r.Probes[40*i : 40*i+40] }
	const objective = "cache.replication_lag < 100ms"
	// 20% of one in 40 are 0.5% of all.
	slow := many(func(s int, r *observation.Redis) {
		for i := range 8 {
			one(r, 17)[5*i].Took = observation.Seconds(time.Second)
		}
	})
	if r := judged(t, cacheOf(slow), objective); r.Outcome != Missed || r.Samples != 400 || slow.Measures["cache.replication_lag"].Where != "m17:6379" {
		t.Errorf("%s of %d probes at %q because %q; want it missed by the 400 of m17", r.Outcome, r.Samples, slow.Measures["cache.replication_lag"].Where, r.Reason)
	}
	if p := slow.Probes; p.Count != 40*400 || p.Masters != 40 || p.Worst != "m17:6379" || p.WorstP99 != time.Second || p.P99 != time.Millisecond {
		t.Errorf("probes = %+v", p)
	}
	quick := many(func(int, *observation.Redis) {})
	if r := judged(t, cacheOf(quick), objective); r.Outcome != Met {
		t.Errorf("%s because %q, want it met", r.Outcome, r.Reason)
	}
	// Of one too little is known: it does not hide one that is slow, and that one does not speak for it.
	lostProbes := func(r *observation.Redis) {
		for i := range one(r, 3) {
			one(r, 3)[i].Lost, one(r, 3)[i].Took = true, 0
		}
	}
	both := many(func(s int, r *observation.Redis) {
		lostProbes(r)
		for i := range 8 {
			one(r, 17)[5*i].Took = observation.Seconds(time.Second)
		}
	})
	if r := judged(t, cacheOf(both), objective); r.Outcome != Missed || both.Measures["cache.replication_lag"].Where != "m17:6379" {
		t.Errorf("%s because %q, want it missed by m17", r.Outcome, r.Reason)
	}
	unknown := many(func(s int, r *observation.Redis) { lostProbes(r) })
	if r := judged(t, cacheOf(unknown), objective); r.Outcome != Unproven || !strings.Contains(r.Reason, "m03:6379") {
		t.Errorf("%s because %q, want it unproven because of m03", r.Outcome, r.Reason)
	}
}

func TestDroppedProbesAreAPart(t *testing.T) {
	const dropped = "7 replication probes were dropped"
	for second, want := range map[int]string{5: "", 10: "", 15: dropped, 20: dropped, 23: ""} {
		c := SummarizeCache(replicated(t, []string{"b:6379"}, func(s int, r *observation.Redis) error {
			if s == second {
				r.Dropped = 7
			}
			return nil
		}))
		m := c.Measures["cache.replication_lag"]
		if want == "" && m.Partial != "" || !strings.Contains(m.Partial, want) {
			t.Errorf("dropped at %d s: partial %q, want %q", second, m.Partial, want)
		}
	}
}

// One master is 20 ms late evenly, another stalled for four whole seconds of ten minutes:
// its 40 slow probes are four events, which prove less than 40 would.
func TestAMasterWhoseSlowProbesComeTogetherIsNotHiddenByAnother(t *testing.T) {
	by := map[string][]Probe{}
	for i := range 6000 {
		at := time.Duration(i) * 100 * time.Millisecond
		steady, stalled := Probe{At: at, Value: time.Millisecond}, Probe{At: at, Value: time.Millisecond}
		if i%50 == 0 {
			steady.Value = 20 * time.Millisecond
		}
		if second := i / 10; second%150 == 75 {
			stalled.Value = time.Second
		}
		by["steady:6379"], by["stalled:6379"] = append(by["steady:6379"], steady), append(by["stalled:6379"], stalled)
	}
	outcomes := map[string]Outcome{}
	for master, probes := range by {
		outcomes[master] = judged(t, &Summary{Measures: map[string]Measure{"cache.replication_lag": {N: len(probes), Probes: probes}}}, "cache.replication_lag < 100ms").Outcome
	}
	if outcomes["steady:6379"] != Met || outcomes["stalled:6379"] != Unproven {
		t.Fatalf("by themselves they are %v", outcomes)
	}
	if worst, unproved := worstMaster(by); worst.master != "stalled:6379" || len(unproved) > 0 {
		t.Errorf("%s stands for both, %q; want the one that meets the limit less surely", worst.master, unproved)
	}
}
