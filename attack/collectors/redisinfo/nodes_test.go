package redisinfo

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"arqload/analysis/observation"
	"arqload/attack/sandbox"
)

func TestAReplicasReadsAreCountedWhereverOneBegins(t *testing.T) {
	t.Parallel()
	set := start(t, sandbox.RedisOptions{Replicas: 1})
	primary, replica := set.Addresses()[0], set.Addresses()[1]
	if err := at(t, primary).Set(t.Context(), "key", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for _, named := range []string{primary, replica} {
		c := open(t, "redis://"+named)
		before := sample(t, c)
		if len(before.Nodes) != 2 || before.Nodes[0].Address != named || before.Nodes[0].Found != "" || before.Nodes[1].Found != named {
			t.Fatalf("from %s: nodes %+v, want it and the other, found through it", named, before.Nodes)
		}
		app := at(t, replica)
		for range 7 {
			if err := app.Get(t.Context(), "absent").Err(); err != redis.Nil {
				t.Fatal(err)
			}
		}
		after := sample(t, c)
		if n := of(t, after, replica).Misses - of(t, before, replica).Misses; n != 7 {
			t.Errorf("from %s: %d misses at the replica, want 7", named, n)
		}
		if n := of(t, after, primary).Misses - of(t, before, primary).Misses; n != 0 {
			t.Errorf("from %s: %d misses at the primary, want none: a replica's reads are counted there alone", named, n)
		}
		p, r := of(t, after, primary), of(t, after, replica)
		if p.Role != "master" || len(p.Replicas) != 1 || p.Replicas[0].State != "online" || p.Replicas[0].Address != replica || p.MasterOffset == 0 {
			t.Errorf("primary = %+v, want its replica online", p)
		}
		if r.Role != "slave" || r.Master != primary || r.MasterLink != "up" {
			t.Errorf("replica = %+v, want its link up", r)
		}
	}
}

func TestTwoNamesOfOneRedisAreReadOnce(t *testing.T) {
	address := start(t, sandbox.RedisOptions{}).Addresses()[0]
	_, port, _ := strings.Cut(address, ":")
	c := open(t, "redis://"+address+",localhost:"+port)
	if s := sample(t, c); len(s.Nodes) != 1 || s.Nodes[0].Address != address {
		t.Errorf("nodes %+v, want the one process once", s.Nodes)
	}
}

func TestAClusterIsFoundThroughAnyNodeAndAKilledMasterShows(t *testing.T) {
	t.Parallel()
	set := start(t, sandbox.RedisOptions{Masters: 3, Replicas: 1})
	all := set.Addresses()
	app := redis.NewClusterClient(&redis.ClusterOptions{Addrs: all, DisableIdentity: true})
	defer app.Close()
	c := openWith(t, "redis://"+all[4]+",127.0.0.1:1", Options{ProbeKey: "arqload:probe"}) // a replica, and a way in that leads nowhere
	before := sample(t, c)
	if len(before.Nodes) != 6 {
		t.Fatalf("%d nodes, want 6: %+v", len(before.Nodes), before.Nodes)
	}
	for i := range 60 {
		if err := app.Get(t.Context(), fmt.Sprint("absent", i)).Err(); err != redis.Nil {
			t.Fatal(err)
		}
	}
	time.Sleep(250 * time.Millisecond) // two or three probes
	s := sample(t, c)
	misses, busy := int64(0), 0
	for _, n := range s.Nodes {
		d := n.Misses - of(t, before, n.Address).Misses
		misses += d
		if d > 0 {
			busy++
		}
		if n.Hits != of(t, before, n.Address).Hits {
			t.Errorf("%s counts hits: the probes must be none", n.Address)
		}
		if n.Error != "" || !n.Cluster {
			t.Errorf("node %+v", n)
		}
	}
	if misses != 60 || busy != 3 {
		t.Errorf("%d misses on %d nodes, want the 60 on the three masters", misses, busy)
	}
	probed := map[string]int{}
	for _, p := range s.Probes {
		if !p.Lost && p.Took > 0 {
			probed[p.Master]++
		}
	}
	if len(probed) != 3 || len(s.ProbeNotes) > 0 {
		t.Errorf("probes by master %v, notes %q; want some of each of the three", probed, s.ProbeNotes)
	}

	if err := set.Kill(all[0]); err != nil {
		t.Fatal(err)
	}
	promoted := ""
	for end := time.Now().Add(15 * time.Second); promoted == "" && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		s = sample(t, c)
		if dead := of(t, s, all[0]); dead.Error == "" {
			t.Fatalf("the killed master answers: %+v", dead)
		}
		if len(s.Nodes) != 6 {
			t.Fatalf("%d nodes after the death, want all 6: one that is gone must not look as if it had never been", len(s.Nodes))
		}
		if n := of(t, s, all[3]); n.Role == "master" {
			promoted = n.Address
		}
	}
	if promoted == "" {
		t.Fatal("the replica was not promoted")
	}
	if err := set.Restart(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		back := of(t, sample(t, c), all[0])
		if back.Error == "" && back.Role == "slave" {
			if back.RunID == of(t, before, all[0]).RunID {
				t.Error("the same run_id after a restart")
			}
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the old master does not come back as a replica: %+v", back)
		}
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		s = sample(t, c)
		if slices.ContainsFunc(s.Probes, func(p observation.RedisProbe) bool { return p.Master == promoted && p.Took > 0 && !p.Lost }) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the promoted master is not probed: %q", s.ProbeNotes)
		}
	}
}

func TestARestartAndAResetAreSeen(t *testing.T) {
	set := start(t, sandbox.RedisOptions{})
	address := set.Addresses()[0]
	c := open(t, set.URL())
	app := at(t, address)
	for range 5 {
		app.Get(t.Context(), "absent")
	}
	one := sample(t, c).Nodes[0]
	if err := app.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	two := sample(t, c).Nodes[0]
	if two.RunID != one.RunID || two.Misses >= one.Misses {
		t.Errorf("after CONFIG RESETSTAT %d misses of life %s, want fewer than %d in the same life", two.Misses, two.RunID, one.Misses)
	}
	if err := set.Restart(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	if three := sample(t, c).Nodes[0]; three.RunID == two.RunID || three.Error != "" {
		t.Errorf("after a restart %+v, want another life, read at once", three)
	}
}
