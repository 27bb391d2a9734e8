package redisinfo

import (
	"strings"
	"testing"
	"time"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
	"arqload/attack/sandbox"
)

// gather takes samples until some time has passed and returns all probes, with the
// instants at which they were planned.
func gather(t *testing.T, c *Collector, d time.Duration) (probes []observation.RedisProbe, planned []time.Time, notes []string) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		begun := time.Now()
		s := sample(t, c)
		for _, p := range s.Probes {
			probes, planned = append(probes, p), append(planned, begun.Add(-p.Ago.Duration()))
		}
		notes = append(notes, s.ProbeNotes...)
	}
	return probes, planned, notes
}

func TestProbesTellMillisecondsAndAStallWithTheProbesItPrevented(t *testing.T) {
	set := start(t, sandbox.RedisOptions{Replicas: 1})
	c := openWith(t, set.URL(), Options{ProbeKey: "arqload:probe"})
	sample(t, c)
	before := sample(t, c).Nodes[0]
	quick, planned, notes := gather(t, c, 1500*time.Millisecond)
	if len(quick) < 10 || len(notes) > 0 {
		t.Fatalf("%d probes in 1.5 s, want about 15; notes %q", len(quick), notes)
	}
	fast := 0
	for i, p := range quick {
		if p.Took > 0 && p.Took.Duration() < 50*time.Millisecond && !p.Lost && !p.AtLeast {
			fast++
		}
		if i > 0 {
			if d := planned[i].Sub(planned[i-1]); d < 70*time.Millisecond || d > 130*time.Millisecond {
				t.Errorf("probe %d was planned %v after the one before, want 100 ms", i, d)
			}
		}
	}
	if fast < len(quick)*8/10 {
		t.Errorf("%d of %d probes took less than 50 ms: %+v", fast, len(quick), quick)
	}
	after := sample(t, c).Nodes[0]
	if after.Hits != before.Hits || after.Misses != before.Misses {
		t.Error("probes count as reads")
	}
	// All that this server did is the collector's own; one probe may be under way, and the
	// replica acknowledges by REPLCONF, once a second and for each WAIT.
	acks := detailed(t, c).Nodes[0].Calls["replconf"].Calls
	if n := after.Commands - before.Commands - (after.Own - before.Own); n < 0 || n > acks+2 {
		t.Errorf("%d commands are nobody's, want none but some of the %d REPLCONF", n, acks)
	}

	if err := set.Pause(set.Addresses()[1]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1700 * time.Millisecond)
	if n := sample(t, c).Nodes[0]; n.BlockedClients != 1 || n.OwnBlocked != 1 {
		t.Errorf("%d clients blocked, %d of them own; want the probe alone", n.BlockedClients, n.OwnBlocked)
	}
	if err := set.Resume(set.Addresses()[1]); err != nil {
		t.Fatal(err)
	}
	stalled, _, _ := gather(t, c, 1500*time.Millisecond)
	// The stall was 1.7 s and the 0.8 s for which the sample waited for the replica in vain:
	// of its 25 instants the first waited all of it, each further one 100 ms less. Those that
	// waited over half a second are the 20 of the first 2 s.
	slow, longest := 0, time.Duration(0)
	for _, p := range stalled {
		if p.Took.Duration() > 500*time.Millisecond {
			slow++
		}
		longest = max(longest, p.Took.Duration())
	}
	if slow < 18 || slow > 30 || longest < 2300*time.Millisecond {
		t.Errorf("%d probes over 0.5 s, the longest %v; want about 20, and the 2.5 s of the stall: %+v", slow, longest, stalled)
	}

	if err := set.Pause(set.Addresses()[1]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	last := tick(t, c, collectors.Tick{Seq: 9, Edge: "final", Final: true})
	unended := 0
	for _, p := range last.Probes {
		if p.AtLeast && p.Took > 0 {
			unended++
		}
	}
	if unended < 1 {
		t.Errorf("the final sample lacks the probes that have not ended: %+v", last.Probes)
	}
}

func TestWithoutReplicasThereIsANoteAndNoProbe(t *testing.T) {
	set := start(t, sandbox.RedisOptions{})
	c := openWith(t, set.URL(), Options{ProbeKey: "arqload:probe"})
	probes, _, notes := gather(t, c, 300*time.Millisecond)
	if len(probes) > 0 || len(notes) == 0 || !strings.Contains(notes[0], "no connected replica") {
		t.Errorf("probes %+v, notes %q", probes, notes)
	}
	if n, err := at(t, set.Addresses()[0]).Exists(t.Context(), "arqload:probe").Result(); err != nil || n != 0 {
		t.Errorf("the key was written for nothing (%v)", err)
	}
}

func TestAUserWhoMayNotProbeIsToldWhatToAllow(t *testing.T) {
	t.Parallel()
	set := start(t, sandbox.RedisOptions{Replicas: 1, Args: []string{"--user", "watcher", "on", ">planted-secret", "-@all", "+info"}})
	url := strings.Replace(set.URL(), "redis://", "redis://watcher:planted-secret@", 1)
	c := openWith(t, url, Options{ProbeKey: "arqload:probe"})
	probes, _, notes := gather(t, c, 900*time.Millisecond)
	if len(probes) > 0 || len(notes) == 0 || !strings.Contains(notes[len(notes)-1], "ACL SETUSER watcher +set +wait ~arqload:probe") {
		t.Errorf("probes %+v, notes %q", probes, notes)
	}
	if n := sample(t, c).Nodes[0]; n.ErrorReplies != n.OwnErrors {
		t.Errorf("%d error replies, %d of them known as own", n.ErrorReplies, n.OwnErrors)
	}
}

func TestAKeysSlotIsTheSpecifications(t *testing.T) {
	// 12739 is 0x31C3, the specification's check value, modulo 16384; the rest is its text.
	for key, same := range map[string]string{"{user1000}.following": "user1000", "foo{}{bar}": "foo{}{bar}", "foo{{bar}}zap": "{bar", "foo{bar}{zap}": "bar"} {
		if slotOf(key) != slotOf("{"+same+"}") && slotOf(key) != slotOf(same) {
			t.Errorf("%s is in slot %d, want that of %s", key, slotOf(key), same)
		}
	}
	if n := slotOf("123456789"); n != 12739 {
		t.Errorf("slot %d, want 12739", n)
	}
}

// A user who may not probe, and a master that nobody repeats, are told before the load.
func TestWhatCannotBeProbedIsToldAtOpening(t *testing.T) {
	t.Parallel()
	set := start(t, sandbox.RedisOptions{Replicas: 1})
	alone := start(t, sandbox.RedisOptions{})
	admin := at(t, set.Addresses()[0])
	for name, allowed := range map[string][]string{"reader": {"+info"}, "elsewhere": {"+info", "+set", "+wait", "~other:*"}, "writer": {"+info", "+set", "+wait", "~arqload:probe"}} {
		words := []any{"acl", "setuser", name, "on", ">planted-secret", "-@all"}
		for _, w := range allowed {
			words = append(words, w)
		}
		if err := admin.Do(t.Context(), words...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, url, key, want string }{
		{"may read alone", strings.Replace(set.URL(), "redis://", "redis://reader:planted-secret@", 1), "arqload:probe", "ACL SETUSER reader +set +wait ~arqload:probe"},
		{"may write elsewhere", strings.Replace(set.URL(), "redis://", "redis://elsewhere:planted-secret@", 1), "arqload:probe", "ACL SETUSER elsewhere +set +wait ~arqload:probe"},
		{"may write the key", strings.Replace(set.URL(), "redis://", "redis://writer:planted-secret@", 1), "arqload:probe", ""},
		{"no replica", alone.URL(), "arqload:probe", "no replica is connected to " + alone.Addresses()[0] + ": nothing to measure"},
		{"no key", alone.URL(), "", ""},
	} {
		o := openWith(t, c.url, Options{ProbeKey: c.key})
		doubts := strings.Join(o.Doubts(), "\n")
		if c.want == "" && doubts != "" || !strings.Contains(doubts, c.want) || strings.Contains(doubts, "planted-secret") {
			t.Errorf("%s: doubts %q, want %q", c.name, doubts, c.want)
		}
		if n := sample(t, o).Nodes[0]; c.name == "may read alone" && n.OwnErrors < 2 {
			t.Errorf("%s: %d own errors, want those of SET and WAIT among them", c.name, n.OwnErrors)
		}
	}
	if n, err := at(t, alone.Addresses()[0]).Exists(t.Context(), "arqload:probe").Result(); err != nil || n != 0 {
		t.Errorf("the key was written where nothing can be measured (%v)", err)
	}
}

func TestAMasterThatAnswersNothingDoesNotFillTheMemory(t *testing.T) {
	p := &prober{node: &node{address: "a:6379"}}
	begun := time.Now()
	for i := range 6005 {
		p.plan(begun.Add(time.Duration(i) * probeEvery))
	}
	end := begun.Add(6005 * probeEvery)
	p.acknowledge(time.Time{}, 0, end)
	var s observation.Redis
	p.take(&s, begun, false)
	if len(s.Probes) != 6000 || s.Dropped != 5 || s.Probes[0].Took.Duration() != 6005*probeEvery {
		t.Errorf("%d probes, the first took %v, %d dropped; want 6000, the 600.5 s since it was planned, 5", len(s.Probes), s.Probes[0].Took, s.Dropped)
	}
	var next observation.Redis
	if p.take(&next, end, false); next.Dropped != 0 || len(next.Probes) != 0 {
		t.Errorf("the next sample tells %+v once more", next)
	}
}
