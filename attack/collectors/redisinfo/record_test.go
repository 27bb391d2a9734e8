package redisinfo

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"arqload/analysis"
	"arqload/analysis/observation"
	"arqload/attack/collectors"
	"arqload/attack/sandbox"
	"arqload/scenarios"
)

// record is a run in which a collector is read; judged is all between its edges.
type record struct {
	t     *testing.T
	c     *Collector
	epoch time.Time
	run   observation.Run
}

func newRecord(t *testing.T, c *Collector) *record {
	return &record{t: t, c: c, epoch: time.Now()}
}

func (r *record) now() observation.Seconds { return observation.Seconds(time.Since(r.epoch)) }

// sample reads the collector as the sampler does. The first sample begins the judged time,
// an edge ends it.
func (r *record) sample(edge string) observation.Redis {
	r.t.Helper()
	s := observation.Sample{Collector: "redisinfo", At: r.now(), Edge: edge}
	data, err := r.c.Sample(r.t.Context(), collectors.Tick{Seq: len(r.run.Samples), Edge: edge, Final: edge == "final"})
	s.Took = r.now() - s.At
	if err != nil {
		s.Error = err.Error()
	} else if s.Data, err = json.Marshal(data); err != nil {
		r.t.Fatal(err)
	}
	r.run.Samples = append(r.run.Samples, s)
	got, _ := data.(observation.Redis)
	return got
}

// cache ends the run and says what analysis makes of it.
func (r *record) cache(objective string) (analysis.Cache, analysis.Result) {
	r.t.Helper()
	r.sample("final")
	return r.judge(objective)
}

// judge says what analysis makes of the samples so far.
func (r *record) judge(objective string) (analysis.Cache, analysis.Result) {
	r.t.Helper()
	first, last := r.run.Samples[0].At, r.run.Samples[len(r.run.Samples)-1].At
	r.run.Header.Phases = []observation.Phase{{Name: "steady", Judged: true, Start: first, End: last}}
	r.run.Header.Sources = []observation.Source{{Collector: "redisinfo", Asked: true}}
	r.run.Footer = &observation.Footer{Ended: last}
	o, err := scenarios.ParseObjective(objective)
	if err != nil {
		r.t.Fatal(err)
	}
	s := analysis.Summarize(&r.run)
	return s.Cache, s.JudgeObjective(o)
}

// read asks for keys that are there (hits) and for others (misses).
func read(t *testing.T, app redis.Cmdable, hits, misses int) {
	t.Helper()
	ctx := t.Context()
	if err := app.Set(ctx, "there", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for range hits {
		if err := app.Get(ctx, "there").Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range misses {
		if err := app.Get(ctx, fmt.Sprint("absent", i)).Err(); err != redis.Nil {
			t.Fatal(err)
		}
	}
}

func gapped(gaps []string, words ...string) bool {
	return slices.ContainsFunc(gaps, func(g string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(g, w) })
	})
}

func TestAMasterKilledMidRunVoidsTheRatioAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	set := start(t, sandbox.RedisOptions{Masters: 3, Replicas: 1})
	all := set.Addresses()
	app := redis.NewClusterClient(&redis.ClusterOptions{Addrs: all, DisableIdentity: true, MaxRedirects: 20})
	defer app.Close()
	r := newRecord(t, open(t, "redis://"+all[0]))
	r.sample("start of steady")
	read(t, app, 60, 30)
	before := r.sample("")
	if len(before.Nodes) != 6 {
		t.Fatalf("%d nodes, want 6", len(before.Nodes))
	}
	if err := set.Kill(all[0]); err != nil {
		t.Fatal(err)
	}
	killed := time.Since(r.epoch)
	promoted := func() bool {
		s := r.sample("")
		i := slices.IndexFunc(s.Nodes, func(n observation.RedisNode) bool { return n.Address == all[3] })
		return i >= 0 && s.Nodes[i].Role == "master"
	}
	for end := time.Now().Add(15 * time.Second); !promoted(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no failover")
		}
	}
	at3 := at(t, all[3])
	for range 40 { // the promoted one answers for the dead one's slots, also to those that redirect themselves
		if err := at3.Get(t.Context(), ownKey(t, all[3], at3)).Err(); err != redis.Nil {
			t.Fatal(err)
		}
	}
	c, result := r.cache("cache_hit_ratio > 10%")
	if !gapped(c.Gaps, all[0], "could not be read from", "connection refused") || !gapped(c.Gaps, all[3], "became master") {
		t.Errorf("gaps %q, want the death of %s and the promotion of %s (killed at %v)", c.Gaps, all[0], all[3], killed)
	}
	if c.Available || c.Partial == "" || result.Outcome != analysis.NoData || !strings.Contains(result.Reason, all[0]) || !strings.Contains(result.Reason, "that are known") {
		t.Errorf("judged %s because %q; want no data, and the part in words", result.Outcome, result.Reason)
	}
	i := slices.IndexFunc(c.Nodes, func(n analysis.CacheNode) bool { return n.Address == all[3] })
	if i < 0 || c.Nodes[i].Misses != 40 || c.Nodes[i].Role != "master" {
		t.Errorf("the promoted node is %+v, want its 40 misses", c.Nodes)
	}
	// 90 reads before the death, all of them read in the sample before it, and 40 after.
	if c.Hits != 60 || c.Misses != 70 {
		t.Errorf("%d hits and %d misses are known, want 60 and 70", c.Hits, c.Misses)
	}
}

// ownKey is a key that a master of the cluster holds itself.
func ownKey(t *testing.T, address string, c *redis.Client) string {
	t.Helper()
	//lint:ignore SA1019 as in the collector
	slots, err := c.ClusterSlots(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	key := spread("absent", slots)[address]
	if key == "" {
		t.Fatalf("%s holds no slot in %v", address, slots)
	}
	return key
}

func TestARestartAndAResetMidRunAreGapsAndNoNegativeNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		hit  func(set *sandbox.RedisSet) error
		want string
	}{
		"restart": {func(set *sandbox.RedisSet) error { return set.Restart(context.Background(), set.Addresses()[0]) }, "was restarted or is another one"},
		"reset": {func(set *sandbox.RedisSet) error {
			app := redis.NewClient(&redis.Options{Addr: set.Addresses()[0], DisableIdentity: true})
			defer app.Close()
			return app.ConfigResetStat(context.Background()).Err()
		}, "were reset"},
	} {
		set := start(t, sandbox.RedisOptions{})
		r := newRecord(t, open(t, set.URL()))
		r.sample("start of steady")
		read(t, at(t, set.Addresses()[0]), 50, 10)
		r.sample("")
		if err := c.hit(set); err != nil {
			t.Fatal(err)
		}
		r.sample("")
		read(t, at(t, set.Addresses()[0]), 7, 3)
		got, result := r.cache("cache_hit_ratio > 10%")
		if !gapped(got.Gaps, set.Addresses()[0], c.want, "noticed at") || result.Outcome != analysis.NoData || got.Available {
			t.Errorf("%s: gaps %q, judged %s because %q", name, got.Gaps, result.Outcome, result.Reason)
		}
		if got.Hits != 57 || got.Misses != 13 || got.OpsPerS <= 0 {
			t.Errorf("%s: %d hits, %d misses, want the 50+7 and 10+3 of both sides", name, got.Hits, got.Misses)
		}
		for _, metric := range []string{"cache.clients_share", "cache.cpu_share"} { // which a reset leaves alone
			if m := got.Measures[metric]; m.Reason != "" || (m.Partial == "") != (name == "reset") {
				t.Errorf("%s: %s = %+v", name, metric, m)
			}
		}
		for _, cmd := range got.Commands {
			if cmd.Calls < 0 || cmd.Total < 0 {
				t.Errorf("%s: %+v", name, cmd)
			}
		}
	}
}

func TestAStalledReplicaIsJudgedByTheProbesItPrevented(t *testing.T) {
	set := start(t, sandbox.RedisOptions{Replicas: 1})
	r := newRecord(t, openWith(t, set.URL(), Options{ProbeKey: "arqload:probe"}))
	r.sample("start of steady")
	time.Sleep(500 * time.Millisecond)
	r.sample("")
	if err := set.Pause(set.Addresses()[1]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if err := set.Resume(set.Addresses()[1]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	c, result := r.cache("cache.replication_lag < 100ms")
	// Of about 20 probes 10 fell into the stall; sent one after the other it would be 1.
	if result.Outcome != analysis.Missed || result.Bad < 8 || c.Probes.Max < 900*time.Millisecond || c.Probes.P50 > 500*time.Millisecond {
		t.Errorf("judged %s because %q; probes %+v", result.Outcome, result.Reason, c.Probes)
	}
	if !c.Available {
		t.Errorf("the stall voids the counters: %s", c.Reason)
	}
}

// redis-benchmark is told how many requests to send; the record must say the same.
func TestCountsAgreeWithRedisBenchmark(t *testing.T) {
	program, err := exec.LookPath("redis-benchmark")
	if err != nil {
		t.Fatal("redis-benchmark is not there: install the package that has it (redis-tools on Debian and Ubuntu, redis elsewhere)")
	}
	set := start(t, sandbox.RedisOptions{})
	address := set.Addresses()[0]
	if err := at(t, address).Set(t.Context(), "there", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(address, ":")
	const n = 20000
	r := newRecord(t, open(t, set.URL()))
	r.sample("start of steady")
	for _, key := range []string{"there", "absent", "there"} {
		if out, err := exec.CommandContext(t.Context(), program, "-h", "127.0.0.1", "-p", port, "-c", "10", "-n", fmt.Sprint(n), "-q", "get", key).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		r.sample("")
	}
	c, result := r.cache("cache_hit_ratio > 50%")
	near := func(what string, got, want float64) {
		t.Helper()
		if d := got/want - 1; d > 0.01 || d < -0.01 {
			t.Errorf("%.0f %s, redis-benchmark says %.0f", got, what, want)
		}
	}
	near("hits", float64(c.Hits), 2*n)
	near("misses", float64(c.Misses), n)
	near("commands", c.OpsPerS*c.Covered.Seconds(), 3*n)
	if len(c.Commands) == 0 || c.Commands[0].Name != "get" {
		t.Fatalf("commands %+v, want GET first", c.Commands)
	}
	get := c.Commands[0]
	near("calls of GET", float64(get.Calls), 3*n)
	if get.P50 == nil || get.P99 == nil || *get.P50 > *get.P99 || *get.P50 < time.Microsecond || get.Mean > *get.P99 || get.Failed != 0 {
		t.Errorf("GET = %+v, want quantiles that hold its mean", get)
	}
	if !c.Available || result.Observed == nil || len(c.Gaps) > 0 {
		t.Errorf("available %v, gaps %q, observed %v", c.Available, c.Gaps, result.Observed)
	}
	if share := c.Measures["cache.cpu_share"]; share.Reason != "" || share.Value <= 0 || share.Value > 1 {
		t.Errorf("cpu_share = %+v", share)
	}
}
