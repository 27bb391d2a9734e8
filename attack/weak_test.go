package attack_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"arqload/analysis"
	"arqload/analysis/observation"
	"arqload/attack"
	"arqload/attack/attacktest"
	"arqload/attack/collectors"
	"arqload/attack/collectors/selfhealth"
	"arqload/scenarios"
)

// watched drives a plan with selfhealth and returns its summary.
func watched(t testing.TB, p *scenarios.Plan) *analysis.Summary {
	t.Helper()
	var m observation.Memory
	err := attack.Run(t.Context(), p, attack.Options{Recorder: &m, Collectors: []collectors.Collector{selfhealth.Open()},
		Sources: []observation.Source{{Collector: "selfhealth", Asked: true}}})
	if err != nil {
		t.Fatal(err)
	}
	checkAccounts(t, &m.Run)
	return analysis.Summarize(&m.Run)
}

func TestAWeakGeneratorIsInvalidAndDoesNotBlameTheSystem(t *testing.T) {
	base := otherProcess(t, 0)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	// A core sends 10,000 to 20,000/s here.
	p := planFor(t, base, `
load: [{scenario: auth, rate: 40000/s}]
limits: {in_flight: 512, max_lag: 2s}
phases: [{name: steady, duration: 6s}]
objectives: [p99 < 2s, throughput >= 30000/s, error_rate < 0.05%]
`)
	s := watched(t, p)
	v := analysis.Judge(s, p.Objectives)
	t.Logf("sent %d of %d, lag p99 %v, slot wait p99 %v, CPU %.2f", s.Generator.Sent, s.Generator.Planned, quantile(s.Generator.Lag), quantile(s.Generator.SlotWait), s.Self.CPUShare)
	if v.Judgement != analysis.Invalid || v.ExitCode != analysis.ExitInvalid {
		t.Fatalf("verdict %s: %v", v.Judgement, v.Reasons)
	}
	if !strings.Contains(v.Reasons[0], "the generator") {
		t.Errorf("the first reason does not name the generator: %s", v.Reasons[0])
	}
	for _, r := range v.Reasons {
		if !strings.Contains(r, "generator") && !strings.Contains(r, "cannot be trusted") {
			t.Errorf("a reason blames the system: %s", r)
		}
	}
}

func quantile(h interface {
	Quantile(float64) (time.Duration, bool)
}) time.Duration {
	d, _ := h.Quantile(0.99)
	return d
}

func TestOverloadIsTheSystemsFaultAndLosesNothing(t *testing.T) {
	base := serve(t, attacktest.New(attacktest.Script{Capacity: 500}))
	p := planFor(t, base, `
load: [{scenario: auth, rate: 1000/s}]
limits: {in_flight: 200, timeout: 5s, max_lag: 2s}
phases: [{name: steady, duration: 20s}]
objectives: [throughput >= 1000/s, p25 < 20s]
`) // the second gives the generator 2 s of lag: this test may share its machine with others
	began := time.Now()
	s := watched(t, p)
	took := time.Since(began)
	v := analysis.Judge(s, p.Objectives)
	g := s.Generator
	t.Logf("%v; ok/s %.0f, shed %d, lag p99 %v, slot wait p99 %v, heap %d MB", took, float64(s.Total.CompletedOK)/20, g.Shed, quantile(g.Lag), quantile(g.SlotWait), s.Self.HeapMax>>20)
	if v.Judgement != analysis.Fail || v.Results[0].Outcome != analysis.Missed {
		t.Errorf("verdict %s: %v", v.Judgement, v.Reasons)
	}
	if rate := float64(s.Total.CompletedOK) / 20; rate < 450 || rate > 510 {
		t.Errorf("%.0f answers/s of a system that can do 500/s", rate)
	}
	if g.Planned != 20_000 || s.Total.OK+s.Total.Failed != 20_000 {
		t.Errorf("planned %d, ok %d + failed %d; want 20000", g.Planned, s.Total.OK, s.Total.Failed)
	}
	if g.ShedSelf != 0 || g.Shed == 0 {
		t.Errorf("shed %d, of them %d by the generator; want some, none", g.Shed, g.ShedSelf)
	}
	// schedule + max_lag + timeout, and the wait for the collectors' last sample.
	if bound := 20*time.Second + 7*time.Second + 3*time.Second; took > bound {
		t.Errorf("the run took %v, bound is %v", took, bound)
	}
	if s.Self.HeapMax > 64<<20 {
		t.Errorf("the heap grew to %d MB", s.Self.HeapMax>>20)
	}
}
