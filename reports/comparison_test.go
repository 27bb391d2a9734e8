package reports_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"arqload/analysis"
	"arqload/analysis/compare"
	"arqload/reports"
)

// comparison holds the golden run against runs made from it: a fifth faster, each a little
// different, with fewer calls of one statement.
func comparison(t *testing.T, runs int) (*reports.Report, compare.Comparison) {
	t.Helper()
	demanded := demands(t)
	record := record(t)
	s := analysis.Summarize(record)
	next := compare.Of(s)
	var baseline []compare.Run
	for i := range runs {
		r := next
		r.ID = fmt.Sprintf("r%d", i)
		r.Metrics = nil
		for _, m := range next.Metrics {
			switch m.Unit {
			case compare.UnitSeconds:
				m.Value *= 0.8 + 0.005*float64(i-2)
			case compare.UnitPerArrival:
				m.Value /= 3
			}
			r.Metrics = append(r.Metrics, m)
		}
		baseline = append(baseline, r)
	}
	c := compare.Against("v1", baseline, next, compare.Margins{Relative: 0.1, AtLeastS: 0.005, Errors: 0.00005, Misses: 0.015})
	return reports.New(s, analysis.Judge(s, demanded), demanded), c
}

func TestTheComparisonInTheTerminal(t *testing.T) {
	r, c := comparison(t, 5)
	r.AddComparison(c, 5)
	r.ComparisonAlone()
	var b bytes.Buffer
	if err := r.WriteText(&b, reports.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "comparison.txt", b.String())
}

func TestTheComparisonStandsInTheWholeReport(t *testing.T) {
	r, c := comparison(t, 5)
	r.AddComparison(c, 5)
	for _, width := range []int{80, 120} {
		var b bytes.Buffer
		if err := r.WriteText(&b, reports.TextOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"(exit code 5)", "against the baseline v1: ", "REGRESSED: Compared with the baseline v1 (5 runs)", "\nMeasurement: "} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("at %d columns: no %q", width, want)
			}
		}
		for line := range strings.Lines(b.String()) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > width {
				t.Errorf("a line of %d columns at %d: %s", n, width, line)
			}
		}
	}
}

func TestTheFirstLineSaysThatAPassedRunRegressed(t *testing.T) {
	first := func(r *reports.Report) string {
		var b bytes.Buffer
		if err := r.WriteText(&b, reports.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.SplitN(b.String(), "\n", 3)[:2], "\n")
	}
	for _, x := range []struct {
		verdict    analysis.Judgement
		exit, with int
		runs       int
		want       string
	}{
		{analysis.Pass, 0, 5, 5, "PASS, but REGRESSED  golden (exit code 5)\n  - against the baseline v1: database calls"},
		{analysis.Inconclusive, 3, 5, 5, "INCONCLUSIVE, and REGRESSED  golden (exit code 5)\n  - against the baseline v1: database calls"},
		{analysis.Fail, 1, 1, 5, "FAIL, and REGRESSED  golden (exit code 1)\n  - conversation.p50 < 100ms: missed"},
		{analysis.Pass, 0, 0, 1, "PASS  golden (exit code 0)\n  - conversation.p50 < 100ms: missed"},
	} {
		r, c := comparison(t, x.runs)
		r.Verdict, r.ExitCode = x.verdict, x.exit
		r.AddComparison(c, x.with)
		if got := first(r); !strings.HasPrefix(got, x.want) {
			t.Errorf("%s with %d runs: %q, not %q", x.verdict, x.runs, got, x.want)
		}
	}
	r, _ := comparison(t, 1)
	r.Verdict, r.ExitCode = analysis.Pass, 0
	r.NotCompared("v1", "its phases differ", 3)
	if got, want := first(r), "PASS, but NOT COMPARED  golden (exit code 3)\n  - not compared with the baseline v1: its phases differ"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestAComparisonThatCouldTellNothingDoesNotSoundLikeAPass(t *testing.T) {
	r, c := comparison(t, 1)
	r.AddComparison(c, 0)
	r.ComparisonAlone()
	var b bytes.Buffer
	if err := r.WriteText(&b, reports.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := "NOTHING DECIDED: Compared with the baseline v1 (1 run)\n  - nothing could be decided: "; !strings.HasPrefix(b.String(), want) {
		t.Errorf("%.200q, not %q", b.String(), want)
	}
}

func TestTheComparisonInJSON(t *testing.T) {
	for _, runs := range []int{1, 5} {
		r, c := comparison(t, runs)
		r.AddComparison(c, 0)
		var b bytes.Buffer
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Compared struct {
				Baseline  string   `json:"baseline"`
				Runs      []string `json:"runs"`
				Regressed bool     `json:"regressed"`
			} `json:"comparison_summary"`
			Comparison []map[string]any `json:"comparison"`
		}
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Compared.Baseline != "v1" || len(got.Compared.Runs) != runs || got.Compared.Regressed != (runs == 5) || len(got.Comparison) != len(c.Changes) || len(c.Changes) < 20 {
			t.Errorf("%d runs: %+v with %d changes", runs, got.Compared, len(got.Comparison))
		}
		for i, x := range got.Comparison {
			known := runs > 1
			if (x["low"] != nil) != known || (x["high"] != nil) != known || (x["p"] != nil) != known || x["reason"] == "" || x["runs"] != float64(runs) || x["confidence"] != 0.95 {
				t.Errorf("%d runs, change %d: %v", runs, i, x)
			}
			if want := c.Changes[i]; x["margin"] != want.Margin || known && (x["low"] != want.Low || x["high"] != want.High || x["p"] != want.P || x["change"] != want.Change) {
				t.Errorf("%d runs, change %d: %v, not %+v", runs, i, x, want)
			}
			if p := x["p_adjusted"]; c.Changes[i].Decides && known && p != c.Changes[i].Adjusted {
				t.Errorf("%d runs, change %d: corrected p %v, not %v", runs, i, p, c.Changes[i].Adjusted)
			}
		}
	}
}

func TestWithoutABaselineNothingIsCompared(t *testing.T) {
	r := report(record(t), demands(t))
	var text, j bytes.Buffer
	if err := r.WriteText(&text, reports.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&j); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "with the baseline") || strings.Contains(j.String(), `"comparison_summary`) {
		t.Error("a run that was not compared has a comparison")
	}
	r.NotCompared("v1", "it is invalid: the generator was late", 4)
	text.Reset()
	if err := r.WriteText(&text, reports.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "Not compared with the baseline v1\n  - it is invalid: the generator was late\n") || !strings.Contains(text.String(), "(exit code 4)") {
		t.Errorf("a comparison that was asked for and not made:\n%s", text.String()[:600])
	}
}

func TestAQuantileAmongTheFailuresIsNullInTheComparison(t *testing.T) {
	r, _ := comparison(t, 5)
	one := func(value float64, among bool) compare.Run {
		return compare.Run{ID: "x", Metrics: []compare.Metric{{Kind: compare.KindScenario, Scope: "message", Name: "p99", Unit: compare.UnitSeconds, Value: value, N: 100, Lower: true, AmongFailures: among}}}
	}
	r.AddComparison(compare.Against("v1", []compare.Run{one(0.1, false), one(0.11, false)}, one(0, true), compare.Margins{Relative: 0.1}), 0)
	r.ComparisonAlone()
	var text, j bytes.Buffer
	if err := r.WriteText(&text, reports.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&j); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Comparison []map[string]any `json:"comparison"`
	}
	if err := json.Unmarshal(j.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if x := got.Comparison[0]; x["observed"] != nil || x["change"] != nil || x["verdict"] != "inconclusive" {
		t.Errorf("%v", x)
	}
	if !strings.Contains(text.String(), "message p99     105ms    failed") {
		t.Errorf("the table:\n%s", text.String())
	}
}
