package analysis

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

// gated feeds a gate as the drive does, and keeps the same record beside it.
type gated struct {
	t    testing.TB
	plan *scenarios.Plan
	gate *Gate
	m    observation.Memory
	late time.Duration // of the heartbeat
}

// gateOf makes one for a plan's phases, objectives and rest.
func gateOf(t testing.TB, text string) *gated {
	t.Helper()
	plan, err := scenarios.Parse("plan.yaml", []byte("version: 1\nname: t\nsystem: {base_url: \"http://127.0.0.1:1\", username: u, password: p, redis: \"redis://127.0.0.1:1\"}\n"+text), nil)
	if err != nil {
		t.Fatal(err)
	}
	g := &gated{t: t, plan: plan, gate: NewGate(plan)}
	h := observation.Header{Version: observation.Version, Gate: true, Uneven: Uneven(plan.Phases)}
	var from time.Duration
	for _, ph := range plan.Phases {
		h.Phases = append(h.Phases, observation.Phase{Name: ph.Name, Judged: ph.Judged, Start: observation.Seconds(from), End: observation.Seconds(from + ph.Duration)})
		from += ph.Duration
	}
	for i, l := range plan.Load {
		h.Lanes = append(h.Lanes, observation.Lane{Scenario: l.Scenario, RatePerS: l.Rate, PlannedRun: plan.Schedule(i).Len(), PlannedJudg: plan.Schedule(i).Len()})
	}
	g.gate.Begin(h)
	_ = g.m.Begin(h)
	return g
}

// second records the next second and looks.
func (g *gated) second(arrivals, failed int) Knowledge {
	g.t.Helper()
	g.record(arrivals, failed)
	return g.gate.Look()
}

// record records the next second: so many arrivals of auth, some of which failed.
func (g *gated) record(arrivals, failed int) {
	start := time.Duration(len(g.m.Run.Seconds)) * time.Second
	s := observation.Second{Start: observation.Seconds(start), Length: observation.Seconds(time.Second)}
	for _, ph := range g.m.Run.Header.Phases {
		if start >= ph.Start.Duration() && start < ph.End.Duration() {
			s.Phase, s.Judged = ph.Name, ph.Judged
		}
	}
	h, beats := hist.New(), hist.New()
	h.RecordN(10*time.Millisecond, int64(arrivals-failed))
	beats.Record(g.late)
	s.Tally = observation.Tally{Planned: uint64(arrivals), Sent: uint64(arrivals), Results: observation.Results{OK: uint64(arrivals - failed)}}
	for range failed {
		s.Fail(observation.HTTP5xx)
	}
	s.CompletedOK = s.OK
	s.Scenarios = map[string]*observation.LaneSecond{"auth": {Tally: s.Tally, CompletedOK: s.OK}}
	intervals := []observation.Interval{
		{Series: observation.Series{Scenario: "auth", Step: observation.All, Outcome: observation.OK, Clock: observation.Response}, Hist: h},
		{Series: observation.Heartbeat, Hist: beats},
	}
	g.gate.Second(s, intervals)
	_ = g.m.Second(s, intervals)
	h.Reset() // as the drive does
	beats.Reset()
}

func (g *gated) sample(collector string, second float64, data any) {
	b, err := json.Marshal(data)
	if err != nil {
		g.t.Fatal(err)
	}
	s := observation.Sample{Collector: collector, At: at(second), Took: observation.Seconds(4 * time.Millisecond), Data: b}
	g.gate.Sample(s)
	_ = g.m.Sample(s)
}

// cache records a sample of a Redis of which so many of a thousand reads a second are hits.
func (g *gated) cache(second int, hits int64) {
	n := int64(second)
	g.sample("redisinfo", float64(second), observation.Redis{Nodes: []observation.RedisNode{{Address: "a:6379", RunID: "1", Version: "7.0.15", Role: "master",
		Hits: hits * n, Misses: (1000 - hits) * n, Commands: 2000 * n, Own: n}}})
}

// until records seconds until the verdict is known, at most so many.
func (g *gated) until(most, arrivals, failed int) (k Knowledge, seconds int) {
	g.t.Helper()
	for seconds = 1; seconds <= most; seconds++ {
		if k = g.second(arrivals, failed); k.Verdict != "" {
			return k, seconds
		}
	}
	return k, most
}

const steadyLoad = `
load: [{scenario: auth, rate: 1000/s}]
phases: [{name: warm-up, duration: 5s, judged: false}, {name: steady, duration: 300s}]
`

const ownObjectives = "objectives: [throughput >= 900/s, p50 < 200ms, p95 < 1s, p99 < 2s, error_rate < 0.05%, availability > 99.95%]\n"

func TestACleanSystemPassesEarly(t *testing.T) {
	g := gateOf(t, steadyLoad+ownObjectives)
	k, n := g.until(60, 1000, 0)
	// 5 s of warm-up. 0.05% take 5990 good arrivals by a test that is made once, more where
	// every look must hold.
	if k.Verdict != Pass || n < 5+6 || n > 5+30 || k.Proved != 6 || k.Required != 6 || len(k.Open) > 0 {
		t.Errorf("after %d s: %+v; want a pass of 6 objectives within 30 s judged", n, k)
	}
}

func TestASystemWithErrorsFailsAtOnce(t *testing.T) {
	g := gateOf(t, steadyLoad+ownObjectives)
	k, n := g.until(60, 1000, 10)
	if k.Verdict != Fail || n <= 5 || n > 5+3 {
		t.Errorf("after %d s: %+v; want a fail within 3 s judged, none before", n, k)
	}
	if !strings.Contains(k.Why, "error_rate < 0.05%") || strings.Contains(k.Why, "p95") {
		t.Errorf("why: %s; want the objectives that are missed", k.Why)
	}
}

func TestTheLookIsTheJudgementOfARunThatEndedThere(t *testing.T) {
	for _, failed := range []int{0, 10} {
		g := gateOf(t, steadyLoad+ownObjectives)
		k, _ := g.until(60, 1000, failed)
		run := g.m.Run
		run.Footer = &observation.Footer{StoppedBy: observation.ByGate, StoppedAt: at(float64(len(run.Seconds))), StoppedWhy: k.Why}
		v := Judge(Summarize(&run), g.plan.Objectives)
		if v.Judgement != k.Verdict || v.Judgement == "" {
			t.Errorf("%d failed a second: the gate says %q, the record %q: %v", failed, k.Verdict, v.Judgement, v.Reasons)
		}
		if last := v.Reasons[len(v.Reasons)-1]; !strings.Contains(last, "the gate ended the run") || !strings.Contains(last, k.Why) || strings.Contains(last, "no longer holds") {
			t.Errorf("the last reason is %q", last)
		}
	}
}

func TestNothingIsDecidedOutsideOfJudgedTime(t *testing.T) {
	g := gateOf(t, `
load: [{scenario: auth, rate: 1000/s}]
phases: [{name: warm-up, duration: 20s, judged: false}, {name: a, duration: 2s}, {name: pause, duration: 20s, judged: false}, {name: b, duration: 100s}]
objectives: [error_rate < 0.05%]
`)
	if k, n := g.until(20, 1000, 500); k.Verdict != "" {
		t.Fatalf("decided in the warm-up, at %d s: %+v", n, k)
	}
	if k, n := g.until(2, 1000, 0); k.Verdict != "" {
		t.Fatalf("decided after %d s: %+v", n, k)
	}
	if k, n := g.until(20, 1000, 500); k.Verdict != "" || k.Judged != 2*time.Second {
		t.Errorf("decided in the pause, after %d s: %+v", n, k)
	}
	// What a late sample would decide of the judged time waits for the next judged second.
	g = gateOf(t, `
load: [{scenario: auth, rate: 1000/s}]
phases: [{name: a, duration: 10s}, {name: pause, duration: 10s, judged: false}, {name: b, duration: 100s}]
objectives: [error_rate < 0.05%]
`)
	self := func(s int) {
		g.sample("selfhealth", float64(s), observation.Self{CPU: at(float64(s) / 10), GOMAXPROCS: 2})
	}
	self(0)
	g.until(10, 1000, 500)
	for s := 1; s < 25; s++ {
		self(s)
	}
	if k, n := g.until(10, 1000, 500); k.Verdict != "" {
		t.Errorf("decided in the pause, after %d s: %+v", n, k)
	}
	if k, n := g.until(5, 1000, 500); k.Verdict != Fail {
		t.Errorf("after the pause, %d s: %+v", n, k)
	}
}

func TestNothingIsDecidedWhileTheMeasurementIsInvalid(t *testing.T) {
	for _, failed := range []int{0, 100} {
		g := gateOf(t, steadyLoad+ownObjectives)
		g.late = 100 * time.Millisecond // 20 ms are allowed
		k, n := g.until(60, 1000, failed)
		if k.Verdict != "" || !strings.Contains(k.Waiting, "the generator's process was held up") {
			t.Errorf("%d failed a second: decided after %d s: %+v", failed, n, k)
		}
	}
}

func TestAPassWaitsForTheWholeOfALoadThatChanges(t *testing.T) {
	const uneven = `
load: [{scenario: auth, rate: 1000/s}]
phases: [{name: half, duration: 60s, at: 50%}, {name: full, duration: 60s}]
`
	k, n := gateOf(t, uneven+ownObjectives).until(60, 1000, 0)
	if k.Verdict != "" || k.Proved != 6 || !strings.Contains(k.Waiting, "load changes") {
		t.Errorf("decided after %d s: %+v; the other half of the load is still to come", n, k)
	}
	if k, n := gateOf(t, uneven+ownObjectives).until(60, 1000, 10); k.Verdict != Fail || n > 3 {
		t.Errorf("after %d s: %+v; a fail is a fail", n, k)
	}
	for name, phases := range map[string]string{
		"a peak between":  "[{name: before, duration: 60s}, {name: peak, duration: 20s, at: 300%, judged: false}, {name: after, duration: 60s}]",
		"a pause between": "[{name: before, duration: 60s}, {name: pause, duration: 20s, at: 0%, judged: false}, {name: after, duration: 60s}]",
	} {
		k, n := gateOf(t, "load: [{scenario: auth, rate: 1000/s}]\nphases: "+phases+"\n"+ownObjectives).until(60, 1000, 0)
		if k.Verdict != "" || k.Proved != 6 {
			t.Errorf("%s: decided after %d s: %+v; what comes after it was not seen", name, n, k)
		}
	}
}

// What half of the load does not reach on the average the whole of it may.
func TestAGateDoesNotFailAThroughputThatIsStillToCome(t *testing.T) {
	g := gateOf(t, `
load: [{scenario: auth, rate: 1000/s}]
phases: [{name: half, duration: 30s, at: 50%}, {name: full, duration: 60s}]
objectives: [throughput >= 800/s, error_rate < 1%]
`)
	if k, n := g.until(30, 500, 0); k.Verdict != "" {
		t.Fatalf("after %d s of half the load: %+v; the plan's average is 833/s", n, k)
	}
	if k, n := g.until(60, 1000, 0); k.Verdict != "" {
		t.Fatalf("%d s later: %+v", n, k)
	}
	run := g.m.Run
	run.Header.Lanes[0].PlannedRun = 75_000
	run.Footer = &observation.Footer{}
	if v := Judge(Summarize(&run), g.plan.Objectives); v.Judgement == Fail {
		t.Errorf("at the plan's end: %q", v.Reasons)
	}
	g = gateOf(t, steadyLoad+"objectives: [throughput >= 800/s]\n")
	if k, n := g.until(40, 500, 0); k.Verdict != Fail {
		t.Errorf("half of what is demanded, by a steady load: not decided after %d s: %+v", n, k)
	}
}

// A gate that fails by one objective has not seen what a pass by another one would stand on.
func TestAFailedGateIsNoPassForAnotherPlan(t *testing.T) {
	for name, c := range map[string]struct {
		plan string
		want Judgement
	}{
		"the load changes":        {"load: [{scenario: auth, rate: 1000/s}]\nphases: [{name: half, duration: 60s, at: 50%}, {name: full, duration: 60s}]\n", Inconclusive},
		"a scenario was not sent": {"load: [{scenario: auth, rate: 1000/s}, {scenario: message, rate: 1/m}]\nphases: [{name: steady, duration: 300s}]\n", Inconclusive},
		"the load is the same":    {steadyLoad, Pass},
	} {
		g := gateOf(t, c.plan+"objectives: [error_rate < 0.05%, cache_hit_ratio > 85%]\n")
		for range 30 { // longer than a gate needs for a pass
			g.record(1000, 10)
		}
		k, _ := g.until(20, 1000, 10)
		if k.Verdict != Fail {
			t.Fatalf("%s: %+v, want a fail", name, k)
		}
		run := g.m.Run
		run.Footer = &observation.Footer{StoppedBy: observation.ByGate, StoppedAt: at(float64(len(run.Seconds))), StoppedWhy: k.Why}
		if v := Judge(Summarize(&run), []scenarios.Objective{objectiveOf(t, "error_rate < 5%")}); v.Judgement != c.want {
			t.Errorf("%s: judged by a kinder plan it is %s: %q; want %s", name, v.Judgement, v.Reasons, c.want)
		}
	}
}

func TestAPassWaitsForEveryScenario(t *testing.T) {
	g := gateOf(t, `
load: [{scenario: auth, rate: 1000/s}, {scenario: message, rate: 1/m}]
phases: [{name: steady, duration: 300s}]
objectives: [error_rate < 0.05%]
`)
	if k, _ := g.until(29, 1000, 0); k.Verdict != "" || k.Waiting != "no arrival of message has been judged yet" {
		t.Errorf("%+v; message was not sent", k)
	}
}

func TestAnObjectiveWithoutDataLeavesNoEarlyPass(t *testing.T) {
	g := gateOf(t, steadyLoad+"objectives: [error_rate < 0.05%, cache_hit_ratio > 85%]\n")
	k, _ := g.until(60, 1000, 0)
	if k.Verdict != "" || k.Proved != 1 || len(k.Open) != 1 || k.Open[0].Outcome != NoData {
		t.Errorf("%+v; want one proved, the other without data", k)
	}
	k, n := gateOf(t, steadyLoad+"objectives: [error_rate < 0.05%, cache_hit_ratio > 85%]\n").until(60, 1000, 500)
	if k.Verdict != Fail || n > 5+3 {
		t.Errorf("after %d s of errors: %+v; want a fail", n, k)
	}
	k, n = gateOf(t, steadyLoad+"objectives: [error_rate < 0.05%, {objective: cache_hit_ratio > 85%, required: false}]\n").until(60, 1000, 0)
	if k.Verdict != Pass {
		t.Errorf("after %d s: %+v; what is not required keeps nobody", n, k)
	}
}

func TestWhatTheCollectorsSawIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		hits int64
		want Judgement
	}{{950, Pass}, {500, Fail}} {
		g := gateOf(t, steadyLoad+"objectives: [error_rate < 20%, cache_hit_ratio > 85%]\n")
		var k Knowledge
		for s := 0; k.Verdict == "" && s < 60; s++ {
			g.cache(s, c.hits)
			k = g.second(1000, 0)
		}
		if k.Verdict != c.want || k.Judged > 30*time.Second {
			t.Errorf("%d hits of 1000: %+v; want %s", c.hits, k, c.want)
		}
	}
	// The load's own objectives are open for ever; the cache's are missed all the same.
	g := gateOf(t, steadyLoad+"objectives: [error_rate < 20%, cache_hit_ratio > 85%]\n")
	for s := range 40 {
		g.cache(s, 500)
		if k := g.second(1000, 200); k.Verdict == Fail && strings.Contains(k.Why, "cache_hit_ratio > 85% is missed") {
			return
		}
	}
	t.Error("a missed cache_hit_ratio did not end the run")
}

func TestNoObjectiveIsNoEarlyPass(t *testing.T) {
	k, n := gateOf(t, steadyLoad+"objectives: [{objective: error_rate < 0.05%, required: false}]\n").until(60, 1000, 0)
	if k.Verdict != "" {
		t.Errorf("after %d s: %+v; nothing is demanded", n, k)
	}
}

func TestAGateSaysWhatIsOpen(t *testing.T) {
	g := gateOf(t, steadyLoad+"objectives: [error_rate < 20%, error_rate < 0.001%]\n")
	for range 5 {
		g.second(1000, 0)
	}
	if s := g.gate.Look().String(); s != "nothing is judged yet" {
		t.Errorf("in the warm-up: %q", s)
	}
	said := ""
	for s := 0; s < 60 && !strings.HasPrefix(said, "1 of 2 proved"); s++ {
		said = g.second(1000, 0).String()
	}
	if !strings.HasPrefix(said, "1 of 2 proved; error_rate < 0.001% ") {
		t.Errorf("after 60 s judged at most: %q", said)
	}
	for name, c := range map[string]struct {
		k    Knowledge
		want string
	}{
		"time": {Knowledge{Judged: time.Second, Proved: 7, Required: 9, Open: []Result{open("p99 < 2s", Unproven, 2), open("error_rate < 0.05%", Unproven, 9)}},
			"7 of 9 proved; error_rate < 0.05% needs about 9 s more, and 1 more"},
		"no time": {Knowledge{Judged: time.Second, Proved: 7, Required: 9, Open: []Result{open("p99 < 2s", Unproven, 2), open("throughput > 9/s", Unproven, 0)}},
			"7 of 9 proved; throughput > 9/s is unproven, and 1 more"},
		"no data": {Knowledge{Judged: time.Second, Proved: 8, Required: 9, Open: []Result{open("cache_hit_ratio > 85%", NoData, 0)}},
			"8 of 9 proved; cache_hit_ratio > 85% has no data so far"},
		"waiting": {Knowledge{Judged: time.Second, Proved: 9, Required: 9, Waiting: "no arrival of message has been judged yet"},
			"9 of 9 proved; no arrival of message has been judged yet"},
	} {
		if got := c.k.String(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// From the first judged second on a gate says when it can pass, and it is not much before that.
func TestAGateSaysFromTheStartHowLongItNeeds(t *testing.T) {
	g := gateOf(t, steadyLoad+ownObjectives)
	g.until(5, 1000, 0)
	for second := 1; second <= 22; second++ {
		k := g.second(1000, 0)
		if want := fmt.Sprintf("error_rate < 0.05%% needs about %d s more", 23-second); !strings.Contains(k.String(), want) {
			t.Errorf("after %d s: %q, want %q", second, k, want)
		}
		for _, r := range k.Open {
			if strings.Contains(r.Reason, "about 0 s more") || r.MissingSeconds < float64(20-second) {
				t.Errorf("after %d s: %v s more: %s", second, r.MissingSeconds, r.Reason)
			}
		}
	}
}

func open(text string, o Outcome, missing float64) Result {
	return Result{Objective: scenarios.Objective{Text: text}, Outcome: o, MissingSeconds: missing}
}

// A gate that ended a run for one verdict says so where the last samples lead to another.
func TestTheFinalVerdictIsTheOneThatCounts(t *testing.T) {
	g := gateOf(t, steadyLoad+"objectives: [error_rate < 0.05%]\n")
	k, _ := g.until(60, 1000, 0)
	run := g.m.Run
	run.Footer = &observation.Footer{StoppedBy: observation.ByGate, StoppedAt: at(float64(len(run.Seconds))), StoppedWhy: k.Why}
	objectives := append(g.plan.Objectives, objectiveOf(t, "cache_hit_ratio > 85%"))
	v := Judge(Summarize(&run), objectives)
	if v.Judgement != Inconclusive || !strings.Contains(v.Reasons[len(v.Reasons)-1], "no longer holds") {
		t.Errorf("%s: %q", v.Judgement, v.Reasons)
	}
}

func objectiveOf(t *testing.T, text string) scenarios.Objective {
	t.Helper()
	o, err := scenarios.ParseObjective(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAGuardIsAFail(t *testing.T) {
	ended := func(by observation.Stop, interrupted bool, late time.Duration) Verdict {
		g := gateOf(t, steadyLoad+"objectives: [error_rate < 0.05%]\n")
		g.late = late
		g.until(60, 1000, 0)
		run := g.m.Run
		run.Footer = &observation.Footer{StoppedBy: by, Interrupted: interrupted, StoppedAt: at(float64(len(run.Seconds))), StoppedWhy: "p50 > 5s over 500 requests: so it was"}
		return Judge(Summarize(&run), g.plan.Objectives)
	}
	const told = "p50 > 5s over 500 requests: so it was"
	if v := ended(observation.ByGuard, false, 0); v.Judgement != Fail || v.ExitCode != ExitFail || !strings.Contains(v.Reasons[0], told) || v.Results[0].Outcome != Met {
		t.Errorf("all objectives met, and a guard: %s, exit %d, %q", v.Judgement, v.ExitCode, v.Reasons)
	}
	if v := ended(observation.ByGuard, false, time.Second); v.Judgement != Invalid || v.ExitCode != ExitInvalid || !strings.Contains(strings.Join(v.Reasons, "\n"), told) {
		t.Errorf("a late generator, and a guard: %s, exit %d, %q", v.Judgement, v.ExitCode, v.Reasons)
	}
	if v := ended(observation.ByPerson, true, 0); v.Judgement != Inconclusive || v.ExitCode != ExitInterrupted {
		t.Errorf("a person: %s, exit %d", v.Judgement, v.ExitCode)
	}
	if v := ended("", true, 0); v.Judgement != Inconclusive || v.ExitCode != ExitInterrupted {
		t.Errorf("a person, in a record of an older version: %s, exit %d", v.Judgement, v.ExitCode)
	}
	if v := ended(observation.ByGate, false, 0); v.Judgement != Pass || v.ExitCode != ExitPass {
		t.Errorf("a gate: %s, exit %d", v.Judgement, v.ExitCode)
	}
}

// The same where a gate had ended the run before, or where a person did not wait for what was in flight.
func TestABreachIsAFailWhoeverEndedTheRun(t *testing.T) {
	for _, c := range []struct {
		footer observation.Footer
		exit   int
	}{
		{observation.Footer{StoppedBy: observation.ByGate, StoppedWhy: "all 1 required objectives are met"}, ExitFail},
		{observation.Footer{StoppedBy: observation.ByPerson, Interrupted: true, StoppedWhy: "interrupted after stop_when had ended it"}, ExitInterrupted},
	} {
		g := gateOf(t, steadyLoad+"objectives: [error_rate < 0.05%]\n")
		g.until(60, 1000, 0)
		run := g.m.Run
		run.Footer = &c.footer
		run.Footer.StoppedAt, run.Footer.Breach = at(float64(len(run.Seconds))), "error_rate > 50% over 200 requests: so it was"
		v := Judge(Summarize(&run), g.plan.Objectives)
		reasons := strings.Join(v.Reasons, "\n")
		if v.Judgement != Fail || v.ExitCode != c.exit || !strings.Contains(reasons, "stop_when was breached: error_rate > 50% over 200 requests: so it was") {
			t.Errorf("ended by %s: %s, exit %d, %s", c.footer.StoppedBy, v.Judgement, v.ExitCode, reasons)
		}
		if c.footer.StoppedBy == observation.ByGate && !strings.Contains(reasons, "no longer holds") {
			t.Errorf("the gate's reason still stands: %s", reasons)
		}
	}
}

func TestAnEarlyEndCutsTheJudgedTime(t *testing.T) {
	judged := func(seconds int, f observation.Footer) []stretch {
		run := &observation.Run{Header: observation.Header{Phases: []observation.Phase{phase("warm-up", 0, 2, false), phase("a", 2, 10, true), phase("b", 10, 60, true)}}, Footer: &f}
		for i := range seconds {
			run.Seconds = append(run.Seconds, observation.Second{Start: observation.Seconds(time.Duration(i) * time.Second), Length: observation.Seconds(time.Second), Judged: i >= 2 && i < 20})
		}
		return judgedStretches(run)
	}
	is := func(from, to float64, last bool) []stretch {
		return []stretch{{time.Duration(from * 1e9), time.Duration(to * 1e9), last}}
	}
	for name, c := range map[string]struct{ got, want []stretch }{
		// Load went on for a moment after the last second that was judged.
		"gate":    {judged(22, observation.Footer{StoppedBy: observation.ByGate, StoppedAt: at(20.4)}), is(2, 20, false)},
		"guard":   {judged(22, observation.Footer{StoppedBy: observation.ByGuard, StoppedAt: observation.Seconds(20.4 * 1e9)}), is(2, 20.4, true)},
		"person":  {judged(22, observation.Footer{StoppedBy: observation.ByPerson, Interrupted: true, StoppedAt: observation.Seconds(20.4 * 1e9)}), is(2, 20.4, true)},
		"older":   {judged(22, observation.Footer{Interrupted: true, StoppedAt: observation.Seconds(20.4 * 1e9)}), is(2, 20.4, true)},
		"whole":   {judged(60, observation.Footer{}), is(2, 60, true)},
		"warm-up": {judged(2, observation.Footer{StoppedBy: observation.ByGate, StoppedAt: at(2.4)}), nil},
	} {
		if diff := cmp.Diff(c.want, c.got, cmp.AllowUnexported(stretch{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestARunThatEndedEarlyNeedNotHoldTheWholeSchedule(t *testing.T) {
	for by, sound := range map[observation.Stop]bool{observation.ByGate: true, observation.ByGuard: true, observation.ByPerson: true, "": false} {
		g := gateOf(t, steadyLoad+"objectives: [error_rate < 0.05%]\n")
		g.until(60, 1000, 0)
		run := g.m.Run
		run.Footer = &observation.Footer{StoppedBy: by, StoppedAt: at(float64(len(run.Seconds)))}
		if s := Summarize(&run); (len(s.Damage) == 0) != sound {
			t.Errorf("ended by %q: damage %q", by, s.Damage)
		}
	}
}

// A look at a run of an hour, with the samples of each second: by the load alone, and in full.
func BenchmarkLookAfterAnHour(b *testing.B) {
	for name, objectives := range map[string]string{
		"load": "objectives: [throughput >= 900/s, p50 < 200ms, p95 < 1s, p99 < 2s, error_rate < 0.05%, availability > 99.95%, error_rate < 0.00001%]\n",
		"full": "objectives: [throughput >= 900/s, p50 < 200ms, p95 < 1s, p99 < 2s, error_rate < 0.05%, availability > 99.95%, db_query_p99 < 500ms, cache_hit_ratio > 85%]\n",
	} {
		b.Run(name, func(b *testing.B) {
			g := gateOf(b, strings.Replace(steadyLoad, "300s", "2h", 1)+objectives)
			statements := make([]observation.Statement, 50)
			for s := range 3600 {
				for i := range statements {
					statements[i] = row(int64(i), int64(10*s), 10)
				}
				g.sample("pgstat", float64(s), observation.Postgres{ServerVersion: 150018, StatementsRead: s%2 == 0, Statements: statements[:50*((s+1)%2)]})
				g.sample("selfhealth", float64(s), observation.Self{CPU: at(float64(s) / 10), GOMAXPROCS: 2, SchedDelay: observation.Buckets{Upper: make([]float64, 40), Count: make([]uint64, 40)}})
				g.record(1000, 0)
			}
			g.gate.Look()
			b.ResetTimer()
			for range b.N {
				g.gate.full, g.gate.ripe = 0, false
				g.gate.Second(g.m.Run.Seconds[3599], nil) // the same again: what counts is the length
				g.gate.Look()
			}
		})
	}
}

func TestTheGeneratorsOwnCPUIsWaitedFor(t *testing.T) {
	for _, failed := range []int{0, 10} {
		g := gateOf(t, steadyLoad+ownObjectives)
		self := func(s int) {
			g.sample("selfhealth", float64(s), observation.Self{CPU: at(float64(s) / 10), GOMAXPROCS: 2})
		}
		self(0)
		if k, n := g.until(40, 1000, failed); k.Verdict != "" || !strings.Contains(k.Waiting, "CPU is not known yet") {
			t.Errorf("%d failed a second: decided after %d s: %+v", failed, n, k)
		}
		for s := range 43 {
			self(s)
		}
		if k, n := g.until(5, 1000, failed); k.Verdict == "" {
			t.Errorf("%d failed a second: not decided %d s later: %+v", failed, n, k)
		}
	}
}

// A system that breaks down while the gate makes up its mind does not pass.
func TestWhatWasStillInFlightCanTakeAPassAway(t *testing.T) {
	const errors, rate = "error_rate < 0.05%", "throughput >= 900/s"
	for _, c := range []struct {
		objective        string
		failed, canceled int
		want             Judgement
	}{{errors, 0, 0, Pass}, {errors, 1, 0, Pass}, {errors, 0, 300, Pass}, {errors, 200, 0, Inconclusive}, {errors, 400, 100, Inconclusive},
		{rate, 0, 300, Pass}, {rate, 40, 0, Pass}, {rate, 60, 0, Inconclusive}, {rate, 400, 100, Inconclusive}} { // a tenth may fail
		g := gateOf(t, steadyLoad+"objectives: ["+c.objective+"]\n")
		k, _ := g.until(60, 1000, 0)
		g.record(400, c.failed) // the second that the gate cut
		run := g.m.Run
		cut := &run.Seconds[len(run.Seconds)-1]
		cut.Judged = false
		for range c.canceled {
			cut.Fail(observation.Canceled)
			cut.Planned++
			cut.Canceled++
		}
		run.Latency = observation.Latency{}
		h := hist.New()
		h.RecordN(10*time.Millisecond, int64(k.Judged/time.Second)*1000)
		run.Latency[observation.Series{Scenario: "auth", Step: observation.All, Outcome: observation.OK, Clock: observation.Response}] = h
		run.Footer = &observation.Footer{StoppedBy: observation.ByGate, StoppedAt: cut.Start + observation.Seconds(400*time.Millisecond), StoppedWhy: k.Why}
		v := Judge(Summarize(&run), g.plan.Objectives)
		if v.Judgement != c.want {
			t.Errorf("%d of 400 failed, %d canceled: %s: %q; want %s", c.failed, c.canceled, v.Judgement, v.Reasons, c.want)
		}
		if c.want == Inconclusive && !strings.Contains(v.Reasons[0], "still in flight") {
			t.Errorf("the first reason is %q", v.Reasons[0])
		}
	}
}

// Of a system that failed before, its failures in that moment are no news.
func TestAFailIsNotExplainedByWhatWasStillInFlight(t *testing.T) {
	g := gateOf(t, steadyLoad+"objectives: [error_rate < 0.05%]\n")
	k, _ := g.until(60, 1000, 10)
	run := g.m.Run
	cut := run.Seconds[len(run.Seconds)-1]
	cut.Start, cut.Judged = cut.Start+cut.Length, false
	run.Seconds = append(run.Seconds, cut)
	run.Footer = &observation.Footer{StoppedBy: observation.ByGate, StoppedAt: cut.Start + cut.Length/2, StoppedWhy: k.Why}
	if v := Judge(Summarize(&run), g.plan.Objectives); v.Judgement != Fail || !strings.Contains(v.Reasons[0], "missed") || strings.Contains(strings.Join(v.Reasons, "\n"), "run it again") {
		t.Errorf("%s: %q", v.Judgement, v.Reasons)
	}
}

// What is demanded of a step too; what was sent in a phase that is not judged is nobody's.
func TestWhatWasInFlightIsHeldAgainstStepsAndJudgedPhasesAlone(t *testing.T) {
	const sec = observation.Seconds(time.Second)
	slow := observation.Results{OK: 400, Over: map[string]uint64{">=1s": 200}}
	second := observation.Second{Start: 20 * sec, Length: sec, Scenarios: map[string]*observation.LaneSecond{
		"auth": {Steps: map[string]*observation.StepTally{"token": {Results: slow}}}}}
	o := objectiveOf(t, "auth/token.p95 < 1s")
	for _, judged := range []bool{true, false} {
		run := &observation.Run{Seconds: []observation.Second{{Start: 19 * sec, Length: sec, Judged: true}, second},
			Footer: &observation.Footer{StoppedBy: observation.ByGate, StoppedAt: 20*sec + sec/3}}
		run.Header.Phases = []observation.Phase{phase("a", 0, 20, true), phase("b", 20, 60, judged)}
		run.Header.Counters = []observation.Counter{{Scenario: "auth", Step: "token", Over: ">=1s", Limit: sec}}
		s := Summary{Header: run.Header, after: afterwards(run)}
		if got := s.collapsed([]scenarios.Objective{o}); (len(got) > 0) != judged || judged && !strings.Contains(got[0], "of the 400 calls") {
			t.Errorf("the phase is judged: %v: %q", judged, got)
		}
	}
}
