package reference

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/pflag"
)

func TestFlagsReadEveryFault(t *testing.T) {
	var f Faults
	fs := pflag.NewFlagSet("reference", pflag.ContinueOnError)
	f.Flags(fs)
	err := fs.Parse([]string{"--latency", "lognormal(20ms,0.5)", "--stall=200ms/2s", "--error-share", "0.2%", "--reset-share", "0.01",
		"--hang-share", "1%", "--drop-writes", "100%", "--slow-query-share", "1.5%", "--slow-query-for", "700ms", "--capacity", "800",
		"--echo-secrets", "--fault-seed", "7"})
	want := Faults{Latency: Latency{shape: "lognormal", low: 20 * time.Millisecond, sigma: 0.5},
		StallEvery: 2 * time.Second, StallFor: 200 * time.Millisecond, ErrorShare: 0.002, ResetShare: 0.01, HangShare: 0.01,
		DropWrites: 1, SlowQueryShare: 0.015, SlowQueryFor: 700 * time.Millisecond, Capacity: 800, EchoSecrets: true, Seed: 7}
	if err != nil || f != want {
		t.Errorf("read %+v (%v), want %+v", f, err, want)
	}
	for _, bad := range []string{"--error-share=101%", "--error-share=-1", "--error-share=NaN", "--error-share=%", "--stall=2s/200ms",
		"--stall=200ms", "--latency=slow", "--latency=uniform(2ms,1ms)", "--latency=uniform(2ms)", "--latency=lognormal(1ms,-1)",
		"--latency=pareto(1ms,2)", "--latency=-1ms"} {
		if err := fs.Parse([]string{bad}); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

// Of requests every 10 ms for 4 s under stalls of 200 ms every second, those within a stall, 20 in each of the stalls at
// 1, 2 and 3 s, all begin at its end and the others at once.
func TestStallHoldsExactlyTheRequestsWithinIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		epoch, r := time.Now(), newRecorder(0)
		in := newInjector(Faults{StallEvery: time.Second, StallFor: 200 * time.Millisecond}, r, epoch)
		var requests sync.WaitGroup
		for i := range 400 {
			sent := time.Duration(i) * 10 * time.Millisecond
			want := sent
			if sent >= time.Second && sent%time.Second < 200*time.Millisecond {
				want = sent.Truncate(time.Second) + 200*time.Millisecond
			}
			time.Sleep(time.Until(epoch.Add(sent)))
			requests.Go(func() {
				if !in.begin(t.Context(), 0) || time.Since(epoch) != want {
					t.Errorf("sent at %v, begun at %v, want %v", sent, time.Since(epoch), want)
				}
			})
		}
		requests.Wait()
		if got := r.snapshot().Faults.Stalled; got != 60 {
			t.Errorf("%d requests counted as stalled, want 60", got)
		}
		time.Sleep(time.Until(epoch.Add(5 * time.Second)))
		if in.end(t.Context()); time.Since(epoch) != 5200*time.Millisecond {
			t.Errorf("an answer ready as a stall begins is given at %v, want 5.2s", time.Since(epoch))
		}
	})
}

// 20 requests at once, 100/s: the n-th begins at n*10 ms, but none from 100 to 150 ms, which is a stall.
func TestCapacityQueuesEvenlyAndNotIntoAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		epoch, r := time.Now(), newRecorder(0)
		in := newInjector(Faults{Capacity: 100, StallEvery: 100 * time.Millisecond, StallFor: 50 * time.Millisecond}, r, epoch)
		var mu sync.Mutex
		var begun []time.Duration
		var requests sync.WaitGroup
		for range 20 {
			requests.Go(func() {
				in.begin(t.Context(), 0)
				mu.Lock()
				defer mu.Unlock()
				begun = append(begun, time.Since(epoch)/time.Millisecond)
			})
		}
		requests.Wait()
		want := []time.Duration{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 150, 160, 170, 180, 190, 250, 260, 270, 280, 290}
		if !slices.Equal(begun, want) {
			t.Errorf("begun at %v ms, want %v", begun, want)
		}
		if got := r.snapshot().Faults.Queued; got != 19 {
			t.Errorf("%d counted as queued, want all but the first", got)
		}
	})
}

func TestWaitsEndWhenTheClientOrTheServerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInjector(Faults{}, newRecorder(0), time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if in.begin(ctx, time.Hour) || time.Since(begin) != time.Second {
			t.Errorf("the client left after 1s, the wait ended after %v", time.Since(begin))
		}
		time.AfterFunc(time.Second, in.close)
		in.hang(t.Context())
		if in.begin(t.Context(), time.Hour) || time.Since(begin) != 2*time.Second {
			t.Errorf("the server closed after 2s, the waits ended after %v", time.Since(begin))
		}
	})
}

func TestSameSeedSameFates(t *testing.T) {
	fates := func(f Faults) (all []fate) {
		in := newInjector(f, newRecorder(0), time.Now())
		for range 1000 {
			all = append(all, in.decide())
		}
		return all
	}
	f := Faults{ErrorShare: 0.1, ResetShare: 0.1, HangShare: 0.1, Seed: 1}
	more := f
	more.DropWrites = 0.5
	for i, x := range fates(more) {
		if x.end != fates(f)[i].end {
			t.Fatalf("request %d: another switch changed its end", i)
		}
	}
	other := f
	other.Seed = 2
	if slices.Equal(fates(f), fates(other)) {
		t.Error("two seeds decide alike")
	}
}

// Every fault a client sees is counted once, and the shares are those asked for: of 2000 requests at 10% each, 200 with a
// standard deviation of sqrt(2000*0.1*0.9) = 13; the seed is fixed, so this is no gamble.
func TestInjectedFaultsAreWhatAClientSees(t *testing.T) {
	a := serve(t, func(c *Config) { c.Faults = Faults{ErrorShare: 0.1, ResetShare: 0.1, HangShare: 0.01, Seed: 3} })
	var mu sync.Mutex
	seen := map[string]int64{}
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			for range 100 {
				ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
				status, _, err := a.send(ctx, "POST", "/api/auth/token", "", loginBody(testPassword))
				cancel()
				kind := "other"
				switch {
				case status == 200:
					kind = "ok"
				case status == 503:
					kind = "error"
				case errors.Is(err, syscall.ECONNRESET):
					kind = "reset"
				case errors.Is(err, context.DeadlineExceeded):
					kind = "hang"
				}
				mu.Lock()
				seen[kind]++
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	s := a.stats()
	e := s.Endpoints["POST /api/auth/token"]
	told := map[string]int64{"ok": e.Answers[200], "error": e.Answers[503], "reset": e.Resets, "hang": e.Hangs}
	for kind, n := range told {
		if seen[kind] != n {
			t.Errorf("%s: the client saw %d, the server counts %d", kind, seen[kind], n)
		}
	}
	if seen["other"] != 0 || e.Requests != 2000 || e.Abandoned != 0 {
		t.Errorf("seen %v; the server counts %+v; want 2000 requests and nothing else", seen, e)
	}
	if f := s.Faults; f.Errors != e.Answers[503] || f.Resets != e.Resets || f.Hangs != e.Hangs || f.Seed != 3 {
		t.Errorf("faults %+v do not agree with the endpoint's %+v", f, e)
	}
	for _, kind := range []string{"error", "reset"} {
		if n := told[kind]; n < 160 || n > 240 {
			t.Errorf("%d requests of kind %s, want 200 give or take three standard deviations", n, kind)
		}
	}
	if n := told["hang"]; n < 7 || n > 33 { // 20, standard deviation 4.4
		t.Errorf("%d hangs, want about 20", n)
	}
}

func TestDroppedWritesLookLikeWrites(t *testing.T) {
	a := serve(t, nil)
	token := a.login()
	dialogue := a.dialogue(token)
	b := serve(t, func(c *Config) { c.Faults = Faults{DropWrites: 1} })
	var m messageAnswer
	b.must(201, "POST", "/api/dialogues/"+dialogue+"/messages", token, `{"message": "lost"}`, &m)
	if n := count(t, `SELECT count(*) FROM messages WHERE id = $1 OR body = 'lost'`, m.ID); m.ID == "" || n != 0 {
		t.Errorf("message %q was answered and %d rows written, want an id and none", m.ID, n)
	}
	b.must(404, "POST", "/api/dialogues/"+b.dialogue(token)+"/messages", token, `{"message": "x"}`, nil)
	if s := b.stats(); s.Faults.DroppedWrites != 2 || s.Rows["messages"] != 0 || s.Rows["dialogues"] != 0 {
		t.Errorf("%d dropped, rows %v; want 2 and none", s.Faults.DroppedWrites, s.Rows)
	}
}

func TestHealthIsUntouchedByFaults(t *testing.T) {
	a := serve(t, func(c *Config) {
		c.Faults = Faults{ErrorShare: 1, Latency: Latency{low: time.Hour}, Capacity: 0.001, StallEvery: time.Second, StallFor: 999 * time.Millisecond}
	})
	time.Sleep(time.Second) // into the first stall
	for _, path := range []string{"/health", "/readiness", "/live", "/reference/stats"} {
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		if status, text, err := a.send(ctx, "GET", path, "", ""); status != 200 {
			t.Errorf("%s: %d %s (%v)", path, status, text, err)
		}
		cancel()
	}
}

func TestSecretsAreEchoedOnlyWhenAsked(t *testing.T) {
	a := serve(t, func(c *Config) { c.Faults = Faults{EchoSecrets: true} })
	_, text, err := a.send(t.Context(), "POST", "/api/dialogues", "some-token", `{"initial_message": "x"}`)
	var p problem
	if json.Unmarshal(text, &p); err != nil || p.Received == nil || p.Received.Authorization != "Bearer some-token" ||
		p.Received.Body != `{"initial_message": "x"}` {
		t.Errorf("the error answer is %s (%v), want the request's header and body in it", text, err)
	}
}

func TestSlowQueryIsSlowInPostgres(t *testing.T) {
	a := serve(t, func(c *Config) { c.Faults = Faults{SlowQueryShare: 1, SlowQueryFor: 300 * time.Millisecond} })
	begin := time.Now()
	a.login()
	if d := time.Since(begin); d < 300*time.Millisecond {
		t.Errorf("a login with a statement of 300ms took %v", d)
	}
	if n := count(t, `SELECT count(*) FROM pg_stat_statements WHERE query = $1 AND max_exec_time >= 300`, slowQuery.sql); n != 1 {
		t.Error("pg_stat_statements has no statement of 300 ms")
	}
}

// Run ends promptly whatever requests wait for, and without an error.
func TestShutdownEndsWhatAFaultHolds(t *testing.T) {
	for name, f := range map[string]Faults{
		"hang": {HangShare: 1}, "latency": {Latency: Latency{low: time.Hour}}, "capacity": {Capacity: 0.001},
	} {
		a := serve(t, func(c *Config) { c.Faults = f })
		var clients sync.WaitGroup
		for range 3 {
			clients.Go(func() { a.send(context.Background(), "POST", "/api/auth/token", "", loginBody(testPassword)) })
		}
		for a.stats().Endpoints["POST /api/auth/token"].Requests < 3 {
			time.Sleep(5 * time.Millisecond)
		}
		begin := time.Now()
		if err := a.stop(); err != nil || time.Since(begin) > 2*time.Second {
			t.Errorf("%s: Run ended after %v with %v", name, time.Since(begin), err)
		}
		clients.Wait()
	}
}
