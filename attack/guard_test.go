package attack_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"arqload/analysis/observation"
	"arqload/attack/attacktest"
)

const guarded = `
load: [{scenario: auth, rate: 100/s}]
limits: {in_flight: 500, timeout: 10s}
phases: [{name: warm-up, duration: 10s, judged: false}, {name: steady, duration: 50s}]
objectives: [p99 < 1s]
stop_when: [%s]
`

func TestAGuardEndsTheRunAtTheArrivalThatBreachesIt(t *testing.T) {
	for _, c := range []struct {
		guard  string
		script attacktest.Script
		at     time.Duration
		words  string
	}{
		// Arrivals start at 0, 10 ms, ...; every one fails. The 200th is at 1.99 s.
		{"error_rate > 99% over 200 requests", attacktest.Script{ErrorEvery: 1}, 1990 * time.Millisecond, "200 of the last 200 arrivals failed"},
		// Every second one fails: of 100 there are 50, which is not more than 50%.
		{"error_rate >= 50% over 100 requests", attacktest.Script{ErrorEvery: 2}, 990 * time.Millisecond, "50 of the last 100 arrivals failed"},
		// Answers take 3 s: the 20th ends at 190 ms + 3 s.
		{"p50 > 2s over 20 requests", attacktest.Script{Latency: 3 * time.Second}, 3190 * time.Millisecond, "20 of the last 20 arrivals took longer than 2s, or failed"},
		{"p50 >= 3s over 20 requests", attacktest.Script{Latency: 3 * time.Second}, 3190 * time.Millisecond, "20 of the last 20 arrivals took 3s or longer, or failed"},
		// Of the first 100 two fail, the 50th and the 100th: more than 1% for p99.
		{"p99 > 2s over 100 requests", attacktest.Script{ErrorEvery: 50}, 990 * time.Millisecond, "2 of the last 100"},
	} {
		t.Run(c.guard, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := planFor(t, "http://127.0.0.1:1", fmt.Sprintf(guarded, c.guard))
				run := drive(t, t.Context(), p, attacktest.New(c.script))
				f := run.Footer
				if f.StoppedBy != observation.ByGuard || f.StoppedAt.Duration() != c.at || f.Interrupted {
					t.Errorf("stopped by %q at %v; want stop_when at %v", f.StoppedBy, f.StoppedAt.Duration(), c.at)
				}
				if !strings.HasPrefix(f.StoppedWhy, c.guard+": ") || !strings.Contains(f.StoppedWhy, c.words) {
					t.Errorf("why: %s", f.StoppedWhy)
				}
				if length, _ := judgedOf(run); length != 0 {
					t.Errorf("%v of the warm-up are judged", length)
				}
			})
		})
	}
}

func TestAGuardLeavesARunAloneThatDoesNotBreachIt(t *testing.T) {
	for guard, script := range map[string]attacktest.Script{
		"error_rate > 50% over 100 requests": {ErrorEvery: 2}, // exactly 50%
		"p50 > 3s over 20 requests":          {Latency: 3 * time.Second},
		"p98 > 2s over 100 requests":         {ErrorEvery: 50}, // 2 of 100 are 2%, not more
	} {
		t.Run(guard, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := planFor(t, "http://127.0.0.1:1", fmt.Sprintf(guarded, guard))
				run := drive(t, t.Context(), p, attacktest.New(script))
				if f := run.Footer; f.StoppedBy != "" || f.StoppedAt != 0 || total(run).Planned != 6000 {
					t.Errorf("%d planned, the record says %+v", total(run).Planned, f)
				}
			})
		})
	}
}

func TestAGuardForgetsWhatIsOlderThanItsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// One of 100 fails, over and over: never two of the last 50, though 60 in all.
		p := planFor(t, "http://127.0.0.1:1", fmt.Sprintf(guarded, "error_rate > 3% over 50 requests"))
		if f := drive(t, t.Context(), p, attacktest.New(attacktest.Script{ErrorEvery: 100})).Footer; f.StoppedBy != "" {
			t.Errorf("stopped: %s", f.StoppedWhy)
		}
	})
}

func TestAGuardSeesTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Nothing is answered; all ends by the timeout of 20 s, after the schedule's 10 s.
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: auth, rate: 100/s}]
limits: {in_flight: 5000, timeout: 20s}
phases: [{name: steady, duration: 10s}]
objectives: [p99 < 1s]
stop_when: [error_rate > 50% over 200 requests]
`)
		run := drive(t, t.Context(), p, attacktest.New(attacktest.Script{HangEvery: 1}))
		length, sum := judgedOf(run)
		if f := run.Footer; f.StoppedBy != observation.ByGuard || f.StoppedAt.Duration() != 21990*time.Millisecond || length != 10*time.Second || sum.Planned != 1000 {
			t.Errorf("%v judged with %d arrivals, the record says %+v", length, sum.Planned, f)
		}
	})
}

// Once nothing more is sent, the slow ones are the last to end: the last N that ended are then
// no picture of the system.
func TestAGuardIsNotMisledByWhatEndsLast(t *testing.T) {
	for name, phases := range map[string]string{
		"at the end":   "[{name: steady, duration: 60s}]",
		"in a pause":   "[{name: steady, duration: 30s}, {name: pause, duration: 20s, at: 0%, judged: false}, {name: again, duration: 30s}]",
		"after a ramp": "[{name: steady, duration: 30s}, {name: down, duration: 10s, from: 100%, to: 0%}]",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// One of 25 is never answered: 4% fail, 40 of them are in flight at any time.
				p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: auth, rate: 100/s}]
limits: {in_flight: 500, timeout: 10s}
phases: `+phases+`
objectives: [error_rate < 10%]
stop_when: [error_rate > 50% over 20 requests, p90 > 2s over 30 requests]
`)
				if f := drive(t, t.Context(), p, attacktest.New(attacktest.Script{HangEvery: 25})).Footer; f.StoppedBy != "" {
					t.Errorf("stopped at %v: %s", f.StoppedAt.Duration(), f.StoppedWhy)
				}
			})
		})
	}
}

// A gate has ended the run, and then nothing that is in flight is answered: the guard sees it, though
// there is nothing left to end.
func TestAGuardSeesTheDrainAfterAGate(t *testing.T) {
	for every, want := range map[uint64]string{1: "error_rate > 50% over 50 requests: 50 of the last 50 arrivals failed", 50: ""} {
		synctest.Test(t, func(t *testing.T) {
			run := driveUntil(t, t.Context(), `
load: [{scenario: auth, rate: 100/s}]
limits: {in_flight: 5000, timeout: 20s}
phases: [{name: steady, duration: 60s}]
objectives: [throughput >= 1/s]
stop_when: [error_rate > 50% over 50 requests]
`, attacktest.New(attacktest.Script{HangEvery: every}), 10*time.Second)
			if f := run.Footer; f.Breach != want || f.StoppedBy != observation.ByGate || f.StoppedAt.Duration() != 10*time.Second {
				t.Errorf("every %d hangs: the record says %+v; want the breach %q", every, f, want)
			}
		})
	}
}
