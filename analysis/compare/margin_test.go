package compare

import (
	"math"
	"testing"
	"time"

	"arqload/scenarios"
)

func TestMarginsAreThoseOfThePlan(t *testing.T) {
	plan := func(objectives ...string) *scenarios.Plan {
		p := &scenarios.Plan{Compare: scenarios.Compare{Margin: 0.2, AtLeast: 10 * time.Millisecond}}
		for _, text := range objectives {
			o, err := scenarios.ParseObjective(text)
			if err != nil {
				t.Fatal(err)
			}
			o.Required = true
			p.Objectives = append(p.Objectives, o)
		}
		return p
	}
	silent := Margins{Relative: 0.2, AtLeastS: 0.01, Errors: 0.1 * 0.0005, Misses: 0.1 * 0.15}
	optional := plan("error_rate < 1%", "cache_hit_ratio > 90%")
	for i := range optional.Objectives {
		optional.Objectives[i].Required = false
	}
	asked := silent
	asked.Errors, asked.Misses = 0.1*0.01, 0.1*(1-0.9)
	for what, c := range map[string]struct {
		plan *scenarios.Plan
		want Margins
	}{
		"nothing demanded":       {plan(), silent},
		"both":                   {plan("error_rate < 1%", "cache_hit_ratio > 90%"), asked},
		"of one scenario alone":  {plan("auth.error_rate < 1%"), silent},
		"reported, not decisive": {optional, silent},
	} {
		got := MarginsOf(c.plan)
		if d := math.Abs(got.Errors-c.want.Errors) + math.Abs(got.Misses-c.want.Misses); d > 1e-12 || got.Relative != c.want.Relative || got.AtLeastS != c.want.AtLeastS {
			t.Errorf("%s: %+v, want %+v", what, got, c.want)
		}
	}
}

func TestTheMarginOfEachKind(t *testing.T) {
	g := Margins{Relative: 0.1, AtLeastS: 0.005, Errors: 0.0001, Misses: 0.02}
	for _, c := range []struct {
		m        Metric
		baseline float64
		absolute bool
		want     float64
	}{
		{Metric{Kind: KindScenario, Unit: UnitSeconds}, 0.1, false, 0.1},
		{Metric{Kind: KindScenario, Unit: UnitSeconds}, 0.01, false, 0.5},    // 5 ms of 10 ms
		{Metric{Kind: KindStatement, Unit: UnitSeconds}, 0.0005, false, 0.2}, // 0.1 ms of 0.5 ms
		{Metric{Kind: KindDatabase, Unit: UnitSeconds}, 0.01, false, 0.1},
		{Metric{Kind: KindStatement, Unit: UnitPerArrival}, 0.1, false, 0.5},       // 0.05 of 0.1 calls
		{Metric{Kind: KindStatement, Unit: UnitPerArrival}, 0, true, 0.05},         // calls
		{Metric{Kind: KindAll, Unit: UnitShare}, 0, true, 0.0001},                  // failures
		{Metric{Kind: KindCache, Unit: UnitShare}, 0.9, true, 0.02},                // hits
		{Metric{Kind: KindAll, Unit: UnitPerS}, 1000, false, 0.1},                  // throughput
		{Metric{Kind: KindStep, Unit: UnitSeconds, Scope: "a/b"}, 0.001, false, 5}, // 5 ms of 1 ms
	} {
		if got := g.of(c.m, c.baseline, c.absolute); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s in %s from %v: %v, want %v", c.m.Kind, c.m.Unit, c.baseline, got, c.want)
		}
	}
}
