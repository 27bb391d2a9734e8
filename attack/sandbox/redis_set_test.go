//go:build linux

package sandbox

import (
	"strings"
	"testing"
	"time"
)

func TestAClusterOfSixIsWholeAndLeavesNothing(t *testing.T) {
	dir := open(t)
	set, err := StartRedis(t.Context(), RedisOptions{Masters: 3, Replicas: 1, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Stop()
	if n := len(set.Addresses()); n != 6 {
		t.Fatalf("%d servers, want 6", n)
	}
	for i, r := range set.servers {
		info, err := set.ask(r, "INFO", "replication")
		role := "role:master\r\n"
		if i >= 3 {
			role = "role:slave\r\n"
		}
		if err != nil || !strings.Contains(info, role) {
			t.Errorf("server %d is not %s: %s (%v)", i, role, info, err)
		}
	}
	if err := set.Kill(set.Addresses()[0]); err != nil {
		t.Fatal(err)
	}
	if err := within(t.Context(), "failover", func() bool {
		info, err := set.ask(set.servers[3], "INFO", "replication")
		return err == nil && strings.Contains(info, "role:master")
	}); err != nil {
		t.Error(err)
	}
	if err := set.Stop(); err != nil {
		t.Errorf("a server killed on purpose is reported: %v", err)
	}
	gone(t, dir, time.Second)
	empty(t, dir)
}

func TestAReplicaIsConnectedAndSurvivesAPause(t *testing.T) {
	dir := open(t)
	set, err := StartRedis(t.Context(), RedisOptions{Replicas: 1, Password: "planted", Args: []string{"--maxmemory", "100mb"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Stop()
	if !strings.Contains(set.URL(), "planted") {
		t.Errorf("URL %s lacks the password", set.URL())
	}
	replica := set.Addresses()[1]
	if err := set.Pause(replica); err != nil {
		t.Fatal(err)
	}
	if redisPID(replica, "planted") != 0 {
		t.Error("a paused server answers")
	}
	if err := set.Resume(replica); err != nil {
		t.Fatal(err)
	}
	info, err := set.ask(set.servers[1], "INFO", "memory")
	if err != nil || !strings.Contains(info, "maxmemory:104857600\r\n") {
		t.Errorf("the argument did not arrive: %v", err)
	}
	before := set.servers[0].process.cmd.Process.Pid
	if err := set.Restart(t.Context(), set.Addresses()[0]); err != nil {
		t.Fatal(err)
	}
	if redisPID(set.Addresses()[0], "planted") == before {
		t.Error("the same process after a restart")
	}
	if err := set.Pause(replica); err != nil { // Stop must not wait for it in vain
		t.Fatal(err)
	}
	if err := set.Stop(); err != nil {
		t.Error(err)
	}
	gone(t, dir, time.Second)
	empty(t, dir)
}
