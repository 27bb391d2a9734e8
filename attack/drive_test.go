package attack_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"arqload/analysis/observation"
	"arqload/attack"
	"arqload/attack/attacktest"
	"arqload/attack/collectors"
	"arqload/scenarios"
)

// planFor parses a plan against a base URL that nobody dials in memory.
func planFor(t testing.TB, base, text string) *scenarios.Plan {
	t.Helper()
	src := fmt.Sprintf("version: 1\nname: test\nsystem: {base_url: %q, username: u, password: planted-password}\n%s", base, text)
	p, err := scenarios.Parse("plan.yaml", []byte(src), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drive runs a plan and returns its record.
func drive(t testing.TB, ctx context.Context, p *scenarios.Plan, rt http.RoundTripper) *observation.Run {
	t.Helper()
	var m observation.Memory
	if err := attack.Run(ctx, p, attack.Options{Recorder: &m, Transport: rt}); err != nil {
		t.Fatal(err)
	}
	checkAccounts(t, &m.Run)
	return &m.Run
}

// checkAccounts holds every record against what must always be true of it.
func checkAccounts(t testing.TB, run *observation.Run) {
	t.Helper()
	var sum observation.Tally
	last := observation.Seconds(0)
	for _, s := range run.Seconds {
		if s.Start != last {
			t.Errorf("a second begins at %v, the one before ended at %v", s.Start.Duration(), last.Duration())
		}
		last = s.Start + s.Length
		sum.Add(&s.Tally)
		var lanes observation.Tally
		for _, l := range s.Scenarios {
			lanes.Add(&l.Tally)
		}
		if lanes.Planned != s.Planned || lanes.OK != s.OK || lanes.Failed != s.Failed {
			t.Errorf("second %v: the scenarios sum to %+v, the second says %+v", s.Start.Duration(), lanes, s.Tally)
		}
	}
	if sum.Planned != sum.Sent+sum.Shed+sum.Canceled {
		t.Errorf("planned %d, sent %d + shed %d + canceled %d", sum.Planned, sum.Sent, sum.Shed, sum.Canceled)
	}
	if sum.Planned != sum.OK+sum.Failed {
		t.Errorf("planned %d, ok %d + failed %d", sum.Planned, sum.OK, sum.Failed)
	}
	var classes uint64
	for _, n := range sum.Errors {
		classes += n
	}
	if classes != sum.Failed {
		t.Errorf("classes sum to %d, failed %d: %v", classes, sum.Failed, sum.Errors)
	}
	if run.Footer == nil {
		t.Fatal("the record has no end")
	}
}

func total(run *observation.Run) observation.Tally {
	var sum observation.Tally
	for _, s := range run.Seconds {
		sum.Add(&s.Tally)
	}
	return sum
}

func TestVirtualStallIsInTheResponseTimeExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// 1,000/s for 20 s; nothing is answered in the last 200 ms of every 2 s. Of each
		// 2,000 arrivals 200 wait 200, 199, ... 1 ms: the 5% slowest wait over 100 ms, the
		// 1% slowest over 180 ms. 50 slots hold the first 50, the others wait for a slot.
		system := attacktest.New(attacktest.Script{StallEvery: 2 * time.Second, StallFor: 200 * time.Millisecond})
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: auth, rate: 1000/s}]
limits: {in_flight: 50}
phases: [{name: steady, duration: 20s}]
objectives: [p95 < 100ms, p95 <= 100ms, p99 < 180ms, p99 <= 180ms]
`)
		run := drive(t, t.Context(), p, system)
		series := observation.Series{Scenario: "auth", Step: observation.All, Outcome: observation.OK, Clock: observation.Response}
		h := run.Latency[series]
		for _, c := range []struct {
			q    float64
			want time.Duration
		}{{0.95, 100 * time.Millisecond}, {0.99, 180 * time.Millisecond}} {
			low, high, _ := h.AtRank(int64(c.q * 20_000))
			if c.want < low || c.want > high {
				t.Errorf("p%v lies in %v..%v, want %v", c.q*100, low, high, c.want)
			}
		}
		// The exact counters need no bucket: 10 stalls of (100 at or over 100 ms + the one
		// of exactly 100 ms), and so on.
		sum := total(run)
		for key, want := range map[string]uint64{">=100ms": 1010, ">100ms": 1000, ">=180ms": 210, ">180ms": 200} {
			if got := sum.Over[key]; got != want {
				t.Errorf("%s: %d, want %d", key, got, want)
			}
		}
		if sum.OK != 20_000 {
			t.Errorf("%d successes of 20000", sum.OK)
		}
		lag := run.Latency[observation.Series{Scenario: "auth", Step: observation.All, Outcome: observation.Started, Clock: observation.Lag}]
		if worst, _ := lag.Max(); worst != 0 {
			t.Errorf("the generator blames itself for %v of the system's stall", worst)
		}
		wait := run.Latency[observation.Series{Scenario: "auth", Step: observation.All, Outcome: observation.Started, Clock: observation.SlotWait}]
		// The 51st arrival of a stall is the first to wait: 150 ms.
		if worst, _ := wait.Max(); worst < 150*time.Millisecond || worst > 151*time.Millisecond {
			t.Errorf("longest slot wait %v, want 150ms", worst)
		}
	})
}

func TestVirtualOverloadLosesNoArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := attacktest.New(attacktest.Script{Capacity: 500})
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: auth, rate: 1000/s}]
limits: {in_flight: 100, timeout: 5s, max_lag: 3s}
phases: [{name: steady, duration: 20s}]
objectives: [throughput >= 1000/s]
`)
		run := drive(t, t.Context(), p, system)
		sum := total(run)
		if sum.Planned != 20_000 || sum.Shed == 0 || sum.ShedSelf != 0 {
			t.Errorf("planned %d, shed %d (%d by the generator); want 20000, some, none", sum.Planned, sum.Shed, sum.ShedSelf)
		}
		var ok uint64
		for _, s := range run.Seconds {
			if s.Judged {
				ok += s.CompletedOK
			}
		}
		if ok < 9_900 || ok > 10_001 {
			t.Errorf("%d answers in 20 s of a system that can do 500/s", ok)
		}
		if end := run.Footer.Ended.Duration(); end > 28*time.Second {
			t.Errorf("the run ended at %v; max_lag + timeout after the schedule is 28s", end)
		}
	})
}

func TestErrorsAreCountedByClassAsTheServerMadeThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := attacktest.New(attacktest.Script{ErrorEvery: 500, ResetEvery: 1001, HangEvery: 999})
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: auth, rate: 500/s}]
limits: {timeout: 2s}
phases: [{name: steady, duration: 40s}]
objectives: [error_rate < 1%]
`)
		run := drive(t, t.Context(), p, system)
		errs := total(run).Errors
		for class, want := range map[observation.Class]uint64{
			observation.HTTP5xx: system.Errors.Load(), observation.Reset: system.Resets.Load(), observation.Timeout: system.Hangs.Load(),
		} {
			if errs[class] != want || want == 0 {
				t.Errorf("%s: counted %d, the server made %d", class, errs[class], want)
			}
		}
		if len(errs) != 3 {
			t.Errorf("classes %v, want three", errs)
		}
	})
}

func TestStopAccountsForEveryDueArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := attacktest.New(attacktest.Script{Latency: 30 * time.Second})
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: auth, rate: 100/s}, {scenario: conversation, rate: 1/m}]
limits: {in_flight: 50, timeout: 60s}
phases: [{name: steady, duration: 60s}]
objectives: [p99 < 1s]
`)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		run := drive(t, ctx, p, system)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("stopping took until %v", took)
		}
		sum := total(run)
		// Stopped 2.8 s after the epoch (which lies 200 ms ahead): 281 due of auth, none of
		// conversation, whose first is staggered to 30 s; 50 of them in flight, given up
		// after the grace.
		if sum.Planned != 281 || sum.Sent != 50 || sum.Canceled != 231 || sum.Errors[observation.Canceled] != 281 {
			t.Errorf("planned %d, sent %d, canceled %d, errors %v; want 281, 50, 231, canceled 281", sum.Planned, sum.Sent, sum.Canceled, sum.Errors)
		}
		var judged time.Duration
		for _, sec := range run.Seconds {
			if sec.Judged {
				judged += sec.Length.Duration()
			}
		}
		if judged != 2*time.Second || run.Footer.StoppedAt.Duration() != 2800*time.Millisecond {
			t.Errorf("%v were judged of a run stopped at %v; want the two whole seconds before 2.8s", judged, run.Footer.StoppedAt.Duration())
		}
		if !run.Footer.Interrupted {
			t.Error("the record does not say that it was interrupted")
		}
	})
}

func TestConversationStepsShareOneArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := attacktest.New(attacktest.Script{Latency: 10 * time.Millisecond, ErrorEvery: 50})
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: conversation, rate: 10/s}]
phases: [{name: steady, duration: 60s}]
objectives: [conversation/message.p95 < 1s]
`)
		run := drive(t, t.Context(), p, system)
		steps := map[string]*observation.StepTally{}
		for _, s := range run.Seconds {
			for name, tally := range s.Scenarios["conversation"].Steps {
				if steps[name] == nil {
					steps[name] = &observation.StepTally{}
				}
				steps[name].Add(&tally.Results)
				steps[name].NotReached += tally.NotReached
			}
		}
		sum := total(run)
		var requests uint64
		for name, s := range steps {
			if s.OK+s.Failed+s.NotReached != sum.Planned {
				t.Errorf("%s: ok %d + failed %d + not reached %d is not %d", name, s.OK, s.Failed, s.NotReached, sum.Planned)
			}
			requests += s.OK + s.Failed
		}
		if requests != system.Requests.Load() {
			t.Errorf("%d requests counted, the system saw %d", requests, system.Requests.Load())
		}
		if sum.Failed != system.Errors.Load() || sum.Failed == 0 {
			t.Errorf("%d arrivals failed, the system failed %d requests", sum.Failed, system.Errors.Load())
		}
		h := run.Latency[observation.Series{Scenario: "conversation", Step: observation.All, Outcome: observation.OK, Clock: observation.Response}]
		if d, _ := h.Quantile(0.5); d < 30*time.Millisecond || d > 31*time.Millisecond {
			t.Errorf("an arrival of three steps of 10 ms took %v", d)
		}
	})
}

func TestALimitIsCountedOnceHoweverOftenItIsAskedOf(t *testing.T) {
	for _, objectives := range []string{"[p99 < 1s, auth.p99 < 1s]", "[auth.p99 < 1s, p99 < 1s]", "[auth/token.p99 < 1s, auth.p99 < 1s, p99 < 1s]"} {
		synctest.Test(t, func(t *testing.T) {
			system := attacktest.New(attacktest.Script{Latency: 2 * time.Second})
			p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: auth, rate: 10/s}]
phases: [{name: steady, duration: 5s}]
objectives: `+objectives)
			if n := total(drive(t, t.Context(), p, system)).Over[">=1s"]; n != 50 {
				t.Errorf("%s: %d arrivals counted over 1s, want 50", objectives, n)
			}
		})
	}
}

func TestAStepIsCompletedInTheSecondItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := attacktest.New(attacktest.Script{Latency: 1500 * time.Millisecond})
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: conversation, rate: 1/s}]
phases: [{name: steady, duration: 4s}]
objectives: [conversation/message.throughput >= 1/s]
`)
		run := drive(t, t.Context(), p, system)
		// Arrivals at 0, 1, 2, 3 s; each third step ends 4.5 s later, after the schedule's end.
		for _, s := range run.Seconds {
			if n := s.Scenarios["conversation"].Steps["message"].CompletedOK; s.Judged && n != 0 {
				t.Errorf("second %v: %d messages completed", s.Start.Duration(), n)
			}
		}
	})
}

func TestTheScheduleGoesOnAfterItsLastArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: auth, rate: 1/m}]
phases: [{name: first, duration: 70s}, {name: second, duration: 40s}]
objectives: [p99 < 1s]
`)
		run := drive(t, t.Context(), p, attacktest.New(attacktest.Script{}))
		var judged time.Duration
		for _, s := range run.Seconds {
			if s.Judged {
				judged += s.Length.Duration()
			}
		}
		// Arrivals at 0 and 60 s; the second phase has none, and is 40 s long all the same.
		if sum := total(run); sum.Planned != 2 || judged != 110*time.Second || run.Footer.Ended.Duration() != 110*time.Second {
			t.Errorf("%d arrivals, %v judged, ended at %v; want 2, 110s, 110s", sum.Planned, judged, run.Footer.Ended.Duration())
		}
	})
}

func TestAHeldTerminalDoesNotHoldTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: auth, rate: 10/s}]
phases: [{name: steady, duration: 5s}]
objectives: [p99 < 1s]
`)
		began := time.Now()
		release := make(chan struct{})
		err := attack.Run(t.Context(), p, attack.Options{Recorder: &observation.Memory{}, Transport: attacktest.New(attacktest.Script{}),
			Progress: func(attack.Progress) { <-release }})
		if took := time.Since(began); err != nil || took > 10*time.Second {
			t.Errorf("a run of 5 s took %v: %v", took, err)
		}
		close(release)
	})
}

type closing struct{ closed bool }

func (c *closing) Name() string                                         { return "closing" }
func (c *closing) Sample(context.Context, collectors.Tick) (any, error) { return nil, nil }
func (c *closing) Close(context.Context) error                          { c.closed = true; return nil }

func TestCollectorsAreClosedWhereNothingWasDriven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: message, rate: 10/s}]
phases: [{name: steady, duration: 5s}]
objectives: [p99 < 1s]
`)
		c := &closing{}
		err := attack.Run(t.Context(), p, attack.Options{Recorder: &observation.Memory{}, Collectors: []collectors.Collector{c},
			Transport: attacktest.New(attacktest.Script{ErrorEvery: 1, Status: 401})})
		if !attack.IsUnprepared(err) || !c.closed {
			t.Errorf("error %v, collector closed: %v", err, c.closed)
		}
	})
}

func TestPoissonArrivalsAreTheSameBySeed(t *testing.T) {
	run := func(seed int) (at string) {
		synctest.Test(t, func(t *testing.T) {
			p := planFor(t, "http://127.0.0.1:1", fmt.Sprintf(`
load: [{scenario: auth, rate: 100/s}, {scenario: conversation, rate: 20/s}]
arrivals: {process: poisson, seed: %d}
phases: [{name: up, duration: 3s, from: 0%%, to: 100%%, judged: false}, {name: steady, duration: 10s}]
objectives: [p99 < 1s]
`, seed))
			for _, s := range drive(t, t.Context(), p, attacktest.New(attacktest.Script{})).Seconds {
				at += fmt.Sprint(s.Planned, " ")
			}
		})
		return at
	}
	if a, b := run(1), run(1); a != b {
		t.Errorf("one seed, two schedules:\n%s\n%s", a, b)
	}
	if a, b := run(1), run(2); a == b {
		t.Errorf("two seeds, one schedule: %s", a)
	}
}

func TestPlannedSecretsAreInNoRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := attacktest.New(attacktest.Script{ErrorEvery: 3, Echo: true,
			Answer: func(string) string { return `{"access_token":"planted-token-123","id":"1"}` }})
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: auth, rate: 20/s}, {scenario: message, rate: 20/s}, {scenario: conversation, rate: 20/s}]
sessions: 1
phases: [{name: steady, duration: 5s}]
objectives: [p99 < 1s]
`)
		run := drive(t, t.Context(), p, system)
		if len(run.Errors) == 0 {
			t.Fatal("no example was kept")
		}
		for _, e := range run.Errors {
			for _, secret := range []string{"planted-password", "planted-token-123"} {
				if strings.Contains(e.Answer+e.Message, secret) {
					t.Fatalf("%s stands in %+v", secret, e)
				}
			}
			if !strings.Contains(e.Answer, scenarios.Redacted) {
				t.Errorf("the system echoed its request, yet nothing was redacted in %q", e.Answer)
			}
		}
	})
}
