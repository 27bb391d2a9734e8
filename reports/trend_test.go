package reports_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"arqload/analysis"
	"arqload/reports"
	"arqload/scenarios"
)

// moving is a summary of two judged phases, of which the second was not steady.
func moving(t *testing.T) *reports.Report {
	t.Helper()
	s := analysis.Summarize(record(t))
	series := func(name string, u scenarios.Unit) analysis.Series {
		return analysis.Series{Name: name, Source: "load", Unit: u}
	}
	s.Steadiness = analysis.Steadiness{
		Phases: []analysis.PhaseSteadiness{{Phase: "low", Seconds: 30, Looked: 1}, {Phase: "high", Seconds: 60, Looked: 3}, {Phase: "ramp", Seconds: 30, Reason: "a trend is expected"},
			{Phase: "wavy", Seconds: 60, Looked: 2}},
		Trends: []analysis.Trend{
			{Series: series("p95", scenarios.UnitSeconds), Phase: "low", From: 0.05, To: 0.0501, P: 0.8, Holm: 1, N: 30, Steady: true},
			{Series: series("p95", scenarios.UnitSeconds), Phase: "high", From: 0.082, To: 0.115, P: 1e-9, Holm: 4e-9, N: 60},
			{Series: series("load.failed_share", scenarios.UnitShare), Phase: "high", From: 0, To: 0.02, P: 1e-6, Holm: 3e-6, N: 60, Level: true, At: 44 * time.Second},
			{Series: series("load.in_flight", scenarios.UnitCount), Phase: "high", From: 100, To: 101, P: 0.001, Holm: 0.002, N: 60, Steady: true},
			{Series: series("p95", scenarios.UnitSeconds), Phase: "wavy", From: 0.003, To: 0.033, P: 0.02, Holm: 0.08, N: 60, Steady: true, Doubtful: true},
		},
	}
	return reports.New(s, analysis.Judge(s, nil), nil)
}

func TestTheTerminalSaysWhatMovedInWhichPhase(t *testing.T) {
	var b strings.Builder
	if err := moving(t).WriteText(&b, reports.TextOptions{Width: 400}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nSteady?\n  low: no trend found in 30 s: none of 1 series (latency, requests in flight, errors, memory, connections) moved by 10% or more beyond its usual waves; in less than a minute only a strong one can be found\n" +
			"  high: NO: p95 rose 40% (from 82ms to 115ms); load.failed_share rose at 44s (from 0% to 2%), of 3 series in 60 s\n" +
			"  ramp: a trend is expected\n" +
			"  wavy: not certain, of 2 series in 60 s; may be chance, or too wavy to tell: p95 rose 1000% (from 3ms to 33ms)\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

func TestTheJSONHasEachTrend(t *testing.T) {
	var b strings.Builder
	if err := moving(t).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Steadiness []struct {
			Phase  string
			Steady *bool
		}
		Trends []struct {
			Series, Phase string
			From, To, P   float64
			Change        *float64
			Holm          float64  `json:"p_holm"`
			At            *float64 `json:"at_s"`
			N             int
			Steady        bool
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	st := got.Steadiness
	if len(st) != 4 || st[0].Steady == nil || !*st[0].Steady || st[1].Steady == nil || *st[1].Steady || st[2].Steady != nil {
		t.Errorf("steady, not, and not told: %+v", st)
	}
	if len(got.Trends) != 5 {
		t.Fatalf("%+v", got.Trends)
	}
	p95, failed := got.Trends[1], got.Trends[2]
	if p95.Series != "p95" || p95.From != 0.082 || p95.To != 0.115 || p95.Holm != 4e-9 || p95.N != 60 || p95.Steady || p95.Change == nil || *p95.Change < 0.40 || *p95.Change > 0.41 || p95.At != nil {
		t.Errorf("%+v", p95)
	}
	if failed.Change != nil || failed.At == nil || *failed.At != 44 {
		t.Errorf("began at 0, so has no relative change, and changed at 44 s: %+v", failed)
	}
}
