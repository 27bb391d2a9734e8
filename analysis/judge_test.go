package analysis

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

// sim builds the record of a run of one scenario, "message", second by second.
type sim struct {
	m       observation.Memory
	limits  []time.Duration // counted exactly
	seconds int
}

func newSim(limits ...time.Duration) *sim {
	s := &sim{limits: limits}
	h := observation.Header{Version: observation.Version, Lanes: []observation.Lane{{Scenario: "message", Steps: []string{"send"}, RatePerS: 1000}},
		Phases: []observation.Phase{{Name: "steady", Judged: true}}}
	for _, l := range limits {
		h.Counters = append(h.Counters, observation.Counter{Over: observation.Key(l, false), Limit: observation.Seconds(l)})
	}
	_ = s.m.Begin(h)
	return s
}

// second adds a second of good arrivals with these response times, and of failures.
func (s *sim) second(good []time.Duration, errors map[observation.Class]uint64, shedSelf uint64) {
	t := observation.Tally{Shed: errors[observation.Shed], ShedSelf: shedSelf}
	h := hist.New()
	for _, d := range good {
		h.Record(d)
		t.OK++
		for _, l := range s.limits {
			if d >= l {
				t.CountOver(observation.Key(l, false))
			}
		}
	}
	for c, n := range errors {
		for range n {
			t.Fail(c)
		}
	}
	t.Planned = t.OK + t.Failed
	t.Sent = t.Planned - t.Shed
	start := observation.Seconds(time.Duration(s.seconds) * time.Second)
	s.seconds++
	s.m.Run.Header.Phases[0].End = start + observation.Seconds(time.Second)
	s.m.Run.Header.Lanes[0].PlannedRun += t.Planned
	s.m.Run.Header.Lanes[0].PlannedJudg += t.Planned
	step := &observation.StepTally{Results: t.Results, CompletedOK: t.OK}
	_ = s.m.Second(observation.Second{Start: start, Length: observation.Seconds(time.Second), Phase: "steady", Judged: true, Tally: t, CompletedOK: t.OK,
		Scenarios: map[string]*observation.LaneSecond{"message": {Tally: t, CompletedOK: t.OK, Steps: map[string]*observation.StepTally{"send": step}}}},
		[]observation.Interval{{Series: observation.Series{Scenario: "message", Step: observation.All, Outcome: observation.OK, Clock: observation.Response}, Hist: h}})
}

func (s *sim) judge(t *testing.T, objectives ...string) Verdict {
	t.Helper()
	_ = s.m.End(observation.Footer{})
	var list []scenarios.Objective
	for _, text := range objectives {
		o, err := scenarios.ParseObjective(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Required = true
		list = append(list, o)
	}
	sum := Summarize(&s.m.Run)
	if len(sum.Damage) > 0 {
		t.Fatalf("the simulated record is damaged: %v", sum.Damage)
	}
	return Judge(sum, list)
}

// times returns n response times: bad of them 3 s, the others 10 ms.
func times(n, bad int) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = 10 * time.Millisecond
		if i < bad {
			out[i] = 3 * time.Second
		}
	}
	return out
}

// A system that breaks down for good, or for a while, is one episode: no number of seconds tells how
// often there is one, and still nobody calls what fails twenty times as often as it may undecided.
func TestABreakdownIsAFail(t *testing.T) {
	for _, c := range []struct {
		seconds, from, to int
		bad               int // of 1000
		want              Outcome
	}{
		{60, 10, 60, 1000, Missed}, {60, 30, 60, 1000, Missed}, {60, 50, 60, 1000, Missed}, {60, 57, 60, 1000, Missed},
		{60, 10, 60, 100, Missed}, {60, 50, 60, 100, Missed}, {300, 150, 300, 100, Missed}, {300, 290, 300, 1000, Missed},
		{300, 100, 105, 1000, Missed},
		{60, 50, 60, 10, Unproven}, // 0.17%
	} {
		s := newSim()
		for i := range c.seconds {
			errs := map[observation.Class]uint64{}
			if i >= c.from && i < c.to {
				errs[observation.HTTP5xx] = uint64(c.bad)
			}
			s.second(times(1000-int(errs[observation.HTTP5xx]), 0), errs, 0)
		}
		for _, gate := range []bool{false, true} {
			s.m.Run.Header.Gate = gate
			if r := s.judge(t, "error_rate < 0.05%").Results[0]; r.Outcome != c.want {
				t.Errorf("gate %v: %d of 1000 fail from %d s to %d s of %d s: %s (%s)", gate, c.bad, c.from, c.to, c.seconds, r.Outcome, r.Reason)
			}
		}
	}
}

func TestOneSlowAnswerOfTheFirstIsNoBreakdown(t *testing.T) {
	s := newSim(2 * time.Second)
	s.m.Run.Header.Gate = true
	s.second(times(5, 1), nil, 0)
	if r := s.judge(t, "p99 < 2s").Results[0]; r.Outcome != Unproven {
		t.Errorf("1 of 5: %s (%s)", r.Outcome, r.Reason)
	}
}

func TestOutcomesAtKnownCounts(t *testing.T) {
	// 60,000 arrivals: at most 20 bad prove < 0.05%, at least 40 disprove it, one a second
	// at most, so that phi is 1.
	for _, c := range []struct {
		bad  int
		want Outcome
	}{{0, Met}, {20, Met}, {21, Unproven}, {39, Unproven}, {40, Missed}} {
		s := newSim()
		for i := range 60 {
			errs := map[observation.Class]uint64{}
			good := 1000
			if (i+1)*c.bad/60 > i*c.bad/60 { // spread evenly
				errs[observation.HTTP5xx] = 1
				good--
			}
			s.second(times(good, 0), errs, 0)
		}
		for _, o := range []string{"error_rate < 0.05%", "availability > 99.95%"} {
			v := s.judge(t, o)
			if r := v.Results[0]; r.Outcome != c.want || r.Phi != 1 || r.Bad != uint64(c.bad) || r.Samples != 60_000 {
				t.Errorf("%s with %d of 60000 bad: %s, phi %v, bad %d of %d; want %s", o, c.bad, r.Outcome, r.Phi, r.Bad, r.Samples, c.want)
			}
		}
	}
}

func TestFailuresStandBehindEverySuccessInAQuantile(t *testing.T) {
	s := newSim(2 * time.Second)
	for range 60 {
		s.second(times(980, 0), map[observation.Class]uint64{observation.Reset: 20}, 0) // 2% resets, at once
	}
	v := s.judge(t, "p99 < 2s", "p95 < 2s")
	if r := v.Results[0]; r.Outcome != Missed || r.Observed != nil || r.High != nil {
		t.Errorf("p99 with 2%% failures: %s, observed %v; want missed, and no value: its rank is among the failures", r.Outcome, r.Observed)
	}
	if r := v.Results[1]; r.Outcome != Met || r.Observed == nil {
		t.Errorf("p95 with 2%% failures: %s", r.Outcome)
	}
	if v.Judgement != Fail || v.ExitCode != ExitFail {
		t.Errorf("verdict %s, exit %d", v.Judgement, v.ExitCode)
	}
}

func TestBurstsNeedMoreProofThanSingleFailures(t *testing.T) {
	judge := func(burst bool) Result {
		s := newSim()
		for i := range 60 {
			errs := map[observation.Class]uint64{}
			switch {
			case burst && i == 30:
				errs[observation.Timeout] = 20
			case !burst && i%3 == 0:
				errs[observation.Timeout] = 1
			}
			s.second(times(1000-int(errs[observation.Timeout]), 0), errs, 0)
		}
		return s.judge(t, "error_rate < 0.05%").Results[0]
	}
	if single, burst := judge(false), judge(true); single.Outcome != Met || burst.Outcome != Unproven || burst.Phi < 10 {
		t.Errorf("20 single failures: %s; in one burst: %s, phi %v; want met, unproven", single.Outcome, burst.Outcome, burst.Phi)
	}
}

func TestALimitWithoutACounterIsJudgedByTheSecondsHistograms(t *testing.T) {
	// 1% of 3 s, all of them in 3 of the 60 seconds: with the counter and without.
	build := func(limits ...time.Duration) *sim {
		s := newSim(limits...)
		for i := range 60 {
			bad := 0
			if i%20 == 7 {
				bad = 200
			}
			s.second(times(1000, bad), nil, 0)
		}
		return s
	}
	with, without := build(2*time.Second).judge(t, "p99 < 2s").Results[0], build().judge(t, "p99 < 2s").Results[0]
	if with.Phi < 5 || math.Abs(with.Phi-without.Phi) > 1e-9 || with.Outcome != without.Outcome {
		t.Errorf("with a counter: %s, phi %v; without: %s, phi %v", with.Outcome, with.Phi, without.Outcome, without.Phi)
	}
	if with.Outcome == Met {
		t.Error("a share at the limit, in bursts, is proved below it")
	}
}

func TestWhatTheGeneratorGaveUpSpeaksAgainstNeitherVerdict(t *testing.T) {
	s := newSim()
	for range 60 { // 0.8% shed by the generator: below the 1% that makes a run invalid
		s.second(times(992, 0), map[observation.Class]uint64{observation.Shed: 8}, 8)
	}
	v := s.judge(t, "error_rate < 0.05%", "availability > 99.95%")
	for _, r := range v.Results {
		if r.Outcome != Unproven || !strings.Contains(r.Reason, "generator itself gave up") {
			t.Errorf("%s: %s (%s)", r.Objective.Text, r.Outcome, r.Reason)
		}
	}
	if v.Judgement != Inconclusive {
		t.Errorf("verdict %s", v.Judgement)
	}
}

func TestNoDataNeverPasses(t *testing.T) {
	empty := newSim()
	for _, o := range []string{"p99 < 2s", "error_rate < 0.05%", "availability > 99.95%", "throughput >= 1/s", "cache_hit_ratio > 85%", "db_query_p99 < 500ms"} {
		v := empty.judge(t, o)
		if v.Results[0].Outcome != NoData || v.Judgement != Inconclusive || v.ExitCode != ExitInconclusive || v.Results[0].Reason == "" {
			t.Errorf("%s of nothing: %s, verdict %s, exit %d, reason %q", o, v.Results[0].Outcome, v.Judgement, v.ExitCode, v.Results[0].Reason)
		}
	}
	if v := empty.judge(t); v.Judgement == Pass {
		t.Error("a run of which nothing is demanded passes")
	}
}

func TestThroughputIsJudgedByTheSecond(t *testing.T) {
	s := newSim()
	for range 30 {
		s.second(times(1100, 0), nil, 0)
	}
	v := s.judge(t, "throughput >= 1000/s", "throughput >= 1200/s", "message.throughput >= 1000/s")
	for i, want := range []Outcome{Met, Missed, Met} {
		if v.Results[i].Outcome != want || *v.Results[i].Observed != 1100 {
			t.Errorf("%s at 1100/s: %s, want %s", v.Results[i].Objective.Text, v.Results[i].Outcome, want)
		}
	}
}

func TestTheOrderOfObjectivesChangesNothing(t *testing.T) {
	s := newSim(2*time.Second, time.Second)
	for i := range 60 {
		s.second(times(1000, i%3), nil, 0)
	}
	list := []string{"p99 < 2s", "message.p99 < 2s", "p95 < 1s", "error_rate < 0.05%"}
	byText := func(v Verdict) map[string]string {
		m := map[string]string{}
		for _, r := range v.Results {
			m[r.Objective.Text] = fmt.Sprint(r.Outcome, r.Bad, r.Reason)
		}
		return m
	}
	a := byText(s.judge(t, list...))
	b := byText(s.judge(t, list[3], list[1], list[2], list[0]))
	for k := range a {
		if a[k] != b[k] {
			t.Errorf("%s: %s, in another order %s", k, a[k], b[k])
		}
	}
}

func TestBoundsAndVerdictAgreeNearTheLimit(t *testing.T) {
	for ms := 990; ms <= 1010; ms++ {
		limit := time.Duration(ms)*time.Millisecond + 202*time.Microsecond
		s := newSim(limit)
		for range 20 {
			good := times(100, 0)
			for i := range good {
				good[i] = time.Second
			}
			s.second(good, nil, 0)
		}
		r := s.judge(t, fmt.Sprintf("p95 < %s", limit)).Results[0]
		if r.Outcome == Met && *r.High > r.Objective.Limit {
			t.Errorf("limit %s: met, yet the upper bound is %v", limit, *r.High)
		}
		if r.Outcome == Missed && *r.Low < r.Objective.Limit {
			t.Errorf("limit %s: missed, yet the lower bound is %v", limit, *r.Low)
		}
	}
}

func TestAHeldUpGeneratorIsInvalid(t *testing.T) {
	s := newSim()
	beats := hist.New()
	for i := range 3000 { // 60 s of a tick every 20 ms; one pause of 1.5 s
		late := time.Duration(0)
		if i >= 1000 && i < 1075 {
			late = 1500*time.Millisecond - time.Duration(i-1000)*20*time.Millisecond
		}
		beats.Record(late)
	}
	for range 60 {
		s.second(times(1000, 0), nil, 0)
	}
	s.m.Interval(0, true, observation.Interval{Series: observation.Heartbeat, Hist: beats})
	v := s.judge(t, "p99 < 200ms")
	if v.Judgement != Invalid || !strings.Contains(v.Reasons[0], "held up") {
		t.Errorf("verdict %s: %v", v.Judgement, v.Reasons)
	}
}

func TestALateGeneratorDoesNotHideWhatTheSystemAnswered(t *testing.T) {
	judge := func(class observation.Class) Verdict {
		s := newSim()
		late := hist.New()
		for range 60 {
			s.second(times(900, 0), map[observation.Class]uint64{class: 100}, 0)
		}
		late.RecordN(time.Second, 3000)
		s.m.Interval(0, true, observation.Interval{Series: observation.Heartbeat, Hist: late})
		return s.judge(t, "error_rate < 0.05%")
	}
	v := judge(observation.HTTP5xx)
	if v.Judgement != Invalid || !strings.Contains(strings.Join(v.Reasons, "\n"), "the system's own answers disprove it") {
		t.Errorf("10%% of 500s: %s, %v", v.Judgement, v.Reasons)
	}
	v = judge(observation.Timeout)
	if v.Judgement != Invalid || !strings.Contains(strings.Join(v.Reasons, "\n"), "cannot be trusted") {
		t.Errorf("10%% of timeouts, which a late generator may make itself: %s, %v", v.Judgement, v.Reasons)
	}
}

func TestTheLagLimitIsATenthOfTheTightestResponseTime(t *testing.T) {
	limit := func(texts ...string) time.Duration {
		var list []scenarios.Objective
		for _, text := range texts {
			o, err := scenarios.ParseObjective(text)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, o)
		}
		return LagLimit(list)
	}
	if got := limit("p99 < 2s", "p50 < 200ms", "db_query_p99 < 5ms", "conversation/message.p95 < 8ms"); got != 20*time.Millisecond {
		t.Errorf("%v, want 20ms: a step's time holds no lag, a query's neither", got)
	}
	if got := limit("message.p95 < 100ms"); got != 10*time.Millisecond {
		t.Errorf("%v, want 10ms", got)
	}
	if got := limit("error_rate < 1%"); got != 20*time.Millisecond {
		t.Errorf("%v, want 20ms where there is none", got)
	}
}

func TestSpansSayWhenFailuresWerePlanned(t *testing.T) {
	s := newSim()
	for i := range 20 {
		errs := map[observation.Class]uint64{}
		switch i {
		case 4:
			errs[observation.HTTP5xx] = 3
		case 6:
			errs[observation.HTTP5xx] = 9
		}
		s.second(times(10, 0), errs, 0)
	}
	_ = s.m.End(observation.Footer{})
	got := Summarize(&s.m.Run).Total.Spans()[observation.HTTP5xx]
	if want := (Span{Count: 12, First: 4 * time.Second, Last: 7 * time.Second, Worst: 6 * time.Second, WorstCount: 9}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
