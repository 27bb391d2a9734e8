package pgstat

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"arqload/analysis"
	"arqload/attack/sandbox"
	"arqload/scenarios"
)

// replicated starts a primary with a streaming replica.
func replicated(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{Postgres: true, Replica: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Stop(); err != nil {
			t.Error(err)
		}
	})
	return box
}

func chasing(t *testing.T, box *sandbox.Sandbox) *Collector {
	t.Helper()
	c, err := Open(t.Context(), box.PostgresURL(), Options{Replica: box.ReplicaURL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// writes has the primary write until stop is closed.
func writes(t *testing.T, box *sandbox.Sandbox) (stop func()) {
	t.Helper()
	app := client(t, box.PostgresURL())
	exec(t, app, "create table if not exists written (i int)")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = app.Exec(ctx, "insert into written values (1)")
			time.Sleep(2 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

func judgeLag(d analysis.Database, text string) analysis.Result {
	o, err := scenarios.ParseObjective(text)
	if err != nil {
		panic(err)
	}
	s := &analysis.Summary{Database: d, Measures: d.Measures, Judged: 3 * time.Second}
	return s.JudgeObjective(o)
}

// TestReplication has the tests that share one primary and its replica.
func TestReplication(t *testing.T) {
	t.Parallel()
	box := replicated(t)
	for name, test := range map[string]func(*testing.T, *sandbox.Sandbox){
		"the lag is measured by WAL position": lagByPosition,
		"an idle primary has no lag":          idlePrimary,
		"a lost replica is no lag":            lostReplica,
		"what is no replica is refused":       noReplica,
	} {
		t.Run(name, func(t *testing.T) { test(t, box) })
	}
}

// lagByPosition: with a healthy replica no probe takes
// long; while it stands still for 1.5 s, every probe of that time does, also those that a
// tool would not have begun that waits for one answer after the other.
func lagByPosition(t *testing.T, box *sandbox.Sandbox) {
	stop := writes(t, box)
	defer stop()
	r := record(t, chasing(t, box))
	time.Sleep(2 * time.Second)
	if err := box.PausePostgresReplica(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	if err := box.ResumePostgresReplica(); err != nil {
		t.Fatal(err)
	}
	run, d := r.end()
	slow, fast := 0, 0
	var longest time.Duration
	for _, p := range d.Lag.Probes {
		longest = max(longest, p.Value)
		switch {
		case p.Lost || p.Open:
			t.Errorf("a probe was lost: %+v (%s)", p, d.Lag.Reason)
		case p.Value > 300*time.Millisecond:
			slow++
		case p.Value < 100*time.Millisecond:
			fast++
		}
	}
	// Ten a second: 12 of the 15 begun in the pause waited longer than 0.3 s.
	if slow < 9 || slow > 16 || fast < 15 || longest < 1200*time.Millisecond {
		t.Errorf("%d probes took over 0.3 s and %d under 0.1 s, the longest %v; want about 12, over 15 and 1.5 s", slow, fast, longest)
	}
	res := judgeLag(d, "replication_lag < 100ms")
	if res.Outcome != analysis.Missed {
		t.Errorf("replication_lag < 100ms: %s (%s), want missed", res.Outcome, res.Reason)
	}
	all := decode(t, run)
	last := all[len(all)-1]
	if len(last.Replicas) != 1 || last.Replicas[0].State != "streaming" || !last.Replicas[0].BytesKnow {
		t.Errorf("replicas = %+v, want one that streams", last.Replicas)
	}
	t.Logf("%d probes, %d slow, longest %v; %s", len(d.Lag.Probes), slow, longest, res.Reason)
}

// idlePrimary: the usual query says that the lag grows for ever.
func idlePrimary(t *testing.T, box *sandbox.Sandbox) {
	r := record(t, chasing(t, box))
	time.Sleep(2 * time.Second)
	_, d := r.end()
	for _, p := range d.Lag.Probes {
		if p.Lost || p.Value > 500*time.Millisecond {
			t.Errorf("probe %+v of an idle primary", p)
		}
	}
	if n := len(d.Lag.Probes); n < 15 {
		t.Errorf("%d probes in 2 s, want 20", n)
	}
	if r := judgeLag(d, "replication_lag < 1s"); r.Outcome != analysis.Unproven || !strings.Contains(r.Reason, "more at this rate") {
		t.Errorf("%s (%s): want unproven, since it takes 299 probes", r.Outcome, r.Reason)
	}
}

// lostReplica: what was not measured speaks for neither verdict.
func lostReplica(t *testing.T, box *sandbox.Sandbox) {
	u, err := url.Parse(box.ReplicaURL())
	if err != nil {
		t.Fatal(err)
	}
	l := line(t, u.Host)
	u.Host = l.Addr()
	c, err := Open(t.Context(), box.PostgresURL(), Options{Replica: u.String()})
	if err != nil {
		t.Fatal(err)
	}
	r := record(t, c)
	time.Sleep(time.Second)
	l.Lead("")
	time.Sleep(1500 * time.Millisecond)
	_, d := r.end()
	lost := 0
	for _, p := range d.Lag.Probes {
		if p.Lost {
			lost++
		}
	}
	if lost < 10 || !strings.Contains(strings.Join(d.Gaps, "\n"), l.Addr()) {
		t.Errorf("%d probes lost, gaps %q; want some 15, and the replica's address", lost, d.Gaps)
	}
	if r := judgeLag(d, "replication_lag < 1s"); r.Outcome != analysis.Unproven {
		t.Errorf("%s (%s): want unproven, not missed by what was not measured", r.Outcome, r.Reason)
	}
}

func noReplica(t *testing.T, box *sandbox.Sandbox) {
	for name, c := range map[string]struct{ primary, replica, want string }{
		"a primary":                    {box.PostgresURL(), box.PostgresURL(), "is not in recovery"},
		"a replica of another primary": {server, box.ReplicaURL(), "system identifiers differ"},
		"nobody":                       {server, "postgres://u:planted-secret@127.0.0.1:1/x", "is PostgreSQL running there"},
		"no address":                   {server, "mysql://u:planted-secret@h/x", "postgres_replica"},
	} {
		o, err := Open(t.Context(), c.primary, Options{Replica: c.replica})
		if err != nil {
			t.Errorf("%s: %v; the rest of the database can be read", name, err)
			continue
		}
		doubts := strings.Join(o.Doubts(), "\n")
		lag := sample(t, o, first).Lag
		if !strings.Contains(doubts, c.want) || strings.Contains(doubts, "planted-secret") || lag == nil || !strings.Contains(lag.Error, c.want) {
			t.Errorf("%s: doubts %q, lag %+v; want both to say %q", name, doubts, lag, c.want)
		}
		if err := o.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
