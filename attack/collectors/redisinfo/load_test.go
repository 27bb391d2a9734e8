package redisinfo

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"arqload/attack/sandbox"
)

// redis-benchmark is told how many requests to send; the samples must say the same.
func TestCountsAgreeWithRedisBenchmark(t *testing.T) {
	program, err := exec.LookPath("redis-benchmark")
	if err != nil {
		t.Skip("redis-benchmark, which comes with redis-server in most packages, is not there")
	}
	set := start(t, sandbox.RedisOptions{})
	address := set.Addresses()[0]
	c := open(t, set.URL())
	if err := at(t, address).Set(t.Context(), "there", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	const n = 20000
	before := detailed(t, c).Nodes[0]
	_, port, _ := strings.Cut(address, ":")
	for _, key := range []string{"there", "absent", "there"} {
		if out, err := exec.CommandContext(t.Context(), program, "-h", "127.0.0.1", "-p", port, "-c", "10", "-n", "20000", "-q", "get", key).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	after := detailed(t, c).Nodes[0]
	near := func(what string, got, want int64) {
		t.Helper()
		if d := got - want; d*100 > want || -d*100 > want {
			t.Errorf("%d %s, redis-benchmark says %d", got, what, want)
		}
	}
	near("hits", after.Hits-before.Hits, 2*n)
	near("misses", after.Misses-before.Misses, n)
	near("commands", after.Commands-before.Commands-(after.Own-before.Own), 3*n)
	near("calls of GET", after.Calls["get"].Calls-before.Calls["get"].Calls, 3*n)
	got := after.Buckets["get"]
	if len(got) == 0 {
		t.Fatal("no histogram of GET")
	}
	near("GET in the histogram", got[len(got)-1].Calls, 3*n)
	if cpu, wall := (after.MainCPU - before.MainCPU).Duration(), time.Minute; cpu <= 0 || cpu > wall {
		t.Errorf("main thread used %v", cpu)
	}
}
