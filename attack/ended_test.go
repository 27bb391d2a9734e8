package attack_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"arqload/analysis/observation"
	"arqload/attack"
	"arqload/attack/attacktest"
)

// driveUntil runs a plan whose owner ends it at an instant of the run's clock, which begins
// 200 ms after the run.
func driveUntil(t *testing.T, ctx context.Context, text string, system *attacktest.System, at time.Duration) *observation.Run {
	t.Helper()
	p := planFor(t, "http://127.0.0.1:1", text)
	var m observation.Memory
	err := attack.Run(ctx, p, attack.Options{Recorder: &m, Transport: system, Begun: func(end func(attack.Ended) bool) {
		time.AfterFunc(200*time.Millisecond+at, func() {
			if !end(attack.Ended{By: observation.ByGate, Why: "it is known"}) {
				t.Error("the run could not be ended")
			}
			if end(attack.Ended{By: observation.ByGate, Why: "again"}) {
				t.Error("the run was ended twice")
			}
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	checkAccounts(t, &m.Run)
	return &m.Run
}

func judgedOf(run *observation.Run) (length time.Duration, sum observation.Tally) {
	for _, s := range run.Seconds {
		if s.Judged {
			length += s.Length.Duration()
			sum.Add(&s.Tally)
		}
	}
	return length, sum
}

func TestAnEarlyEndLetsWhatIsInFlightGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Answers take 4 s, twice the grace of an interruption. Ended at 7.495 s: 750 are due of
		// auth, and the 500 slots hold the 4 s of them that are in flight. Seconds are closed when
		// their last arrival has ended: those up to 3 s are, whose last ended at 6.99 s.
		run := driveUntil(t, t.Context(), `
load: [{scenario: auth, rate: 100/s}]
limits: {in_flight: 500, timeout: 60s}
phases: [{name: steady, duration: 60s}]
objectives: [p99 < 1s]
`, attacktest.New(attacktest.Script{Latency: 4 * time.Second}), 7495*time.Millisecond)
		sum := total(run)
		if sum.Planned != 750 || sum.OK != 750 || sum.Canceled != 0 {
			t.Errorf("planned %d, ok %d, canceled %d; want 750, 750, 0: nothing in flight is given up", sum.Planned, sum.OK, sum.Canceled)
		}
		length, judged := judgedOf(run)
		if length != 3*time.Second || judged.OK != 300 {
			t.Errorf("%v with %d arrivals are judged; want the 3 s that were closed, with 300", length, judged.OK)
		}
		f := run.Footer
		if f.StoppedAt.Duration() != 7495*time.Millisecond || f.StoppedBy != observation.ByGate || f.StoppedWhy != "it is known" || f.Interrupted {
			t.Errorf("the record says %+v", f)
		}
		if f.Ended.Duration() != 11490*time.Millisecond {
			t.Errorf("the last answer came at %v, want 11.49s", f.Ended.Duration())
		}
	})
}

func TestAnEarlyEndCancelsWhatIsDueAndJudgesNoneOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// 100 of 200 a second are served: half of what is due waits for a slot.
		run := driveUntil(t, t.Context(), `
load: [{scenario: auth, rate: 200/s}]
limits: {in_flight: 10, timeout: 60s}
phases: [{name: steady, duration: 60s}]
objectives: [p99 < 1s]
`, attacktest.New(attacktest.Script{Capacity: 100}), 10502*time.Millisecond)
		sum := total(run)
		if sum.Planned != 2101 || sum.Canceled < 900 || sum.Canceled > 1100 {
			t.Errorf("planned %d, canceled %d; want 2101, about half", sum.Planned, sum.Canceled)
		}
		length, judged := judgedOf(run)
		if judged.Canceled != 0 || judged.OK != judged.Planned || length < 3*time.Second || length > 6*time.Second {
			t.Errorf("%v judged with %d of %d canceled; those are the slow ones, which must not be left out", length, judged.Canceled, judged.Planned)
		}
	})
}

func TestTheLastSamplesComeAfterAnEarlyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		driveUntil(t, t.Context(), `
load: [{scenario: auth, rate: 10/s}]
phases: [{name: steady, duration: 60s}]
objectives: [p99 < 1s]
`, attacktest.New(attacktest.Script{}), 5050*time.Millisecond)
		// 0.2 s before the epoch, 5.05 s of load, 2 s until PostgreSQL has published its counters.
		if took := time.Since(began); took != 7250*time.Millisecond {
			t.Errorf("the run took %v, want 7.25s", took)
		}
	})
}

func TestAPersonWhoInterruptsTheDrainIsNotTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		began := time.Now()
		run := driveUntil(t, ctx, `
load: [{scenario: auth, rate: 100/s}]
limits: {in_flight: 5000, timeout: 60s}
phases: [{name: steady, duration: 60s}]
objectives: [p99 < 1s]
`, attacktest.New(attacktest.Script{Latency: 30 * time.Second}), 5*time.Second)
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("the run took %v: the person's 2 s of grace are over at 10 s", took)
		}
		f := run.Footer
		if !f.Interrupted || f.StoppedBy != observation.ByPerson || f.StoppedAt.Duration() != 5*time.Second || !strings.Contains(f.StoppedWhy, "it is known") {
			t.Errorf("the record says %+v", f)
		}
	})
}

func TestARunThatIsOverCannotBeEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := planFor(t, "http://127.0.0.1:1", `
load: [{scenario: auth, rate: 10/s}]
phases: [{name: steady, duration: 3s}]
objectives: [p99 < 1s]
`)
		var m observation.Memory
		err := attack.Run(t.Context(), p, attack.Options{Recorder: &m, Transport: attacktest.New(attacktest.Script{}), Begun: func(end func(attack.Ended) bool) {
			time.AfterFunc(3300*time.Millisecond, func() {
				if end(attack.Ended{By: observation.ByGate}) {
					t.Error("a run was ended 100 ms after its plan's end")
				}
			})
		}})
		if f := m.Run.Footer; err != nil || f.StoppedBy != "" || f.StoppedAt != 0 {
			t.Errorf("%v, the record says %+v", err, f)
		}
	})
}
