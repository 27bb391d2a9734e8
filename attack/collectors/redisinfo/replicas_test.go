package redisinfo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"arqload/analysis"
	"arqload/analysis/observation"
	"arqload/attack/sandbox"
)

// The acceptance document's set: a primary with four replicas.
func TestAPrimaryWithFourReplicasOfWhichOneIsLost(t *testing.T) {
	t.Parallel()
	set := start(t, sandbox.RedisOptions{Replicas: 4})
	all := set.Addresses()
	r := newRecord(t, openWith(t, set.URL(), Options{ProbeKey: "arqload:probe"}))
	first := r.sample("start of steady")
	if len(first.Nodes) != 5 || len(of(t, first, all[0]).Replicas) != 4 {
		t.Fatalf("nodes %+v, want a primary with four replicas", first.Nodes)
	}
	for i, address := range all {
		for range i + 1 { // 1+2+3+4+5 reads
			if err := at(t, address).Get(t.Context(), "absent").Err(); err != redis.Nil {
				t.Fatal(err)
			}
		}
	}
	time.Sleep(500 * time.Millisecond)
	if s := r.sample(""); len(s.Probes) < 3 || len(s.ProbeNotes) > 0 {
		t.Errorf("%d probes, notes %q; want about 5", len(s.Probes), s.ProbeNotes)
	}
	whole := *r
	whole.run.Samples = slices.Clone(r.run.Samples)
	c, result := whole.judge("cache.replication_offset_lag < 1MiB")
	if !c.Available || c.Misses != 15 || len(c.Nodes) != 5 || len(c.Gaps) > 0 || result.Outcome != analysis.Met {
		t.Errorf("available %v, %d misses on %d nodes, gaps %q, judged %s because %q; want 15 on 5, met", c.Available, c.Misses, len(c.Nodes), c.Gaps, result.Outcome, result.Reason)
	}
	for i, n := range c.Nodes {
		if n.Misses != int64(i+1) {
			t.Errorf("%s has %d misses, want %d", n.Address, n.Misses, i+1)
		}
	}

	// One loses its link and finds no way back; it still answers, and the other three do all.
	app := at(t, all[0])
	if err := app.Do(t.Context(), "acl", "setuser", "default", "-psync", "-sync").Err(); err != nil {
		t.Fatal(err)
	}
	list := must[string](t)(app.Do(t.Context(), "client", "list", "type", "replica").Text())
	id, _, _ := strings.Cut(strings.TrimPrefix(list, "id="), " ")
	if err := app.ClientKillByFilter(t.Context(), "id", id).Err(); err != nil {
		t.Fatal(err)
	}
	lost := ""
	for end := time.Now().Add(10 * time.Second); lost == ""; time.Sleep(100 * time.Millisecond) {
		s := r.sample("")
		down := slices.IndexFunc(s.Nodes, func(n observation.RedisNode) bool { return n.MasterLink == "down" })
		if down >= 0 && len(of(t, s, all[0]).Replicas) == 3 {
			lost = s.Nodes[down].Address
		}
		if time.Now().After(end) {
			t.Fatal("the replica keeps its link")
		}
	}
	c, result = r.cache("cache.replication_offset_lag < 1MiB")
	if result.Outcome != analysis.Unproven || !gapped(c.Gaps, lost, "had no link to its master "+all[0], "down") || !gapped(c.Gaps, lost, "is missing at its master "+all[0]) {
		t.Errorf("judged %s because %q, gaps %q; want it unproven because %s is lost", result.Outcome, result.Reason, c.Gaps, lost)
	}
	if m := c.Measures["cache.replication_lag"]; !strings.Contains(m.Partial, lost) {
		t.Errorf("replication_lag: partial %q, want %s named", m.Partial, lost)
	}
}
